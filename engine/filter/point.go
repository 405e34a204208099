package filter

// stretch is the largest number of frames of one call of Process of the ladder, the
// comb and the formant filter.
const stretch = 32

// Point is where the controls of a filter stand at one moment.
type Point struct {
	Cutoff float64 // Hz, above 0
	Vowel  float64 // 0..1, of a formant filter
}

// settle flushes what is too small to hear, so that tails do not run into
// denormal numbers, and what is not a number.
func settle(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}
