package vec

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkLoops times the inner loops over a block, plain and as this build has them.
func BenchmarkLoops(b *testing.B) {
	s := source{rand.New(rand.NewPCG(1, 2))}
	var outer [Outer]Tap
	for j := range outer {
		v := float32(s.NormFloat64())
		outer[j] = Tap{v, v, v, v, v, v, v, v}
	}
	inner := (*[Inner]Tap)(outer[:])
	x, y, z, even, odd := s.block(MaxBlock+2*Outer-1), s.block(MaxBlock), s.block(MaxBlock), s.block(MaxBlock+Inner-1), s.block(MaxBlock+Inner)
	past, steps := s.block(MaxBlock+100), make([]int32, MaxBlock)
	near := make([]float32, MaxBlock)
	for i := range near {
		near[i] = s.Float32() - 0.5
	}
	diffusion := &Diffusion{Gain: 0.5}
	for k := range diffusion.Old {
		past := s.block(MaxBlock + 100)
		diffusion.Old[k], diffusion.Next[k] = past, past[100:]
	}
	var net Network
	for k := range net.From {
		net.Gain[k], net.Damp[k] = 0.9, 0.1
		net.From[k], net.To[k] = (*[MaxBlock]float32)(s.block(MaxBlock)), new([MaxBlock]float32)
	}
	bend := NewSaturation(3)
	var state State
	c := Sections{Both(0.9, 0.8), Both(0.05, 0.1), Both(0.001, 0.01)}
	d := Sections{Both(1e-9, -1e-9), Both(1e-9, 1e-9), Both(1e-9, 0)}
	low := LowPass()
	for _, f := range []struct {
		name        string
		fast, plain func()
	}{
		{"Symmetric", func() { Symmetric(y, nil, 0, x, &outer) }, func() { symmetricPlain(y, nil, 0, x, &outer) }},
		{"SymmetricCentre", func() { Symmetric(y, z, 0.5, x, &outer) }, func() { symmetricPlain(y, z, 0.5, x, &outer) }},
		{"Crossed", func() { Crossed(y, z, nil, nil, 0, even, odd, inner) }, func() { crossedPlain(y, z, nil, nil, 0, even, odd, inner) }},
		{"CrossedCentre", func() { Crossed(y, z, past, past, 0.5, even, odd, inner) }, func() { crossedPlain(y, z, past, past, 0.5, even, odd, inner) }},
		{"Saturation", func() { bend.Process(y, near) }, func() { bend.plain(y, near) }},
		{"Quantize", func() { Quantize(steps, near, 1<<23, 1, 2) }, func() { quantizePlain(steps, near, 1<<23, 1, 2) }},
		{"Diffuse", func() { Diffuse(near, near, diffusion) }, func() { diffusePlain(near, near, diffusion) }},
		{"SVFTwo", func() { SVF(y, z, &state, &c, &d, &low, true) }, func() { svfPlain(y, z, &state, &c, &d, &low, true) }},
		{"Peak", func() { Peak(near) }, func() { peakPlain(near) }},
		{"Range", func() { Range(near, 0, 0) }, func() { rangePlain(near, 0, 0) }},
		{"Network", func() { net.Process(near, near) }, func() { net.processPlain(near, near) }},
	} {
		for _, way := range []struct {
			name string
			run  func()
		}{{"built", f.fast}, {"plain", f.plain}} {
			b.Run(f.name+"/"+way.name, func(b *testing.B) {
				for b.Loop() {
					way.run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxBlock, "ns/frame")
			})
		}
	}
}
