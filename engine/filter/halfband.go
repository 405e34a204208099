package filter

import "patchlab/engine/vec"

// The coefficients of the all-pass sections of the half-band filter: of a ninth-order
// elliptic filter (Valenzuela and Constantinides, "Digital signal processing schemes
// for efficient interpolation and decimation", 1983) that passes 0 to 5/12 of the
// lower rate within 1e-6 and is 65 dB down from 7/12 of it on. Each of its two
// branches is two sections (c + z⁻¹)/(1 + c·z⁻¹) at the lower rate.
const (
	halfA0 = 0.0896980282370284
	halfA1 = 0.5773502691896261
	halfB0 = 0.31091938742016656
	halfB1 = 0.850669771418376
)

// halfBand is the state of a half-band filter of one channel.
type halfBand struct{ a, b branch }

// branch is the state of two sections in a row: what went into each, and what came
// out of the second.
type branch struct{ x, y, z float64 }

// double puts src at twice its rate into dst, times a gain that grows by step a frame.
func (f *halfBand) double(dst []float64, src []float32, gain, step float64) {
	a, b := f.a, f.b
	dst = dst[:2*len(src)]
	for i, v := range src {
		gain += step
		x := float64(float64(v) * gain)
		y := (a.x + float64(halfA0*x)) - float64(halfA0*a.y)
		z := (a.y + float64(halfA1*y)) - float64(halfA1*a.z)
		a.x, a.y, a.z = x, y, z
		dst[2*i] = z
		y = (b.x + float64(halfB0*x)) - float64(halfB0*b.y)
		z = (b.y + float64(halfB1*y)) - float64(halfB1*b.z)
		b.x, b.y, b.z = x, y, z
		dst[2*i+1] = z
	}
	f.a, f.b = a.settled(), b.settled()
}

// halve puts src at half its rate into dst, times gain.
func (f *halfBand) halve(dst []float32, src []float64, gain float64) {
	gain *= 0.5
	a, b := f.a, f.b
	src = src[:2*len(dst)]
	for i := range dst {
		x := src[2*i+1]
		y := (a.x + float64(halfA0*x)) - float64(halfA0*a.y)
		p := (a.y + float64(halfA1*y)) - float64(halfA1*a.z)
		a.x, a.y, a.z = x, y, p
		x = src[2*i]
		y = (b.x + float64(halfB0*x)) - float64(halfB0*b.y)
		q := (b.y + float64(halfB1*y)) - float64(halfB1*b.z)
		b.x, b.y, b.z = x, y, q
		dst[i] = float32((float64(gain*(p+q)) + vec.Tiny) - vec.Tiny)
	}
	f.a, f.b = a.settled(), b.settled()
}

func (b branch) settled() branch { return branch{settle(b.x), settle(b.y), settle(b.z)} }
