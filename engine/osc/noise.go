package osc

import (
	"patchlab/engine/dmath"
	"patchlab/engine/patch"
	"patchlab/engine/rng"
	"patchlab/engine/vec"
)

// Noise is a stereo source of coloured noise, its two sides independent.
type Noise struct {
	color string
	gain  float32
	keys  [2]uint32
	frame uint32
	pink  [2][3]float64
	brown [2]float64
	leak  float64
	raise float64
	white [MaxBlock]float32
}

// NewNoise makes a noise source. All colours have about the same level.
func NewNoise(p patch.Noise, random [2]rng.Stream, rate float64) *Noise {
	return &Noise{
		color: p.Color,
		gain:  float32(p.Level),
		keys:  [2]uint32{uint32(random[0].Bits(0)), uint32(random[1].Bits(0))},
		// Brown noise is the sum of white noise, held together below 20 Hz.
		leak:  1 - 2*dmath.Pi*20/rate,
		raise: 2*dmath.Pi*150/rate + 0.02,
	}
}

// Process adds len(left) frames, at most MaxBlock, to left and right.
func (n *Noise) Process(left, right []float32) {
	for side, out := range [2][]float32{left, right} {
		if n.color == "white" {
			vec.Noise(out, n.keys[side], n.frame, n.gain)
			continue
		}
		white := n.white[:len(out)]
		clear(white)
		vec.Noise(white, n.keys[side], n.frame, 1)
		if n.color == "pink" {
			n.addPink(out, white, &n.pink[side])
		} else {
			n.addBrown(out, white, &n.brown[side])
		}
	}
	n.frame += uint32(len(left))
}

// addPink sums three first-order low-passes of white noise, the economy filter of
// Paul Kellet (musicdsp.org, 1999), within 0.5 dB of −3 dB per octave.
func (n *Noise) addPink(out, white []float32, b *[3]float64) {
	b0, b1, b2 := b[0], b[1], b[2]
	for i := range out {
		w := float64(white[i])
		b0 = float64(0.99765*b0) + float64(0.0990460*w)
		b1 = float64(0.96300*b1) + float64(0.2965164*w)
		b2 = float64(0.57000*b2) + float64(1.0526913*w)
		out[i] += float32(n.gain * float32(0.35*(b0+b1+b2+float64(0.1848*w))))
	}
	*b = [3]float64{b0, b1, b2}
}

func (n *Noise) addBrown(out, white []float32, sum *float64) {
	s := *sum
	for i := range out {
		s = float64(n.leak*s) + float64(n.raise*float64(white[i]))
		out[i] += float32(n.gain * float32(2.2*s))
	}
	*sum = s
}
