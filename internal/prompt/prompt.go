// Package prompt turns words into a patch. It knows an allow-listed lexicon
// (lexicon.go) and numbers with units, and nothing else: text is never
// evaluated, the network is never asked, and the same words and seed always give
// the same patch.
//
// A prompt is cut into tokens, the tokens are looked up (with a light tolerance
// for typing errors), modifiers such as "very" or "without" become the strength
// of the word that follows, and the effects of each word are applied in order to
// the template of the instrument that was named. Numbers come last and win. The
// result is clamped to the parameter table, humanised by the seed by a few
// percent where no number fixed a value, and rounded to four significant digits,
// so that no difference between processors can reach the patch.
package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"patchlab/engine/patch"
	"patchlab/internal/model"
)

// MaxRunes is the length of the longest prompt, in characters (Unicode code points).
const MaxRunes = 500

// Kind says what sort of word the lexicon holds.
type Kind string

// The kinds.
const (
	Instrument Kind = "instrument" // what makes the sound
	Adjective  Kind = "adjective"  // how it is
	Modifier   Kind = "modifier"   // how much of the next word
	Number     Kind = "number"     // a quantity with its unit
	Effect     Kind = "effect"     // something added: reverb, vibrato, a chord
)

// Interpretation is what became of a prompt: the schema Interpretation of the
// HTTP API.
type Interpretation struct {
	Prompt     string      `json:"prompt"`
	Words      []Word      `json:"words"`
	Ignored    []Span      `json:"ignored"`
	Confidence float64     `json:"confidence"` // 0..1; 0.3 or less where no word was known
	Patch      patch.Patch `json:"patch"`
}

// Explanation is an Interpretation without its prompt and patch: the schema
// Explanation, stored beside a sound.
type Explanation struct {
	Words      []Word  `json:"words"`
	Ignored    []Span  `json:"ignored"`
	Confidence float64 `json:"confidence"`
}

// Explanation returns the part of the interpretation that is stored beside a sound.
func (in Interpretation) Explanation() Explanation {
	return Explanation{Words: in.Words, Ignored: in.Ignored, Confidence: in.Confidence}
}

// Span is a stretch of the prompt. Start and End count UTF-16 code units, as
// JavaScript does, from the first character to the one after the last.
type Span struct {
	Text  string `json:"text"`
	Start int    `json:"start"`
	End   int    `json:"end"`
}

// Word is a stretch of the prompt that was understood, and what it did.
type Word struct {
	Span
	Word    string   `json:"word"`   // the word of the lexicon, which differs from the text after a typing error
	Kind    Kind     `json:"kind"`   //
	Source  string   `json:"source"` // the source whose hue it is shown in
	Effects []Change `json:"effects"`
}

// Change is one parameter that a word set or moved. Value is what the patch
// holds in the end, a number or a string.
type Change struct {
	Path  string `json:"path"`
	Value any    `json:"value"`
	Unit  string `json:"unit"`
	Text  string `json:"text"` // for people: "cutoff 420 Hz: dark"
}

// Interpret turns text into a patch. It fails only where the text is not a
// prompt: empty, white space and marks that cannot be seen only, longer than MaxRunes characters, not UTF-8,
// or holding control characters; the error is a *model.Error with CodeInvalid
// and the field "prompt".
func Interpret(text string, seed uint32) (Interpretation, error) {
	if err := check(text); err != nil {
		return Interpretation{}, err
	}
	return interpret(text, seed, nil), nil
}

func check(text string) error {
	bad := func(msg string) error {
		return model.Invalid(model.FieldError{Field: "prompt", Message: msg})
	}
	if !utf8.ValidString(text) {
		return bad("is not valid UTF-8: send the words as UTF-8 text")
	}
	if strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }) == "" {
		return bad("is empty: say in 1 to 500 characters what it should sound like")
	}
	if n := utf8.RuneCountInString(text); n > MaxRunes {
		return bad(fmt.Sprintf("has %d characters: shorten it to 500 or fewer", n))
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return bad(fmt.Sprintf("holds the control character U+%04X: remove it", r))
		}
	}
	return nil
}

// TakeSeed returns the seed of one take of a request. Take 0 has the request's
// own seed; the others have seeds derived from it.
func TakeSeed(seed uint32, take int) uint32 {
	if take == 0 {
		return seed
	}
	return uint32(mix64(uint64(seed)<<32^uint64(take)) >> 32)
}

// Overrides is what a request fixes besides its words. Nil fields leave what the
// words, or else the defaults (48 kHz, 24 bit, stereo, as long as the tail), say.
type Overrides struct {
	Duration   *float64                   // s, 0.05..30, the exact length of the file
	SampleRate *int                       // Hz
	BitDepth   *int                       // 16, 24 or 32 (float)
	Channels   *int                       // 1 or 2
	Patch      map[string]json.RawMessage // patch values by path, "layers.0.filter.cutoff"; applied last
}

// Build is the one way from a request to a patch: the farm and the command line
// both use it, so the same words, seed and overrides give the same bytes
// everywhere. take counts from 0; the patch's seed is TakeSeed(seed, take).
// Errors are *model.Error with CodeInvalid that name every wrong field as the
// HTTP API calls it: prompt, duration, sample_rate, bit_depth, channels,
// overrides.<path>.
func Build(text string, seed uint32, take int, o Overrides) (Interpretation, error) {
	var faults []model.FieldError
	var invalid *model.Error
	if err := check(text); errors.As(err, &invalid) {
		faults = append(faults, invalid.Fields...)
		text = "?" // so that the other fields are checked too
	}
	if o.Duration != nil && (*o.Duration < patch.MinDuration || *o.Duration > patch.MaxDuration || math.IsNaN(*o.Duration)) {
		faults = append(faults, model.FieldError{Field: "duration", Message: fmt.Sprintf("must be %g to %g seconds", float64(patch.MinDuration), float64(patch.MaxDuration))})
		o.Duration = nil
	}
	in := interpret(text, TakeSeed(seed, take), o.Duration)
	set := func(field, path string, value any) {
		var v *patch.ValidationError
		if err := in.Patch.Set(path, value); errors.As(err, &v) {
			for _, f := range v.Fields {
				faults = append(faults, model.FieldError{Field: field, Message: f.Message})
			}
		} else if err != nil {
			faults = append(faults, model.FieldError{Field: field, Message: err.Error()})
		}
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
	paths := make([]string, 0, len(o.Patch))
	for path := range o.Patch {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		set("overrides."+path, path, o.Patch[path])
	}
	if len(faults) > 0 {
		return Interpretation{}, model.Invalid(faults...)
	}
	if err := in.Patch.Validate(); err != nil {
		var v *patch.ValidationError
		if !errors.As(err, &v) {
			return Interpretation{}, model.Wrap(model.CodeInvalid, err, "the patch is not valid")
		}
		for _, f := range v.Fields {
			faults = append(faults, model.FieldError{Field: "overrides." + f.Field, Message: f.Message})
		}
		return Interpretation{}, model.Invalid(faults...)
	}
	in.refresh()
	return in, nil
}
