package main

import (
	"fmt"
	"strings"
)

// result is what a scenario found: a table, what it must hold to, and remarks.
type result struct {
	title  string
	head   []string
	rows   [][]string
	checks []check
	notes  []string
}

// check is a figure and its limit.
type check struct {
	what       string
	got, limit float64
	unit       string
	within     bool // the limit itself is allowed
}

func (c check) ok() bool { return c.got < c.limit || c.within && c.got == c.limit }

func (c check) String() string {
	verdict, bound := "PASS", "below"
	if !c.ok() {
		verdict = "**FAIL**"
	}
	if c.within {
		bound = "at most"
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s: %s, must be %s %s %s", verdict, c.what, number(c.got), bound, number(c.limit), c.unit))
}

// number prints a figure with three digits that say something.
func number(x float64) string {
	switch {
	case x == float64(int64(x)), x >= 100 || x <= -100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10 || x <= -10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

func (r *result) row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case float64:
			row[i] = number(c)
		default:
			row[i] = fmt.Sprint(c)
		}
	}
	r.rows = append(r.rows, row)
}

// below demands a figure below a limit.
func (r *result) below(what string, got, limit float64, unit string) {
	r.checks = append(r.checks, check{what: what, got: got, limit: limit, unit: unit})
}

// atMost demands a figure of at most a limit.
func (r *result) atMost(what string, got, limit float64, unit string) {
	r.checks = append(r.checks, check{what: what, got: got, limit: limit, unit: unit, within: true})
}

func (r *result) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// missed counts the figures that are not within their limits.
func (r *result) missed() int {
	n := 0
	for _, c := range r.checks {
		if !c.ok() {
			n++
		}
	}
	return n
}

func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", r.title)
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(r.head)
	b.WriteString(strings.Repeat("|---", len(r.head)) + "|\n")
	for _, row := range r.rows {
		line(row)
	}
	b.WriteByte('\n')
	for _, c := range r.checks {
		fmt.Fprintf(&b, "- %s\n", c)
	}
	for _, n := range r.notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	return b.String()
}
