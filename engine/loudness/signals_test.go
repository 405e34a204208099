package loudness

import (
	"math"

	"patchlab/engine/rng"
)

// tone returns a sine of a frequency in turns per frame, a phase in turns and a peak in
// dBFS.
func tone(frames int, frequency, phase, peak float64) []float32 {
	x := make([]float32, frames)
	gain := math.Pow(10, peak/20)
	for i := range x {
		x[i] = float32(gain * math.Sin(2*math.Pi*(frequency*float64(i)+phase)))
	}
	return x
}

// stretches returns a 1 kHz sine whose level changes: pairs of seconds and dBFS.
func stretches(rate int, pairs ...float64) []float32 {
	var x []float32
	for i := 0; i < len(pairs); i += 2 {
		from := len(x)
		x = append(x, make([]float32, int(math.Round(pairs[i]*float64(rate))))...)
		gain := math.Pow(10, pairs[i+1]/20)
		for k := from; k < len(x); k++ {
			x[k] = float32(gain * math.Sin(2*math.Pi*1000/float64(rate)*float64(k)))
		}
	}
	return x
}

// white returns noise, uniform within ±peak.
func white(frames int, seed uint32, peak float64) []float32 {
	x := make([]float32, frames)
	s := rng.New(seed)
	for i := range x {
		x[i] = float32(peak * s.Bipolar(uint64(i)))
	}
	return x
}

// pink returns noise that falls by 3 dB per octave (P. Kellet's filter, 1999).
func pink(frames int, seed uint32, gain float64) []float32 {
	x := white(frames, seed, 1)
	var b [3]float64
	for i, v := range x {
		w := float64(v)
		b[0] = 0.99765*b[0] + w*0.0990460
		b[1] = 0.96300*b[1] + w*0.2965164
		b[2] = 0.57000*b[2] + w*1.0526913
		x[i] = float32(gain * (b[0] + b[1] + b[2] + w*0.1848))
	}
	return x
}

// chord returns a naive saw chord, with all its aliases.
func chord(frames, rate int, peak float64) []float32 {
	x := make([]float32, frames)
	for i := range x {
		sum := 0.0
		for _, hz := range []float64{110, 138.6, 164.8} {
			turns := hz / float64(rate) * float64(i)
			sum += 2*(turns-math.Floor(turns)) - 1
		}
		x[i] = float32(peak * sum / 3)
	}
	return x
}

// bursts keeps the first tenth of every half a second and makes the rest quieter.
func bursts(x []float32, rate int, down float64) []float32 {
	gain := float32(math.Pow(10, down/20))
	for i := range x {
		if i%(rate/2) > rate/20 {
			x[i] *= gain
		}
	}
	return x
}

// faded fades both ends.
func faded(x []float32, frames int) {
	for i := range frames {
		gain := float32(i) / float32(frames)
		x[i] *= gain
		x[len(x)-1-i] *= gain
	}
}

// together interleaves two channels.
func together(left, right []float32) []float32 {
	x := make([]float32, 2*len(left))
	for i, v := range left {
		x[2*i], x[2*i+1] = v, right[i]
	}
	return x
}

func both(x []float32) []float32 { return together(x, x) }

func level(gain float64) float64 { return 20 * math.Log10(gain) }
