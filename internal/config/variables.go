package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Variable documents one environment variable.
type Variable struct {
	Name    string
	Default string // "" = unset
	Want    string // what it accepts
	Doc     string
	Secret  bool // NAME_FILE works too, and the value never shows
}

// Variables returns every variable, in the order of Config.
func Variables() []Variable {
	t := reflect.TypeFor[Config]()
	out := make([]Variable, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		out = append(out, Variable{
			Name:    f.Tag.Get("env"),
			Default: f.Tag.Get("envDefault"),
			Want:    f.Tag.Get("want"),
			Doc:     f.Tag.Get("doc"),
			Secret:  f.Type == reflect.TypeFor[Secret](),
		})
	}
	return out
}

// Markdown returns the table of variables for docs/operations.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| variable | default | accepts | what for |\n|---|---|---|---|\n")
	for _, v := range Variables() {
		name, def := "`"+v.Name+"`", "unset"
		if v.Secret {
			name += ", `" + v.Name + "_FILE`"
		}
		if v.Default != "" {
			def = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, def, v.Want, v.Doc)
	}
	return b.String()
}

// Example returns the contents of .env.example.
func Example() string {
	var b strings.Builder
	b.WriteString("# Copy to .env to change a setting in development. Everything is optional.\n" +
		"# Generated from internal/config by `make docs`.\n")
	for _, v := range Variables() {
		fmt.Fprintf(&b, "\n# %s\n# Accepts %s.\n#%s=%s\n", v.Doc, v.Want, v.Name, v.Default)
	}
	return b.String()
}
