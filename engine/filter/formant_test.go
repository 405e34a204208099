package filter

import (
	"math"
	"testing"

	"patchlab/engine/patch"
)

func formants(q, rate float64) *Formant {
	return NewFormant(patch.Filter{Type: "formant", Resonance: q}, rate)
}

// TestFormantsOfVowels compares peaks and widths with the table of the tenor.
func TestFormantsOfVowels(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 48000, 96000} {
		for v, vowel := range tenor() {
			response := filtered(formants(4, rate), impulse(1<<14, 1), Point{Cutoff: 20000, Vowel: float64(v) / 4})
			first := gainAt(response, vowel[0].hz/rate)
			for i, f := range vowel[:2] {
				at := peak(response, 0.93*f.hz/rate, 1.07*f.hz/rate)
				if math.Abs(at*rate/f.hz-1) > 0.02 {
					t.Errorf("%g Hz, vowel %d: formant %d is at %.0f Hz, want %g Hz", rate, v, i+1, at*rate, f.hz)
				}
				if dB := decibels(gainAt(response, at) / first); math.Abs(dB-f.gain) > 2 {
					t.Errorf("%g Hz, vowel %d: formant %d has %.1f dB, want %g dB", rate, v, i+1, dB, f.gain)
				}
			}
			f := vowel[0] // half of the table's width, where Q is 4
			for _, side := range []float64{-1, 1} {
				if dB := decibels(gainAt(response, (f.hz+side*f.width/4)/rate) / first); math.Abs(dB+3) > 0.7 {
					t.Errorf("%g Hz, vowel %d: %.1f dB at the side of the first formant", rate, v, dB)
				}
			}
		}
	}
}

// TestFormantsMorph holds that between two vowels the formants are between theirs.
func TestFormantsMorph(t *testing.T) {
	t.Parallel()
	table := tenor()
	f := formants(1, 48000)
	last := f.at(Point{Cutoff: 20000})
	for x := 0.001; x < 1; x += 0.001 {
		next := f.at(Point{Cutoff: 20000, Vowel: x})
		for i := range next {
			if math.Abs(next[i].b2-last[i].b2) > 0.01*last[i].b2+1e-4 || math.Abs(next[i].gain-last[i].gain) > 0.001 {
				t.Fatalf("band %d jumps at %g", i, x)
			}
		}
		last = next
	}
	response := filtered(formants(4, 48000), impulse(1<<14, 1), Point{Cutoff: 20000, Vowel: 0.125})
	want := (table[0][0].hz + table[1][0].hz) / 2
	if at := peak(response, 0.9*want/48000, 1.1*want/48000) * 48000; math.Abs(at/want-1) > 0.02 {
		t.Errorf("half-way from a to e the first formant is at %.0f Hz, want %.0f Hz", at, want)
	}
}

// TestFormantsShift holds that the cutoff moves the second formant to it, and all
// others with it; at 20 kHz nothing moves.
func TestFormantsShift(t *testing.T) {
	t.Parallel()
	const rate = 48000.0
	for v, vowel := range tenor() {
		for _, cutoff := range []float64{300, 1500, 4000} {
			ratio := cutoff / vowel[1].hz
			response := filtered(formants(4, rate), impulse(1<<14, 1), Point{Cutoff: cutoff, Vowel: float64(v) / 4})
			for i, f := range vowel[:2] {
				want := f.hz * ratio
				if at := peak(response, 0.93*want/rate, 1.07*want/rate) * rate; math.Abs(at/want-1) > 0.02 {
					t.Errorf("vowel %d, cutoff %g Hz: formant %d is at %.0f Hz, want %.0f Hz", v, cutoff, i+1, at, want)
				}
			}
		}
	}
}

// TestFormantsLoudness holds the level of a sound with many harmonics, through all
// vowels and sharpnesses, near that of what goes in.
func TestFormantsLoudness(t *testing.T) {
	t.Parallel()
	const rate = 48000
	x := make([]float32, rate)
	for i := range x {
		x[i] = float32(math.Mod(float64(i)*110/rate, 1)*2 - 1)
	}
	for vowel := 0.0; vowel <= 1; vowel += 0.125 {
		for _, q := range []float64{0.5, 0.7071, 3, 20} {
			y := filtered(formants(q, rate), x, Point{Cutoff: 20000, Vowel: vowel})
			dB := decibels(rootMeanSquare(y[rate/2:]) / math.Sqrt(1.0/3))
			t.Logf("vowel %g, Q %g: %.1f dB", vowel, q, dB)
			if dB > 3 || dB < -16 {
				t.Errorf("vowel %g, Q %g: a saw comes out at %.1f dB", vowel, q, dB)
			}
		}
	}
}
