package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// maxPlan is the size of the largest plan in bytes: 500 of the longest prompts and names,
// each character escaped.
const maxPlan = 4 << 20

// plan is what a pack is made of, as --print-plan writes and --plan reads it: what
// POST /v1/packs/plan of the HTTP API answers.
type plan struct {
	Name   string    `json:"name"`            // of the pack; made from the theme, or the first prompt, where ""
	Theme  string    `json:"theme,omitempty"` // what it was planned from; nothing depends on it but the name
	Sounds []planned `json:"sounds"`
}

// planned is one sound of a plan.
type planned struct {
	Name     string   `json:"name"` // of its file, without an ending; made from the prompt where ""
	Prompt   string   `json:"prompt"`
	Seed     *uint32  `json:"seed,omitempty"`     // its own; derived from the pack's when absent
	Duration *float64 `json:"duration,omitempty"` // s, 0.05–30; left to --duration, or else the words, when absent
}

// planOf plans a theme.
func planOf(theme string, count int) (*plan, error) {
	prompts, err := prompt.Plan(theme, count)
	if err != nil {
		return nil, err
	}
	p := &plan{Theme: strings.TrimSpace(theme), Sounds: make([]planned, len(prompts))}
	for i := range prompts {
		p.Sounds[i].Prompt = prompts[i]
	}
	return p, nil
}

// readPlan reads a plan from a file, or from standard input.
func readPlan(env Env, name string) (*plan, error) {
	in := env.Stdin
	if name != stdinOrStdout {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open the plan: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	lim := &io.LimitedReader{R: in, N: maxPlan + 1}
	dec := json.NewDecoder(lim)
	dec.DisallowUnknownFields()
	var p plan
	err := dec.Decode(&p)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the JSON object")
		}
	}
	switch {
	case lim.N == 0:
		return nil, model.Invalid(model.FieldError{Field: "plan", Message: fmt.Sprintf("%s is larger than %d bytes: that is no plan", name, maxPlan)})
	case err != nil:
		return nil, model.Invalid(planFault(name, err))
	}
	return &p, nil
}

// planFault says what is wrong with the JSON of a plan, and how to mend it.
func planFault(name string, err error) model.FieldError {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return model.FieldError{Field: "plan", Message: fmt.Sprintf("%s is not a plan: %s; --print-plan shows what one looks like",
			name, strings.TrimPrefix(err.Error(), "json: "))}
	}
	must := "must be text"
	switch kind.Field[strings.LastIndexByte(kind.Field, '.')+1:] {
	case "seed":
		must = "must be a whole number from 0 to 4294967295"
	case "duration":
		must = "must be a number of seconds"
	case "", "sounds":
		must = `must be a list of sounds, such as {"sounds": [{"prompt": "kick"}]}`
	}
	field := kind.Field
	if field == "" {
		field = "sounds"
	}
	return model.FieldError{Field: field, Message: fmt.Sprintf("%s (%s, byte %d)", must, name, kind.Offset)}
}

// mostFaults is how many wrong fields are told: of five hundred alike some say enough.
const mostFaults = 20

// sounds interprets a plan and names what has no name yet, as the farm does. It returns
// what is to be rendered, and the prompts of which no word is known. Sound i has the seed
// prompt.TakeSeed(seed, i), unless it has one of its own.
func (p *plan) sounds(seed uint32, o prompt.Overrides) (sounds []format.PackSound, unknown []string, err error) {
	if _, err := prompt.Build("?", 0, 0, o); err != nil {
		return nil, nil, err // once, and not for each sound
	}
	if n := len(p.Sounds); n < 1 || n > prompt.MaxPlan {
		return nil, nil, model.Invalid(model.FieldError{Field: "sounds", Message: fmt.Sprintf("are %d: a pack has 1 to %d", n, prompt.MaxPlan)})
	}
	faults := p.checkNames()
	sounds = make([]format.PackSound, len(p.Sounds))
	var bytes int64
	for i, s := range p.Sounds {
		own, take, over := seed, i, o
		if s.Seed != nil {
			own, take = *s.Seed, 0
		}
		if s.Duration != nil {
			over.Duration = s.Duration
		}
		in, err := prompt.Build(s.Prompt, own, take, over)
		var invalid *model.Error
		if errors.As(err, &invalid) {
			for _, f := range invalid.Fields {
				faults = append(faults, model.FieldError{Field: fmt.Sprintf("sounds.%d.%s", i, f.Field), Message: f.Message})
			}
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if !slices.ContainsFunc(in.Words, func(w prompt.Word) bool { return w.Kind == prompt.Instrument }) {
			unknown = append(unknown, s.Prompt)
		}
		sounds[i].Recipe = format.NewRecipe(in.Patch, format.WAV)
		bytes += in.Patch.Samples() * int64(in.Patch.Output.BitDepth/8)
	}
	if bytes > format.MaxPackBytes {
		faults = append(faults, model.FieldError{Field: "sounds", Message: fmt.Sprintf(
			"make up to %d MB of audio, more than the %d MB of a pack: ask for fewer or shorter ones, --bits 16 or --channels 1", bytes>>20, int64(format.MaxPackBytes>>20))})
	}
	if len(faults) > 0 {
		return nil, nil, model.Invalid(faults[:min(len(faults), mostFaults)]...)
	}
	p.fillNames()
	for i := range sounds {
		sounds[i].Name = p.Sounds[i].Name
	}
	return sounds, unknown, nil
}

// checkNames reports the names that a plan gives and that cannot be those of files.
func (p *plan) checkNames() []model.FieldError {
	var faults []model.FieldError
	check := func(field, name string) bool {
		if name == "" {
			return false
		}
		wrong := format.CheckName(name)
		if wrong != "" {
			faults = append(faults, model.FieldError{Field: field, Message: wrong})
		}
		return wrong == ""
	}
	check("name", p.Name)
	first := make(map[string]int, len(p.Sounds)) // by the key of the name
	for i, s := range p.Sounds {
		field := fmt.Sprintf("sounds.%d.name", i)
		if !check(field, s.Name) {
			continue
		}
		key := format.NameKey(s.Name)
		if at, taken := first[key]; taken {
			faults = append(faults, model.FieldError{Field: field, Message: fmt.Sprintf("is that of sounds.%d too: give each file a name of its own", at)})
			continue
		}
		first[key] = i
	}
	return faults
}

// fillNames names the pack and its sounds where the plan does not.
func (p *plan) fillNames() {
	if p.Name == "" {
		from := p.Theme
		if strings.TrimSpace(from) == "" {
			from = p.Sounds[0].Prompt
		}
		p.Name = format.NameOf(from)
	}
	taken := make(map[string]bool, len(p.Sounds))
	for _, s := range p.Sounds {
		if s.Name != "" {
			taken[format.NameKey(s.Name)] = true
		}
	}
	for i := range p.Sounds {
		if s := &p.Sounds[i]; s.Name == "" {
			s.Name = format.NamesOf([]string{s.Prompt}, taken)[0]
		}
	}
}
