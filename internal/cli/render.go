package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// maxPatch is the size of the largest patch file in bytes.
const maxPatch = 64 << 10

// seedFlag is a seed that may be absent.
type seedFlag struct{ seed *uint32 }

func (s *seedFlag) String() string { return "" }

func (s *seedFlag) Set(v string) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return errors.New("a seed is a whole number from 0 to 4294967295")
	}
	seed := uint32(n)
	s.seed = &seed
	return nil
}

// draw returns the seed that was given, or a drawn one and says so.
func (s *seedFlag) draw(env Env) (uint32, error) {
	if s.seed != nil {
		return *s.seed, nil
	}
	seed, err := env.Seed()
	if err != nil {
		return 0, fmt.Errorf("draw a seed: %w; give one with --seed", err)
	}
	complain(env, "seed %d (give --seed %d to get the very same again)", seed, seed)
	return seed, nil
}

// overrideFlags are the flags that fix values besides the words.
type overrideFlags struct {
	duration       string
	rate, channels string
	bits           string
}

func (o *overrideFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&o.duration, "duration", "", "")
	fs.StringVar(&o.rate, "rate", "", "")
	fs.StringVar(&o.bits, "bits", "", "")
	fs.StringVar(&o.channels, "channels", "", "")
}

func (o *overrideFlags) overrides() (prompt.Overrides, error) {
	var out prompt.Overrides
	if o.duration != "" {
		v, err := strconv.ParseFloat(strings.TrimSuffix(o.duration, "s"), 64)
		if err != nil {
			return out, usagef("--duration %q is not a number of seconds, such as 2.5", o.duration)
		}
		out.Duration = &v
	}
	for _, n := range []struct {
		name, text string
		to         **int
	}{
		{"--rate", o.rate, &out.SampleRate},
		{"--bits", strings.TrimSuffix(o.bits, "f"), &out.BitDepth},
		{"--channels", o.channels, &out.Channels},
	} {
		if n.text == "" {
			continue
		}
		v, err := strconv.Atoi(n.text)
		if err != nil {
			return out, usagef("%s %q is not a whole number", n.name, n.text)
		}
		*n.to = &v
	}
	if strings.HasSuffix(o.bits, "f") && o.bits != "32f" {
		return out, usagef("--bits %q: only 32f is float; say 16, 24 or 32f", o.bits)
	}
	return out, nil
}

func render(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("render", flag.ContinueOnError)
	var seed seedFlag
	var over overrideFlags
	var output, patchFile, kind string
	over.register(fs)
	fs.Var(&seed, "seed", "")
	fs.StringVar(&output, "o", "", "")
	fs.StringVar(&output, "output", "", "")
	fs.StringVar(&patchFile, "patch", "", "")
	fs.StringVar(&kind, "format", format.WAV, "")
	rest, err := parseFlags(fs, args)
	if err != nil {
		return err
	}
	switch {
	case output == "":
		return usagef("say where the sound goes: -o FILE, or -o - for standard output")
	case kind != format.WAV:
		return usagef("--format %q is not known; this build writes wav", kind)
	case patchFile == "" && len(rest) == 0:
		return usagef(`say what it should sound like: patchlab render "deep bass" -o FILE`)
	case patchFile != "" && len(rest) > 0:
		return usagef("give words or --patch, not both")
	case output == stdinOrStdout && env.StdoutIsTerminal:
		return usagef("a sound would only garble this terminal; use -o FILE or send standard output into a pipe")
	}
	o, err := over.overrides()
	if err != nil {
		return err
	}
	var p patch.Patch
	if patchFile != "" {
		p, err = readPatch(env, patchFile, seed.seed, o)
	} else {
		p, err = fromWords(env, strings.Join(rest, " "), &seed, o)
	}
	if err != nil {
		return err
	}
	audio, err := env.Render(ctx, p, engine.Options{})
	if err != nil {
		return fmt.Errorf("render: %w", err)
	}
	return writeOutput(env, output, func(w io.Writer) error {
		return format.Encode(ctx, w, audio, format.NewRecipe(p, kind))
	})
}

// fromWords interprets a prompt and says on standard error what was understood.
func fromWords(env Env, text string, seed *seedFlag, o prompt.Overrides) (patch.Patch, error) {
	if _, err := prompt.Build(text, 0, 0, o); err != nil { // before a seed is drawn and printed
		return patch.Patch{}, err
	}
	n, err := seed.draw(env)
	if err != nil {
		return patch.Patch{}, err
	}
	in, err := prompt.Build(text, n, 0, o)
	if err != nil {
		return patch.Patch{}, err
	}
	describe(env, in)
	return in.Patch, nil
}

func describe(env Env, in prompt.Interpretation) {
	var known, ignored []string
	for _, w := range in.Words {
		if strings.EqualFold(w.Text, w.Word) {
			known = append(known, w.Word)
		} else {
			known = append(known, fmt.Sprintf("%s (%s)", w.Word, w.Text))
		}
	}
	for _, s := range in.Ignored {
		ignored = append(ignored, s.Text)
	}
	switch {
	case len(known) == 0:
		complain(env, "understood none of the words; this is the default sound; try \"deep bass\" or \"bright bell\"")
	case len(ignored) == 0:
		complain(env, "understood %s; confidence %.2f", strings.Join(known, ", "), in.Confidence)
	default:
		complain(env, "understood %s; ignored %s; confidence %.2f", strings.Join(known, ", "), strings.Join(ignored, ", "), in.Confidence)
	}
}

// readPatch reads an edited patch and applies the flags that were given.
func readPatch(env Env, name string, seed *uint32, o prompt.Overrides) (patch.Patch, error) {
	in := env.Stdin
	if name != stdinOrStdout {
		f, err := os.Open(name)
		if err != nil {
			return patch.Patch{}, fmt.Errorf("open the patch: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxPatch+1))
	if err != nil {
		return patch.Patch{}, fmt.Errorf("read the patch: %w", err)
	}
	if len(data) > maxPatch {
		return patch.Patch{}, fmt.Errorf("%s is larger than %d bytes; that is no patch", name, maxPatch)
	}
	p, err := patch.Decode(data)
	if err != nil {
		return patch.Patch{}, patchFault(name, err)
	}
	if seed != nil {
		p.Seed = *seed
	}
	var faults []model.FieldError
	set := func(field, path string, v any) {
		var invalid *patch.ValidationError
		if err := p.Set(path, v); errors.As(err, &invalid) {
			faults = append(faults, model.FieldError{Field: field, Message: invalid.Fields[0].Message})
		} else if err != nil {
			faults = append(faults, model.FieldError{Field: field, Message: err.Error()})
		}
	}
	if o.Duration != nil {
		set("duration", "output.duration", *o.Duration)
	}
	if o.SampleRate != nil {
		set("sample_rate", "output.sample_rate", *o.SampleRate)
	}
	if o.BitDepth != nil {
		set("bit_depth", "output.bit_depth", *o.BitDepth)
	}
	if o.Channels != nil {
		set("channels", "output.channels", *o.Channels)
	}
	if len(faults) > 0 {
		return patch.Patch{}, model.Invalid(faults...)
	}
	if err := p.Validate(); err != nil {
		return patch.Patch{}, patchFault(name, err)
	}
	return p, nil
}

// patchFault names every wrong field of a patch file on one line.
func patchFault(name string, err error) error {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Fields) == 0 {
		return fmt.Errorf("%s is not a patch: %w", name, err)
	}
	var faults []string
	for _, f := range invalid.Fields {
		if f.Field == "" {
			faults = append(faults, f.Message)
			continue
		}
		faults = append(faults, f.Field+" "+f.Message)
	}
	return fmt.Errorf("%s is not a valid patch: %s", name, strings.Join(faults, "; "))
}

func interpret(_ context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("interpret", flag.ContinueOnError)
	var seed seedFlag
	fs.Var(&seed, "seed", "")
	rest, err := parseFlags(fs, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usagef(`say the words: patchlab interpret "deep bass"`)
	}
	text := strings.Join(rest, " ")
	if _, err := prompt.Interpret(text, 0); err != nil { // before a seed is drawn and printed
		return err
	}
	n, err := seed.draw(env)
	if err != nil {
		return err
	}
	in, err := prompt.Interpret(text, n)
	if err != nil {
		return err
	}
	return writeJSON(env, in)
}

func writeJSON(env Env, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	if _, err := env.Stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}
