package osc

import "patchlab/engine/dmath"

// stairs is the number of steps in a period of a digital wave.
const stairs = 64

// digital has stepped sines, saws whose bits are shuffled, and patterns of one bit.
func digital() []spectrum {
	var turn [stairs]float64 // sin(2πi/stairs)
	for i := range turn {
		turn[i] = dmath.SinTurns(float64(float64(i) / stairs))
	}
	frames := make([]spectrum, 16)
	for k := range frames {
		var wave [stairs]float64
		for i := range wave {
			wave[i] = tread(k, i)
		}
		frames[k].stair(&wave, &turn)
	}
	return frames
}

// tread returns step i of digital wave k.
func tread(k, i int) float64 {
	switch {
	case k < 4: // a sine in 32, 16, 8, 4 steps
		wide := 2 << k
		return dmath.SinTurns(float64(float64(i&^(wide-1)+wide/2) / stairs))
	case k < 8: // a saw, its upper bits over its lower ones, up to a Gray code
		return float64((i^i>>(8-k))&(stairs-1)) - (stairs-1)/2.0
	case k < 12: // a saw over the upper bits of one of 3, 5, 9, 17 times its frequency
		return float64(i^(i*(1+2<<(k-8)))&(stairs-1)>>1) - (stairs-1)/2.0
	default: // the bits of a shift register, 8, 4, 2, 1 steps long
		return register(i >> (15 - k))
	}
}

// register returns bit i of a maximum-length shift register of six bits, ±1.
func register(i int) float64 {
	state := 1
	for range i {
		state = state>>1 | (state^state>>1)&1<<5
	}
	return float64(2*(state&1) - 1)
}

// stair sets s to the spectrum of a wave of steps: that of its samples, over and over,
// times that of a single step.
func (s *spectrum) stair(wave, turn *[stairs]float64) {
	var c, v [stairs]float64
	for h := range c {
		for i, x := range wave {
			at := i * h
			c[h] += float64(x * turn[(at+stairs/4)%stairs])
			v[h] += float64(x * turn[at%stairs])
		}
	}
	for h := 1; h <= harmonics; h++ {
		a, b := c[h%stairs], v[h%stairs]
		late := float64(float64(h) / (2 * stairs)) // a step lasts from i to i+1
		x, y := dmath.CosTurns(late), dmath.SinTurns(late)
		g := y / float64(dmath.Pi*late)
		s.cos[h] = float64(g * (float64(a*x) - float64(b*y)))
		s.sin[h] = float64(g * (float64(b*x) + float64(a*y)))
	}
}
