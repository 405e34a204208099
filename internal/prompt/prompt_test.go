package prompt_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/engine/patch"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

func read(t *testing.T, text string) prompt.Interpretation {
	t.Helper()
	return readSeed(t, text, 7)
}

func readSeed(t *testing.T, text string, seed uint32) prompt.Interpretation {
	t.Helper()
	in, err := prompt.Interpret(text, seed)
	require.NoError(t, err)
	require.NoError(t, in.Patch.Validate(), text)
	return in
}

func ignored(in prompt.Interpretation) []string {
	out := []string{}
	for _, s := range in.Ignored {
		out = append(out, s.Text)
	}
	return out
}

func understood(in prompt.Interpretation) []string {
	out := []string{}
	for _, w := range in.Words {
		out = append(out, w.Word)
	}
	return out
}

func TestNumbersSetWhatTheyMeasure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		get  func(p patch.Patch) float64
		want float64
	}{
		{"bass, two seconds", duration, 2},
		{"bass 2s", duration, 2},
		{"bass for 2.5 s", duration, 2.5},
		{"bass 2,5 s", duration, 2.5},
		{"two and a half second drone", duration, 2.5},
		{"2 and a half seconds drone", duration, 2.5},
		{"a second and a half of noise", duration, 1.5},
		{"noise burst, half a second", duration, 0.5},
		{"noise, a quarter of a second", duration, 0.25},
		{"noise, 1/2 second", duration, 0.5},
		{"half second beep", duration, 0.5},
		{"beep, 250 ms", duration, 0.25},
		{"beep 250ms", duration, 0.25},
		{"a one second beep", duration, 1},
		{"beep of a second", duration, 1},
		{"drone, 99999999999999999999 s", duration, 30},
		{"drone, 5 minutes", duration, 30},
		{"beep 1 ms", duration, 0.05},
		{"bass", duration, 0},
		{"the second bass", duration, 0},
		{"sine at 440 hz", pitch, 440},
		{"sine 1.2khz", pitch, 1200},
		{"sine at 1,000 Hz", pitch, 1000},
		{"saw lead on C4", pitch, 261.6},
		{"bell a5", pitch, 880},
		{"square A#3", pitch, 233.1},
		{"square Bb3", pitch, 233.1},
		{"square c-1", pitch, 8.176},
		{"square wave A2, half a second", pitch, 110},
		{"wobble bass at 4 hz, three seconds", lfo1, 4},
		{"4 hz wobble bass", lfo1, 4},
		{"tremolo strings at 6 hz", lfo1, 6},
		{"wobble bass at 60 hz", pitch, 60},
		{"pulsing bass at 120 bpm eighth notes", lfo1, 4},
		{"pulsing bass at 120 bpm 1/16 notes", lfo1, 8},
		{"pulsing bass at 120 bpm eighth triplets", lfo1, 6},
		{"pulsing bass at 120 bpm", lfo1, 2},
		{"pad, 200 ms attack", attack, 0.2},
		{"pad, attack 200 ms, release 1 s", attack, 0.2},
		{"pad, attack 200 ms, release 1 s", release, 1},
		{"200 ms attack 1 s release pad", release, 1},
		{"bass, cutoff 800 hz", cutoff, 800},
		{"bass, cutoff 800 hz", duration, 0},
		{"pad with 3 second reverb", reverbTime, 3},
		{"pad drenched in reverb, 2 seconds", duration, 2},
		{"bass -6 dB", level, -6},
		{"bass at −6db", level, -6},
		{"bass detuned by 25 cents", detune, 25},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			in := read(t, c.text)
			assert.InEpsilon(t, c.want+1, c.get(in.Patch)+1, 1e-9)
		})
	}
}

func duration(p patch.Patch) float64   { return p.Output.Duration }
func pitch(p patch.Patch) float64      { return p.Layers[0].Pitch }
func lfo1(p patch.Patch) float64       { return p.Layers[0].LFO1.Rate }
func attack(p patch.Patch) float64     { return p.Layers[0].AmpEnv.Attack }
func release(p patch.Patch) float64    { return p.Layers[0].AmpEnv.Release }
func cutoff(p patch.Patch) float64     { return p.Layers[0].Filter.Cutoff }
func reverbTime(p patch.Patch) float64 { return p.Bus.Reverb.Time }
func reverbMix(p patch.Patch) float64  { return p.Bus.Reverb.Mix }
func drive(p patch.Patch) float64      { return p.Bus.Distortion.Drive }
func level(p patch.Patch) float64      { return p.Output.Level }
func detune(p patch.Patch) float64     { return p.Layers[0].Synth.Osc1.Detune }
func gate(p patch.Patch) float64       { return p.Layers[0].Gate }
func decay(p patch.Patch) float64      { return p.Layers[0].AmpEnv.Decay }
func channels(p patch.Patch) float64   { return float64(p.Output.Channels) }

func TestWordsMoveTheirParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, against string
		get           func(p patch.Patch) float64
		lo, hi        float64 // of the ratio text ÷ against
	}{
		{"deep bass", "bass", pitch, 0.6, 0.9},
		{"bright bell", "dark bell", cutoff, 3, 20},
		{"very bright lead", "bright lead", cutoff, 1.3, 3},
		{"slightly bright lead", "bright lead", cutoff, 0.4, 0.9},
		{"not bright lead", "lead", cutoff, 0.3, 0.9},
		{"lead, not too bright", "lead", cutoff, 0.5, 0.95},
		{"less bright lead", "lead", cutoff, 0.3, 0.9},
		{"brighter lead", "bright lead", cutoff, 1.1, 2},
		{"brightest lead", "brighter lead", cutoff, 1.1, 2},
		{"brigth pluk", "bright pluck", cutoff, 1, 1},
		{"pad with lots of reverb", "pad with reverb", reverbMix, 1.3, 3},
		{"pad with a little reverb", "pad with reverb", reverbMix, 0.2, 0.8},
		{"heavily distorted bass", "distorted bass", drive, 1.2, 3},
		{"less distorted bass", "distorted bass", drive, 0.2, 0.8},
		{"short bass", "long bass", gate, 0.05, 0.5},
		{"bell, 2 seconds long", "bell, 2 seconds", decay, 1, 1},
		{"tight kick", "808 kick, long", decay, 0.1, 0.5},
		{"an octave lower saw bass", "saw bass", pitch, 0.499, 0.501},
		{"saw bass up an octave", "saw bass", pitch, 1.999, 2.001},
		{"saw bass, down by 12 semitones", "saw bass", pitch, 0.499, 0.501},
		{"two octaves higher saw bass", "saw bass", pitch, 3.99, 4.01},
		{"saw bass, -1200 cents", "saw bass", pitch, 0.499, 0.501},
		{"mono saw stab", "wide supersaw chord stab", channels, 0.5, 0.5},
		{"slow swelling pad", "pad", attack, 2, 20},
		{"closed hi-hat", "open hi-hat", decay, 0.05, 0.4},
		{"BRIGHT PLUCK!!!", "bright pluck", cutoff, 1, 1},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			r := c.get(read(t, c.text).Patch) / c.get(read(t, c.against).Patch)
			assert.GreaterOrEqual(t, r, c.lo)
			assert.LessOrEqual(t, r, c.hi)
		})
	}
}

func TestNegationTurnsEffectsOff(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"pad without reverb", "dry pad", "pad, no reverb", "pad with zero reverb"} {
		assert.Zero(t, reverbMix(read(t, text).Patch), text)
	}
	assert.Zero(t, drive(read(t, "kick without distortion").Patch))
	assert.Zero(t, drive(read(t, "clean kick").Patch))
	assert.Empty(t, read(t, "siren without wobble").Patch.Layers[0].Mods[1:])
	assert.Len(t, read(t, "noise without bass").Patch.Layers, 1)
	assert.Zero(t, read(t, "noise without bass").Patch.Layers[0].Synth.Osc1.Level)
}

func TestTheFourSoundsOfTheIssueDiffer(t *testing.T) {
	t.Parallel()
	for seed := range uint32(20) {
		bass := readSeed(t, "deep bass", seed).Patch.Layers[0]
		bell := readSeed(t, "bright bell", seed).Patch.Layers[0]
		kick := readSeed(t, "kick", seed).Patch.Layers[0]
		burst := readSeed(t, "noise burst, half a second", seed).Patch

		assert.Less(t, bass.Pitch, 60.0)
		assert.Positive(t, bass.AmpEnv.Sustain)
		assert.Greater(t, bell.Pitch, 700.0)
		assert.Zero(t, bell.AmpEnv.Sustain)
		assert.Less(t, kick.Pitch, 60.0)
		assert.Greater(t, kick.PitchBend, 2000.0)
		assert.Zero(t, kick.AmpEnv.Sustain)
		assert.Equal(t, 0.5, burst.Output.Duration)
		assert.Positive(t, burst.Layers[0].Synth.Noise.Level)
		assert.Zero(t, burst.Layers[0].Synth.Osc1.Level)
	}
}

func TestSeveralLayers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"a kick with a glassy bell on top":      2,
		"sub bass and white noise":              2,
		"kick and snare and hat and bell":       4,
		"kick + snare + hat + bell + cowbell":   4,
		"slow and dark pad":                     1,
		"pad with lots of reverb":               1,
		"bright lead with vibrato and reverb":   1,
		"starts dark and ends bright saw drone": 1,
		"three quick beeps":                     3,
		"two kicks":                             2,
		"one kick":                              1,
	} {
		assert.Len(t, read(t, text).Patch.Layers, want, text)
	}
	beeps := read(t, "three quick beeps").Patch.Layers
	assert.Zero(t, beeps[0].Delay)
	assert.Greater(t, beeps[1].Delay, beeps[0].Gate)
	assert.InDelta(t, 2*beeps[1].Delay, beeps[2].Delay, 0.001)
	assert.Equal(t, []string{"nine"}, ignored(read(t, "nine beeps")))
}

func TestConfidenceAndIgnored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text    string
		lo, hi  float64
		ignored []string
	}{
		{"deep wobble bass, two seconds", 1, 1, []string{}},
		{"xyzzy plugh", 0, 0.3, []string{"xyzzy", "plugh"}},
		{"the of and", 0, 0.3, []string{}},
		{"two seconds", 0, 0.3, []string{}},
		{"very", 0, 0.3, []string{}},
		{"低音", 0, 0.3, []string{"低音"}},
		{"🎉🎉 bass", 0.5, 0.9, []string{"🎉🎉"}},
		{"purple bass", 0.5, 0.9, []string{"purple"}},
		{"bright", 0.5, 0.9, []string{}},
		{"rm -rf / ; $(bass)", 0.4, 0.9, []string{"rm", "rf", "$"}},
	} {
		in := read(t, c.text)
		assert.GreaterOrEqual(t, in.Confidence, c.lo, c.text)
		assert.LessOrEqual(t, in.Confidence, c.hi, c.text)
		assert.Equal(t, c.ignored, ignored(in), c.text)
	}
}

func TestUnknownWordsMakeTheDefaultSound(t *testing.T) {
	t.Parallel()
	p := read(t, "xyzzy").Patch
	assert.Positive(t, p.Layers[0].Synth.Osc1.Level)
	assert.Positive(t, p.Layers[0].Synth.Osc2.Level)
}

func TestTypingErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plukc": "pluck", "whosh": "whoosh", "wobbel": "wobble", "explotion": "explosion", "distortd": "distortion",
		"clock": "", "luck": "", "harp": "", "right": "", "cat": "", "sleep": "",
	} {
		in := read(t, text)
		if want == "" {
			assert.Empty(t, understood(in), text)
			continue
		}
		assert.Equal(t, []string{want}, understood(in), text)
		assert.Equal(t, text, in.Words[0].Text)
	}
}

func TestSpansCountUTF16(t *testing.T) {
	t.Parallel()
	text := "  🎉 “brigth” bäss bell, 2 s"
	in := read(t, text)
	units := utf16.Encode([]rune(text))
	require.Equal(t, text, in.Prompt)
	require.Equal(t, []string{"bright", "bell", "2 s"}, understood(in))
	spans := append([]prompt.Span{}, in.Ignored...)
	for _, w := range in.Words {
		spans = append(spans, w.Span)
	}
	for _, s := range spans {
		assert.Equal(t, s.Text, string(utf16.Decode(units[s.Start:s.End])))
	}
}

func TestEffectsSayWhatThePatchHolds(t *testing.T) {
	t.Parallel()
	in := read(t, "dark bass, 2 s")
	var texts []string
	for _, w := range in.Words {
		for _, c := range w.Effects {
			texts = append(texts, c.Text)
			assert.NotEmpty(t, c.Path)
			assert.NotNil(t, c.Value, c.Path)
		}
	}
	all := strings.Join(texts, "\n")
	assert.Regexp(t, `(?m)^cutoff \d+(\.\d+)? Hz: dark$`, all)
	assert.Contains(t, all, "duration 2 s: 2 s")
	assert.Contains(t, all, "osc1 wave saw: bass")
}

func TestSeedsDifferAndRepeat(t *testing.T) {
	t.Parallel()
	a, b := read(t, "deep wobble bass, two seconds"), read(t, "deep wobble bass, two seconds")
	assert.Equal(t, a, b)
	other := readSeed(t, "deep wobble bass, two seconds", prompt.TakeSeed(7, 1))
	assert.NotEqual(t, a.Patch.Layers[0].Filter.Cutoff, other.Patch.Layers[0].Filter.Cutoff)
	assert.Equal(t, 2.0, other.Patch.Output.Duration)
	assert.Equal(t, uint32(7), a.Patch.Seed)
	assert.Equal(t, uint32(7), prompt.TakeSeed(7, 0))
	seen := map[uint32]bool{}
	for i := range 100 {
		seen[prompt.TakeSeed(7, i)] = true
	}
	assert.Len(t, seen, 100)
	// What a number fixed is the same at every seed.
	for seed := range uint32(50) {
		assert.Equal(t, 440.0, readSeed(t, "sine at 440 hz", seed).Patch.Layers[0].Pitch)
	}
}

func TestEveryNumberHasFourDigits(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"deep wobble bass, two seconds", "a kick with a glassy bell on top", "xyzzy", "riser, 3.33333 s"} {
		var tree any
		data, err := json.Marshal(read(t, text).Patch)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &tree))
		var walk func(path string, v any)
		walk = func(path string, v any) {
			switch v := v.(type) {
			case map[string]any:
				for k, x := range v {
					walk(path+"."+k, x)
				}
			case []any:
				for _, x := range v {
					walk(path, x)
				}
			case float64:
				if v == 0 || v == math.Trunc(v) {
					return
				}
				scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
				assert.InDelta(t, math.Round(v*scale), v*scale, 1e-6, path)
			}
		}
		walk("", tree)
	}
}

func TestBadPromptsAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "white space": " \t\n ", "501 characters": strings.Repeat("é", 501),
		"bad UTF-8": "bass \xff\xfe", "control": "bass\x00", "escape": "\x1b[31mbass",
	} {
		_, err := prompt.Interpret(text, 1)
		var invalid *model.Error
		require.ErrorAs(t, err, &invalid, name)
		assert.Equal(t, model.CodeInvalid, invalid.Code, name)
		require.Len(t, invalid.Fields, 1, name)
		assert.Equal(t, "prompt", invalid.Fields[0].Field, name)
	}
	read(t, strings.Repeat("é", 500))
	read(t, "x")
}

func ptr[T any](v T) *T { return &v }

func TestBuild(t *testing.T) {
	t.Parallel()
	in, err := prompt.Build("deep bass", 7, 0, prompt.Overrides{})
	require.NoError(t, err)
	plain := read(t, "deep bass")
	assert.Equal(t, plain, in)
	assert.Equal(t, 48000, in.Patch.Output.SampleRate)
	assert.Equal(t, 24, in.Patch.Output.BitDepth)
	assert.Equal(t, 2, in.Patch.Output.Channels)

	in, err = prompt.Build("deep bass, 2 s", 7, 3, prompt.Overrides{
		Duration: ptr(1.23456), SampleRate: ptr(96000), BitDepth: ptr(32), Channels: ptr(1),
		Patch: map[string]json.RawMessage{"layers.0.filter.cutoff": json.RawMessage("801")},
	})
	require.NoError(t, err)
	assert.Equal(t, prompt.TakeSeed(7, 3), in.Patch.Seed)
	assert.Equal(t, 1.23456, in.Patch.Output.Duration)
	assert.Equal(t, 801.0, in.Patch.Layers[0].Filter.Cutoff)
	assert.Equal(t, 1, in.Patch.Output.Channels)

	_, err = prompt.Build("", 7, 0, prompt.Overrides{
		Duration: ptr(31.0), SampleRate: ptr(12345), BitDepth: ptr(8), Channels: ptr(3),
		Patch: map[string]json.RawMessage{"layers.0.filter.cutoff": json.RawMessage("1e9"), "nonsense": json.RawMessage("1"), "layers.7.gate": json.RawMessage("1")},
	})
	var invalid *model.Error
	require.ErrorAs(t, err, &invalid)
	var fields []string
	for _, f := range invalid.Fields {
		fields = append(fields, f.Field)
		assert.NotEmpty(t, f.Message)
	}
	assert.Equal(t, []string{"prompt", "duration", "sample_rate", "bit_depth", "channels", "overrides.layers.0.filter.cutoff", "overrides.layers.7.gate", "overrides.nonsense"}, fields)
	for _, d := range []float64{0, 0.049, -1, 30.01, math.NaN(), math.Inf(1)} {
		_, err := prompt.Build("bass", 1, 0, prompt.Overrides{Duration: &d})
		require.Error(t, err, d)
	}
}

func TestJSONShape(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(read(t, "deep bass, purple"))
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(data, &m))
	assert.ElementsMatch(t, []string{"prompt", "words", "ignored", "confidence", "patch"}, keys(m))
	w := m["words"].([]any)[0].(map[string]any)
	assert.ElementsMatch(t, []string{"text", "start", "end", "word", "kind", "source", "effects"}, keys(w))
	data, err = json.Marshal(read(t, "x").Explanation())
	require.NoError(t, err)
	assert.Contains(t, string(data), `"words":[]`)
	data, err = json.Marshal(read(t, "bass").Explanation())
	require.NoError(t, err)
	assert.Contains(t, string(data), `"ignored":[]`)
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

func FuzzInterpret(f *testing.F) {
	for _, s := range []string{
		"deep wobble bass, two seconds", "brigth pluk", "a kick with a glassy bell on top", "three quick beeps", "1/8 note 1e999 -5,000.5 hz c#-9 half a half and a half",
		"not very extremely without lots of less no reverb reverb 100% bpm db", "🎉 x\u0301 é Ⅷ −3 dB", "starts dark and ends bright 5 s riser", "\t\n", "0 s 0 hz 0 bpm wobble", strings.Repeat("very ", 90) + "dark",
	} {
		f.Add(s, uint32(7))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint32) {
		in, err := prompt.Interpret(text, seed)
		if err != nil {
			if model.CodeOf(err) != model.CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		if err := in.Patch.Validate(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if in.Confidence < 0 || in.Confidence > 1 {
			t.Fatalf("confidence %g", in.Confidence)
		}
		again, err := prompt.Interpret(text, seed)
		if err != nil || !reflect.DeepEqual(in, again) {
			t.Fatal("not deterministic")
		}
		a, err := patch.Decode(in.Patch.Canonical())
		if err != nil || !bytes.Equal(a.Canonical(), in.Patch.Canonical()) {
			t.Fatalf("does not survive JSON: %v", err)
		}
		units := utf16.Encode([]rune(text))
		for _, w := range in.Words {
			if w.Text != string(utf16.Decode(units[w.Start:w.End])) {
				t.Fatalf("span of %q", w.Text)
			}
		}
	})
}

func BenchmarkInterpret(b *testing.B) {
	for b.Loop() {
		if _, err := prompt.Interpret("starts dark and ends very brihgt, not too distorted wobble bass with lots of reverb, two and a half seconds at 140 bpm", 7); err != nil {
			b.Fatal(err)
		}
	}
}
