package engine

import (
	"slices"
	"testing"

	"patchlab/engine/patch"
)

// part is something that a patch can have, and what is to be set for it.
type part struct {
	name string
	set  func(p *patch.Patch)
}

// parts are the sources, filters, modulation and effects, each in a state that works
// hard: what moves it moves.
func parts() []part {
	osc := func(o patch.Oscillator, set func(o *patch.Oscillator)) func(*patch.Patch) {
		return func(p *patch.Patch) {
			o := o
			o.Level, o.Unison, o.Detune = 0.5, 1, 10
			set(&o)
			p.Layers[0].Synth.Osc2 = o
		}
	}
	base := patch.Default().Layers[0].Synth.Osc2
	wave := func(name string, voices int) func(*patch.Patch) {
		return osc(base, func(o *patch.Oscillator) { o.Wave, o.Unison = name, voices })
	}
	vibrato := func(set func(*patch.Patch)) func(*patch.Patch) {
		return func(p *patch.Patch) {
			set(p)
			p.Layers[0].Mods = patch.Mods{{Source: "lfo1", Target: "pitch", Amount: 50}}
		}
	}
	filter := func(kind string, slope int) func(*patch.Patch) {
		return func(p *patch.Patch) {
			f := &p.Layers[0].Filter
			f.Type, f.Slope, f.Cutoff, f.Resonance = kind, slope, 800, 4
			p.Layers[0].Mods = patch.Mods{{Source: "lfo1", Target: "cutoff", Amount: 1200}}
			if kind == "formant" {
				p.Layers[0].Mods[0] = patch.Mod{Source: "lfo1", Target: "vowel", Amount: 0.5}
			}
		}
	}
	drive := func(kind string, dB float64) func(*patch.Patch) {
		return func(p *patch.Patch) { p.Bus.Distortion.Type, p.Bus.Distortion.Drive = kind, dB }
	}
	return []part{
		{"saw", wave("saw", 1)},
		{"saw, 16 voices", wave("saw", 16)},
		{"saw, 16 voices, vibrato", vibrato(wave("saw", 16))},
		{"square, 16 voices", wave("square", 16)},
		{"triangle, 16 voices", wave("triangle", 16)},
		{"sine", wave("sine", 1)},
		{"sine, 16 voices", wave("sine", 16)},
		{"wavetable", wave("wavetable", 1)},
		{"wavetable, 16 voices", wave("wavetable", 16)},
		{"wavetable, 16 voices, vibrato", vibrato(wave("wavetable", 16))},
		{"fm", wave("fm", 1)},
		{"fm, 16 voices", wave("fm", 16)},
		{"fm, 16 voices, vibrato", vibrato(wave("fm", 16))},
		{"fm with feedback, 16 voices", osc(base, func(o *patch.Oscillator) { o.Wave, o.Unison, o.FMFeedback = "fm", 16, 0.5 })},
		{"ring", func(p *patch.Patch) { p.Layers[0].Synth.Ring = 0.5 }},
		{"sub", func(p *patch.Patch) { p.Layers[0].Synth.Sub.Level = 0.5 }},
		{"white noise", func(p *patch.Patch) { p.Layers[0].Synth.Noise.Level = 0.5 }},
		{"pink noise", func(p *patch.Patch) { p.Layers[0].Synth.Noise = patch.Noise{Color: "pink", Level: 0.5} }},
		{"brown noise", func(p *patch.Patch) { p.Layers[0].Synth.Noise = patch.Noise{Color: "brown", Level: 0.5} }},
		{"low-pass, 12 dB", filter("lowpass", 12)},
		{"low-pass, 24 dB", filter("lowpass", 24)},
		{"notch, 24 dB", filter("notch", 24)},
		{"ladder", filter("ladder", 12)},
		{"comb", filter("comb", 12)},
		{"formant", filter("formant", 12)},
		{"vibrato", vibrato(func(*patch.Patch) {})},
		{"distortion, soft, 9 dB", drive("soft", 9)},
		{"distortion, soft, 24 dB", drive("soft", 24)},
		{"distortion, shape, 24 dB", drive("shape", 24)},
		{"distortion, hard", drive("hard", 24)},
		{"distortion, fold", drive("fold", 24)},
		{"distortion, crush", drive("crush", 0)},
		{"distortion, rate", drive("rate", 0)},
		{"eq", func(p *patch.Patch) { p.Bus.EQ.LowGain, p.Bus.EQ.MidGain, p.Bus.EQ.HighGain = 3, -3, 3 }},
		{"compressor", func(p *patch.Patch) { p.Bus.Compressor.Ratio = 4 }},
		{"chorus", func(p *patch.Patch) { p.Bus.Chorus.Mix = 0.5 }},
		{"flanger", func(p *patch.Patch) { p.Bus.Flanger.Mix = 0.5 }},
		{"phaser, 6 stages", func(p *patch.Patch) { p.Bus.Phaser.Mix = 0.5 }},
		{"phaser, 12 stages", func(p *patch.Patch) { p.Bus.Phaser.Mix, p.Bus.Phaser.Stages = 0.5, 12 }},
		{"delay", func(p *patch.Patch) { p.Bus.Delay.Mix = 0.5 }},
		{"reverb", func(p *patch.Patch) { p.Bus.Reverb.Mix = 0.3 }},
		{"reverb, modulated", func(p *patch.Patch) { p.Bus.Reverb.Mix, p.Bus.Reverb.Modulation = 0.3, 1 }},
		{"limiter", func(p *patch.Patch) { p.Bus.Limiter.Mode, p.Bus.Limiter.Gain = "on", 12 }},
		{"loudness", func(p *patch.Patch) { p.Output.Normalize = "loudness" }},
	}
}

// BenchmarkParts renders a patch with each part and without, and reports what the part
// takes for each frame, and what of it patch.Cost has reckoned with. The rest of the patch
// is two saws in stereo.
func BenchmarkParts(b *testing.B) {
	plain := patch.Default()
	plain.Output.Duration = 4
	plain.Layers[0].Pitch = 220
	plain.Layers[0].Synth.Osc1.Unison, plain.Layers[0].Synth.Osc1.Spread = 2, 1
	render := func(b *testing.B, p patch.Patch) float64 {
		b.Helper()
		for b.Loop() {
			if _, err := Render(b.Context(), p, Options{}); err != nil {
				b.Fatal(err)
			}
		}
		return float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(p.Frames())
	}
	cost := func(p patch.Patch) float64 { return float64(p.Cost()) * 1000 / float64(p.Frames()) }
	rest := 0.0
	b.Run("nothing else", func(b *testing.B) {
		rest = render(b, plain)
		b.ReportMetric(rest, "ns/frame")
		b.ReportMetric(cost(plain), "cost/frame")
	})
	for _, part := range parts() {
		b.Run(part.name, func(b *testing.B) {
			p := plain
			p.Layers = slices.Clone(plain.Layers)
			part.set(&p)
			all := render(b, p)
			b.ReportMetric(all-rest, "ns/frame")
			b.ReportMetric(cost(p)-cost(plain), "cost/frame")
		})
	}
}

// TestEveryPartCosts holds the estimate to know of every part.
func TestEveryPartCosts(t *testing.T) {
	t.Parallel()
	plain := patch.Default()
	for _, part := range parts() {
		p := plain
		p.Layers = slices.Clone(plain.Layers)
		part.set(&p)
		if p.Cost() <= plain.Cost() {
			t.Errorf("a patch with %s costs %d µs, one without %d µs", part.name, p.Cost(), plain.Cost())
		}
	}
}
