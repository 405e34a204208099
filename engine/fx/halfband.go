package fx

import (
	"math"

	"patchlab/engine/dmath"
)

// maxFrames is the largest number of frames of one call of Process.
const maxFrames = 256

// halfBand doubles or halves a sample rate with a symmetric filter of which every
// second tap is 0 (Crochiere and Rabiner, "Multirate Digital Signal Processing",
// 1983): of the two phases of the doubled rate one is a plain delay. Its delay is
// 2·pairs−1 samples of the higher rate.
type halfBand struct {
	pairs   int       // tap pairs beside the middle one
	taps    []float64 // the odd taps, from the outermost to the innermost; symmetric
	history []float64 // what is filtered: the past, then room for a block
	delayed []float64 // when halving: the other phase, likewise
}

// newHalfBand designs a filter by a Kaiser window. block is the largest number of
// frames at the lower rate.
func newHalfBand(pairs, block int, beta float64) *halfBand {
	h := &halfBand{
		pairs:   pairs,
		taps:    make([]float64, pairs),
		history: make([]float64, 2*pairs+block+3),
		delayed: make([]float64, pairs+block),
	}
	sum := 0.0
	for i := range h.taps {
		t := float64(2*(pairs-i) - 1) // distance from the middle
		h.taps[i] = float64(dmath.SinTurns(float64(t/4)) / float64(dmath.Pi*t) * dmath.Kaiser(t/float64(2*pairs), beta))
		sum += float64(2 * h.taps[i])
	}
	for i := range h.taps {
		h.taps[i] = float64(h.taps[i] * (0.5 / sum)) // the phase has the gain of the middle tap, 1/2
	}
	return h
}

// filter puts the filtered phase of the last n frames of history into dst, four
// frames at a time: they share taps, and their sums need not wait for one another.
func (h *halfBand) filter(dst []float64) {
	taps, width := h.taps, 2*h.pairs
	for i := 0; i < len(dst); i += 4 {
		w := h.history[i+1:][:width+3]
		var s0, s1, s2, s3 float64
		j := width - 1
		for k, c := range taps {
			a := (*[4]float64)(w[k:])
			b := (*[4]float64)(w[j:])
			s0 += float64(c * (a[0] + b[0]))
			s1 += float64(c * (a[1] + b[1]))
			s2 += float64(c * (a[2] + b[2]))
			s3 += float64(c * (a[3] + b[3]))
			j--
		}
		copy(dst[i:], []float64{s0, s1, s2, s3})
	}
}

// double puts src at twice its rate into dst, which is twice as long.
func (h *halfBand) double(dst, src, scratch []float64) {
	n, past := len(src), 2*h.pairs
	copy(h.history[past:past+n], src)
	odd := scratch[:n]
	h.filter(odd)
	even := h.history[past-h.pairs+1:]
	for i, y := range odd {
		dst[2*i] = float64(2 * y)
		dst[2*i+1] = even[i]
	}
	copy(h.history[:past], h.history[n:n+past])
}

// halve puts src at half its rate into dst, which is half as long.
func (h *halfBand) halve(dst, src []float64) {
	n, past := len(dst), 2*h.pairs
	for i := range dst {
		h.history[past+i] = src[2*i]
		h.delayed[h.pairs+i] = src[2*i+1]
	}
	h.filter(dst)
	for i := range dst {
		dst[i] += float64(0.5 * h.delayed[i])
	}
	copy(h.history[:past], h.history[n:n+past])
	copy(h.delayed[:h.pairs], h.delayed[n:n+h.pairs])
}

// quiet flushes what is too small to hear, so that no recursion runs on
// denormal numbers, and what is not a number.
func quiet(x float64) float64 {
	if math.Abs(x) < 1e-30 || x != x {
		return 0
	}
	return x
}
