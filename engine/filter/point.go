package filter

// Point is where a filter stands at one moment.
type Point struct {
	Cutoff float64 // Hz, any positive number
	Vowel  float64 // 0..1, of a formant filter
}
