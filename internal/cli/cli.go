// Package cli holds the offline commands of patchlab: render, pack, interpret,
// inspect and verify. They need no network, no database and no server. Commands that do
// (serve) are plugged in by the caller, so this package knows nothing of the farm.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sort"
	"strings"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/internal/model"
)

// The exit codes.
const (
	Done          = 0 // all went well
	Failed        = 1 // it could not be done
	Usage         = 2 // called the wrong way
	OtherVersion  = 3 // verify: the file was made by another engine version
	stdinOrStdout = "-"
)

// Command is one command that the caller plugs in.
type Command struct {
	Summary string                                       // one line for the help
	Run     func(ctx context.Context, args []string) int // returns the exit code
}

// RenderFunc renders a patch as engine.Render does.
type RenderFunc func(ctx context.Context, p patch.Patch, o engine.Options) (engine.Audio, error)

// Env is what the commands touch of the world.
type Env struct {
	Stdin            io.Reader
	Stdout, Stderr   io.Writer
	StdoutIsTerminal bool                   // binary output is refused then
	StderrIsTerminal bool                   // progress is a bar then
	Seed             func() (uint32, error) // draws a seed where none was given
	Version          string                 // of this build, for --version
	Render           RenderFunc             // engine.Render where nil
	Extra            map[string]Command     // more commands by name, such as "serve"
}

// command is a command of this package.
type command struct {
	usage, summary, details string
	run                     func(ctx context.Context, env Env, args []string) error
}

func commands() map[string]command {
	return map[string]command{
		"render": {
			usage:   `patchlab render "PROMPT" -o FILE`,
			summary: "render words, or an edited patch, to a WAV file",
			run:     render,
			details: `  patchlab render "PROMPT" [--seed N] [--duration S] [--rate HZ] [--bits 16|24|32f]
                  [--channels 1|2] [--format wav] -o FILE|-
  patchlab render --patch FILE|- [the same] -o FILE|-

  -o, --output FILE   where the sound goes; - is standard output
  --seed N            0 to 4294967295; drawn and printed when absent
  --duration S        exact length of the file, 0.05 to 30 seconds
  --rate HZ           22050, 44100, 48000 (default) or 96000
  --bits N            16, 24 (default) or 32f (float)
  --channels N        1 or 2 (default)
  --format F          wav
  --patch FILE        a patch as JSON instead of words; - is standard input

The same words and seed always give the same bytes, here and on the farm.`,
		},
		"pack": {
			usage:   `patchlab pack "THEME" --count N -o FILE`,
			summary: "render many sounds into a ZIP, on all cores",
			run:     pack,
			details: `  patchlab pack "THEME" --count N [--seed N] [--duration S] [--rate HZ] [--bits 16|24|32f]
                [--channels 1|2] [--name NAME] [--jobs N] -o FILE|-
  patchlab pack --plan FILE|- [the same without --count] -o FILE|-
  patchlab pack "THEME" --count N --print-plan

  THEME               a sort of pack ("drum kit", "dark sci-fi"), a list of sounds
                      ("8 kicks, 4 snares and a hat"), or one sound to make versions of
  --count N           how many sounds, 1 to 500
  -o, --output FILE   where the ZIP goes; - is standard output
  --print-plan        print the prompts and the names of the files as JSON, and render nothing
  --plan FILE         render such a plan, perhaps edited; - is standard input. A sound in it
                      may have a "seed" and a "duration" of its own, which win over the flags
  --seed N            0 to 4294967295; drawn and printed when absent; each sound's is derived
  --duration S        exact length of each file, 0.05 to 30 seconds
  --rate HZ           22050, 44100, 48000 (default) or 96000
  --bits N            16, 24 (default) or 32f (float)
  --channels N        1 or 2 (default)
  --name NAME         of the folder in the ZIP; made from the theme when absent
  --jobs N            how many sounds at once; all cores when absent

The same plan and seed always give the same bytes. A sound that cannot be rendered is
listed, in the pack too, and the exit code is 1.`,
		},
		"interpret": {
			usage:   `patchlab interpret "PROMPT" [--seed N]`,
			summary: "show what the words mean, as JSON",
			run:     interpret,
			details: `  --seed N            0 to 4294967295; drawn and printed when absent`,
		},
		"inspect": {
			usage:   `patchlab inspect FILE`,
			summary: "print the recipe inside a WAV file, as JSON",
			run:     inspect,
		},
		"verify": {
			usage:   `patchlab verify FILE`,
			summary: "render the recipe inside a file again and compare bit for bit",
			run:     verify,
			details: `Exit code 0: the same bytes; 1: not; 3: made by another engine version.`,
		},
	}
}

// usageError is an error of how a command was called.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// Run runs the command that args name (without the program's own name) and
// returns the exit code. Everything that is not a result goes to env.Stderr, one
// line for each thing, saying what to do. When ctx ends, the command stops and
// leaves no partial file.
func Run(ctx context.Context, args []string, env Env) int {
	if len(args) == 0 {
		help(env.Stderr, env)
		return Usage
	}
	if env.Render == nil {
		env.Render = engine.Render
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "--help", "-h":
		if len(rest) > 0 {
			return helpOn(rest[0], env)
		}
		help(env.Stdout, env)
		return Done
	case "version", "--version", "-v":
		if _, err := fmt.Fprintf(env.Stdout, "patchlab %s (engine %s, encoder %s)\n", env.Version, engine.Version, format.EncoderVersion); err != nil {
			return Failed
		}
		return Done
	}
	if c, ok := env.Extra[name]; ok {
		return c.Run(ctx, rest)
	}
	c, ok := commands()[name]
	if !ok {
		complain(env, "there is no command %q; `patchlab help` lists them", name)
		return Usage
	}
	return code(env, name, c.run(ctx, env, rest))
}

// code reports an error and returns its exit code.
func code(env Env, name string, err error) int {
	var usage *usageError
	var version *format.VersionError
	var invalid *model.Error
	switch {
	case err == nil:
		return Done
	case errors.Is(err, flag.ErrHelp):
		return helpOn(name, env)
	case errors.As(err, &usage):
		complain(env, "%s; see `patchlab help %s`", usage.msg, name)
		return Usage
	case errors.As(err, &version):
		complain(env, "%v; use the patchlab that made it", version)
		if name == "verify" {
			return OtherVersion
		}
		return Failed
	case errors.As(err, &invalid):
		for _, f := range invalid.Fields {
			complain(env, "%s %s", flagName(f.Field), f.Message)
		}
		if len(invalid.Fields) == 0 {
			complain(env, "%s", invalid.Message)
		}
		return Usage
	case errors.Is(err, context.Canceled):
		complain(env, "stopped; no file was written")
		return Failed
	}
	complain(env, "%v", err)
	return Failed
}

// flagName turns a field of the HTTP API into the flag that sets it here.
func flagName(field string) string {
	switch field {
	case "prompt":
		return "the prompt"
	case "theme":
		return "the theme"
	case "plan":
		return "the plan"
	case "count", "name":
		return "--" + field
	case "duration":
		return "--duration"
	case "sample_rate":
		return "--rate"
	case "bit_depth":
		return "--bits"
	case "channels":
		return "--channels"
	}
	return field
}

// complain writes one line to standard error; nothing can be done where that fails.
func complain(env Env, format string, args ...any) {
	line := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	_, _ = fmt.Fprintf(env.Stderr, "patchlab: %s\n", line)
}

func help(w io.Writer, env Env) {
	type line struct{ usage, summary string }
	lines := make([]line, 0, 8)
	for _, c := range commands() {
		lines = append(lines, line{c.usage, c.summary})
	}
	for name, c := range env.Extra {
		lines = append(lines, line{"patchlab " + name, c.Summary})
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].usage < lines[j].usage })
	var b strings.Builder
	b.WriteString("PatchLAB: a render farm for sound.\n\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "  %-41s %s\n", l.usage, l.summary)
	}
	b.WriteString("\n  patchlab help COMMAND                     all of its options\n  patchlab --version\n")
	b.WriteString("\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 verify on a file of another engine version.\n")
	_, _ = io.WriteString(w, b.String())
}

func helpOn(name string, env Env) int {
	if c, ok := env.Extra[name]; ok {
		_, _ = fmt.Fprintf(env.Stdout, "patchlab %s: %s\n", name, c.Summary)
		return Done
	}
	c, ok := commands()[name]
	if !ok {
		complain(env, "there is no command %q; `patchlab help` lists them", name)
		return Usage
	}
	_, _ = fmt.Fprintf(env.Stdout, "%s: %s\n", c.usage, c.summary)
	if c.details != "" {
		_, _ = fmt.Fprintf(env.Stdout, "\n%s\n", c.details)
	}
	return Done
}

// parseFlags parses flags that stand before, between or after the other
// arguments, which it returns. "--" ends the flags.
func parseFlags(fs *flag.FlagSet, args []string) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usagef("%v", err)
		}
		left := fs.Args()
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), nil
		}
		if len(left) == 0 {
			return rest, nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}
