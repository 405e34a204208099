package osc

import "patchlab/engine/rng"

// Noise is a stereo source of coloured noise, its two sides independent.
type Noise struct {
	color  string
	gain   float64
	sides  [2]rng.Stream
	frame  uint64
	pink   [2][3]float64
	brown  [2]float64
	leak   float64
	raised float64
}

// NewNoise makes a noise source. All colours have about the same level.
func NewNoise(color string, level float64, random [2]rng.Stream, rate float64) *Noise {
	return &Noise{
		color: color,
		gain:  level,
		sides: random,
		// Brown noise is the sum of white noise, held together below 20 Hz.
		leak:   1 - 2*3.141592653589793*20/rate,
		raised: 2*3.141592653589793*150/rate + 0.02,
	}
}

// Process adds len(left) frames to left and right.
func (n *Noise) Process(left, right []float64) {
	for side, out := range [2][]float64{left, right} {
		random := n.sides[side]
		switch n.color {
		case "pink":
			n.addPink(out, random, &n.pink[side])
		case "brown":
			n.addBrown(out, random, &n.brown[side])
		default:
			for i := range out {
				out[i] += float64(n.gain * random.Bipolar(n.frame+uint64(i)))
			}
		}
	}
	n.frame += uint64(len(left))
}

// addPink sums three first-order low-passes of white noise, the economy filter of
// Paul Kellet (musicdsp.org, 1999), within 0.5 dB of −3 dB per octave.
func (n *Noise) addPink(out []float64, random rng.Stream, b *[3]float64) {
	for i := range out {
		white := random.Bipolar(n.frame + uint64(i))
		b[0] = float64(0.99765*b[0]) + float64(0.0990460*white)
		b[1] = float64(0.96300*b[1]) + float64(0.2965164*white)
		b[2] = float64(0.57000*b[2]) + float64(1.0526913*white)
		out[i] += float64(n.gain * float64(0.35*(b[0]+b[1]+b[2]+float64(0.1848*white))))
	}
}

func (n *Noise) addBrown(out []float64, random rng.Stream, sum *float64) {
	for i := range out {
		white := random.Bipolar(n.frame + uint64(i))
		*sum = float64(n.leak**sum) + float64(n.raised*white)
		out[i] += float64(n.gain * float64(2.2**sum))
	}
}
