package engine_test

import (
	"io"
	"os"
	"testing"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/format"
)

// BenchmarkREF1 renders the reference patch of the peers (bench/peers/REF1.md) whole,
// by the way every sound goes, to a WAV of 24 bits that nobody keeps.
func BenchmarkREF1(b *testing.B) {
	data, err := os.ReadFile("testdata/ref1.json")
	if err != nil {
		b.Fatal(err)
	}
	p, err := patch.Decode(data)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		a, err := engine.Render(b.Context(), p, engine.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := format.Encode(b.Context(), io.Discard, a, format.NewRecipe(p, "wav")); err != nil {
			b.Fatal(err)
		}
	}
	perRender := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(p.Output.Duration/perRender, "x-realtime")
	b.ReportMetric(perRender*1e9/float64(p.Frames()), "ns/frame")
}
