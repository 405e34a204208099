package osc

import (
	"math"
	"sync"

	"patchlab/engine/dmath"
)

// tableOf returns the wavetable of a name. Each is made when it is first asked for.
func tableOf(name string) *wavetable {
	switch name {
	case "harmonic":
		return harmonicTable()
	case "vocal":
		return vocalTable()
	case "digital":
		return digitalTable()
	case "metal":
		return metalTable()
	case "pulse":
		return pulseTable()
	default:
		return basicTable()
	}
}

//nolint:gochecknoglobals // constants that Go cannot write as such
var (
	basicTable    = sync.OnceValue(func() *wavetable { return newWavetable(basic()) })
	harmonicTable = sync.OnceValue(func() *wavetable { return newWavetable(organ()) })
	vocalTable    = sync.OnceValue(func() *wavetable { return newWavetable(vocal()) })
	digitalTable  = sync.OnceValue(func() *wavetable { return newWavetable(digital()) })
	metalTable    = sync.OnceValue(func() *wavetable { return newWavetable(metal()) })
	pulseTable    = sync.OnceValue(func() *wavetable { return newWavetable(pulse()) })
)

// basic goes from sine to triangle to saw to square, as everybody draws them but
// that the saw falls: so the harmonics of all four begin upwards, but for every
// second one of the triangle.
func basic() []spectrum {
	const between = 3 // frames from one to the next
	shapes := make([]spectrum, 4)
	shapes[0].sin[1] = 1
	for h := 1; h <= harmonics; h++ {
		x := float64(h)
		shapes[2].sin[h] = 1 / x
		if h%2 == 1 {
			shapes[1].sin[h] = float64(2-h%4) / float64(x*x)
			shapes[3].sin[h] = 1 / x
		}
	}
	for i := range shapes {
		shapes[i].normalize()
	}
	frames := make([]spectrum, 3*between+1)
	for k := range frames {
		i := min(k/between, 2)
		part := float64(k-i*between) / between
		for h := 1; h <= harmonics; h++ {
			a, b := shapes[i].sin[h], shapes[i+1].sin[h]
			frames[k].sin[h] = a + float64(part*(b-a))
		}
	}
	return frames
}

// organ draws one bar after the other: those of the octaves, fifths and thirds above
// an 8-foot stop, up to the fourth octave.
func organ() []spectrum {
	bars := []int{1, 2, 3, 4, 5, 6, 8, 10, 12, 16}
	return dispersed(len(bars), func(k, h int) float64 {
		for i, bar := range bars[:k+1] {
			if bar == h {
				return raised(float64(i+1), -0.3)
			}
		}
		return 0
	})
}

// vowel holds the five formants of a vowel: frequency in Hz, level in dB, bandwidth
// in Hz.
type vowel [5]struct{ frequency, level, width float64 }

// vocal speaks a e i o u, with a tenor's formants (The Csound manual, appendix D,
// "Formant values"), where a note of C3 has them in their right places.
func vocal() []spectrum {
	const (
		note    = 130.8 // Hz
		between = 3     // frames from one vowel to the next
	)
	vowels := [...]vowel{
		{{650, 0, 80}, {1080, -6, 90}, {2650, -7, 120}, {2900, -8, 130}, {3250, -22, 140}},
		{{400, 0, 70}, {1700, -14, 80}, {2600, -12, 100}, {3200, -14, 120}, {3580, -20, 120}},
		{{290, 0, 40}, {1870, -15, 90}, {2800, -18, 100}, {3250, -20, 120}, {3540, -30, 120}},
		{{400, 0, 70}, {800, -10, 80}, {2600, -12, 100}, {2800, -12, 130}, {3000, -26, 135}},
		{{350, 0, 40}, {600, -20, 60}, {2700, -17, 100}, {2900, -14, 120}, {3300, -26, 120}},
	}
	formants := make([]vowel, between*(len(vowels)-1)+1)
	for k := range formants {
		i := min(k/between, len(vowels)-2)
		part := float64(k-i*between) / between
		for j, a := range vowels[i] {
			b := vowels[i+1][j]
			formants[k][j].frequency = float64(a.frequency * raised(b.frequency/a.frequency, part))
			formants[k][j].level = dmath.Gain(a.level + float64(part*(b.level-a.level)))
			formants[k][j].width = a.width + float64(part*(b.width-a.width))
		}
	}
	return dispersed(len(formants), func(k, h int) float64 {
		sum := 0.0
		for _, f := range formants[k] {
			off := (float64(float64(h)*note) - f.frequency) / (2 * f.width)
			sum += f.level / (1 + float64(off*off))
		}
		return sum / math.Sqrt(float64(h))
	})
}

// metal has partials whose distances grow with their number, up to those of a bar
// that swings freely. Each stands between two harmonics, which beat.
func metal() []spectrum {
	const (
		frames   = 12
		partials = 14
		most     = 1.9 // exponent of the last frame
	)
	var amplitudes [frames][harmonics + 2]float64
	for k := range amplitudes {
		stretch := 1 + float64((most-1)/(frames-1)*float64(k))
		for i := 1; i <= partials; i++ {
			at := raised(float64(i), stretch)
			low := math.Floor(at + 1e-9)
			part := max(0, at-low)
			level := raised(float64(i), -0.6)
			amplitudes[k][int(low)] += float64(level * math.Sqrt(1-part))
			amplitudes[k][int(low)+1] += float64(level * math.Sqrt(part))
		}
	}
	return dispersed(frames, func(k, h int) float64 { return amplitudes[k][h] })
}

// pulse narrows from a square to a pulse of a fiftieth of the period.
func pulse() []spectrum {
	const frames = 16
	var widths [frames]float64
	for k := range widths {
		widths[k] = 0.5 * raised(0.04, float64(k)/(frames-1))
	}
	return dispersed(frames, func(k, h int) float64 {
		return dmath.SinTurns(float64(float64(h)*widths[k])/2) / float64(h)
	})
}

// dispersed returns frames of harmonics with amplitudes. The higher a harmonic is, the
// later it comes, by up to 0.6 of a period, since frames of one loudness whose
// harmonics all meet would have peaks three times as high as others (Schroeder,
// "Synthesis of low-peak-factor signals and binary sequences with low
// autocorrelation", 1970). All frames have the same phases, so that they fade without
// a dip.
func dispersed(n int, amplitude func(k, h int) float64) []spectrum {
	frames := make([]spectrum, n)
	turns := 0.25
	for h := 1; h <= harmonics; h++ {
		late := float64(h) / float64(h+3)
		turns += float64(0.6 * float64(late*late))
		c, s := dmath.CosTurns(turns), dmath.SinTurns(turns)
		for k := range frames {
			a := amplitude(k, h)
			frames[k].cos[h], frames[k].sin[h] = float64(a*c), float64(a*s)
		}
	}
	return frames
}

// raised returns x to the power of y, for x above 0.
func raised(x, y float64) float64 { return dmath.Exp2(float64(y * dmath.Log2(x))) }
