// Command invariants runs the check of each rule in docs/invariants.json, from
// the root of the repository, and says which hold. A check that tests nothing
// counts as broken.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// invariant is a rule of the design and the command that checks it.
type invariant struct {
	ID      int    `json:"id"`
	Text    string `json:"text"`
	Command string `json:"command"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: invariants docs/invariants.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var rules []invariant
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rules); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if len(rules) == 0 {
		return errors.New("no invariants listed")
	}
	broken := 0
	for _, r := range rules {
		start := time.Now()
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", r.Command)
		cmd.Dir = filepath.Dir(filepath.Dir(file))
		out, err := cmd.CombinedOutput()
		if err == nil && bytes.Contains(out, []byte("[no tests to run]")) {
			err = errors.New("the check tests nothing")
		}
		verdict := "holds "
		if err != nil {
			broken++
			verdict = "BROKEN"
		}
		fmt.Printf("%2d  %s  %s  (%.1f s)\n", r.ID, verdict, r.Text, time.Since(start).Seconds())
		if err != nil {
			fmt.Printf("    %s\n    %v\n%s\n", r.Command, err, out)
		}
	}
	fmt.Printf("%d passed, %d failed\n", len(rules)-broken, broken)
	if broken > 0 {
		return fmt.Errorf("%d of %d invariants are broken", broken, len(rules))
	}
	return nil
}
