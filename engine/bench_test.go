package engine

import (
	"testing"

	"patchlab/engine/patch"
)

// benchPatches are from the simplest to the heaviest.
func benchPatches() map[string]func(p *patch.Patch) {
	return map[string]func(p *patch.Patch){
		"sine": func(p *patch.Patch) { p.Layers[0].Synth.Osc1.Wave = "sine" },
		"saw":  func(*patch.Patch) {},
		"lead": func(p *patch.Patch) { filtered(&p.Layers[0]) },
		"supersaw": func(p *patch.Patch) {
			filtered(&p.Layers[0])
			p.Layers[0].Synth.Osc1.Unison = 16
		},
		"drive":  func(p *patch.Patch) { p.Bus.Distortion.Drive = 18 },
		"reverb": func(p *patch.Patch) { p.Bus.Reverb.Mix = 0.3 },
		"full": func(p *patch.Patch) {
			l := &p.Layers[0]
			filtered(l)
			l.Synth.Osc1.Unison = 7
			l.Synth.Osc2.Level, l.Synth.Osc2.Wave, l.Synth.Osc2.Unison = 0.7, "square", 7
			l.Synth.Osc3.Level, l.Synth.Osc3.Wave = 0.5, "sine"
			l.Synth.Noise.Level, l.Synth.Noise.Color = 0.1, "pink"
			p.Bus.Distortion.Drive = 18
			p.Bus.Reverb.Mix = 0.3
		},
	}
}

func filtered(l *patch.Layer) {
	l.Pitch = 110
	l.Filter.Type, l.Filter.Slope, l.Filter.Cutoff, l.Filter.Resonance = "lowpass", 24, 800, 3
	l.Mods = patch.Mods{{Source: "lfo1", Target: "cutoff", Amount: 1800}}
}

// BenchmarkRender tells how many seconds of sound a second of one core makes.
func BenchmarkRender(b *testing.B) {
	for name, set := range benchPatches() {
		b.Run(name, func(b *testing.B) {
			p := patch.Default()
			p.Output.Duration = 2
			set(&p)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Render(b.Context(), p, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			perRender := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(p.Output.Duration/perRender, "x-realtime")
			b.ReportMetric(perRender*1e9/float64(p.Frames()), "ns/frame")
		})
	}
}
