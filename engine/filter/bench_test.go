package filter

import (
	"testing"

	"patchlab/engine/patch"
)

// BenchmarkStretches runs blocks of 256 frames at 48 kHz through the filters.
func BenchmarkStretches(b *testing.B) {
	filters := map[string]func() processor{
		"ladder": func() processor { return NewLadder(patch.Filter{Type: "ladder", Resonance: 8}, 48000) },
		"driven": func() processor { return NewLadder(patch.Filter{Type: "ladder", Resonance: 8, Drive: 24}, 48000) },
		"comb":   func() processor { return NewComb(patch.Filter{Type: "comb", Resonance: 8}, 48000) },
		"formant": func() processor {
			return NewFormant(patch.Filter{Type: "formant", Resonance: 2}, 48000)
		},
	}
	still, moved := Point{Cutoff: 700, Vowel: 0.3}, Point{Cutoff: 800, Vowel: 0.4}
	ways := map[string]struct {
		to   Point
		mono bool
	}{"still": {to: still}, "moving": {to: moved}, "mono": {to: still, mono: true}}
	for name, create := range filters {
		for way, w := range ways {
			b.Run(name+"/"+way, func(b *testing.B) {
				f, src := create(), sineWave(256, 1, 3.0/256)
				at, to := still, w.to
				left, right := make([]float32, 256), make([]float32, 256)
				for b.Loop() {
					copy(left, src)
					copy(right, src)
					for i := 0; i < 256; i += stretch {
						r := right[i : i+stretch]
						if w.mono {
							r = nil
						}
						f.Process(left[i:i+stretch], r, at, to)
						at, to = to, at
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/frame")
			})
		}
	}
}
