package rng

import (
	"math"
	"testing"
)

// TestUniform counts draws in bins and correlates neighbours, for streams whose
// keys differ little.
func TestUniform(t *testing.T) {
	t.Parallel()
	const n, bins = 100_000, 50
	for _, place := range [][]uint64{{}, {0}, {1}, {0, 1}, {1, 0}} {
		s := New(7, place...)
		var count [bins]int
		mean, square, next := 0.0, 0.0, 0.0
		for i := range uint64(n) {
			u := s.Unit(i)
			if u < 0 || u >= 1 {
				t.Fatalf("%g is outside", u)
			}
			count[int(u*bins)]++
			x := s.Bipolar(i)
			mean += x / n
			square += x * x / n
			next += x * s.Bipolar(i+1) / n
		}
		chi := 0.0
		for _, c := range count {
			d := float64(c) - n/bins
			chi += d * d / (n / bins)
		}
		if chi > 95 { // 49 degrees of freedom: one in 10,000
			t.Errorf("place %v: χ² of %g", place, chi)
		}
		if math.Abs(mean) > 0.01 || math.Abs(square-1.0/3) > 0.01 || math.Abs(next) > 0.01 {
			t.Errorf("place %v: mean %g, power %g, correlation %g", place, mean, square, next)
		}
	}
}

// TestStreamsAreApart looks for streams that are the same or follow one another.
func TestStreamsAreApart(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]bool)
	for seed := range uint32(20) {
		for layer := range uint64(4) {
			for node := range uint64(10) {
				s := New(seed, layer, node)
				for i := range uint64(20) {
					if b := s.Bits(i); seen[b] {
						t.Fatalf("seed %d, place %d %d, index %d was drawn before", seed, layer, node, i)
					} else {
						seen[b] = true
					}
				}
			}
		}
	}
}

func TestFixed(t *testing.T) {
	t.Parallel()
	s := New(1, 2, 3)
	if a, b := s.Bits(0), s.Bits(1<<40); a != s.Bits(0) || a == b {
		t.Errorf("%x, %x", a, b)
	}
}
