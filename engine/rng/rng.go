// Package rng draws random numbers by counting: a number depends on its key and
// its index alone, never on what was drawn before, so the order in which parts
// of a sound are rendered does not matter.
package rng

// Stream is a sequence of random numbers with random access.
type Stream uint64

// golden is 2^64 divided by the golden ratio.
const golden = 0x9e3779b97f4a7c15

// odd is a multiplier of a congruential generator with a good spectrum (Steele and
// Vigna, "Computationally easy, spectrally good multipliers", 2021).
const odd = 0xd1342543de82ef95

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", 2014; constants by David Stafford).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// New returns the stream of a seed and the place of what uses it, such as layer,
// node and voice.
func New(seed uint32, place ...uint64) Stream {
	h := mix(uint64(seed) + golden)
	for _, p := range place {
		h = mix(h*odd + (p+1)*golden) // the product keeps (a, b) apart from (b, a)
	}
	return Stream(h)
}

// Bits returns the n-th number of the stream, 64 uniform bits.
func (s Stream) Bits(n uint64) uint64 { return mix(uint64(s) + (n+1)*golden) }

// Unit returns the n-th number of the stream, uniform in [0, 1).
func (s Stream) Unit(n uint64) float64 { return float64(float64(s.Bits(n)>>11) / (1 << 53)) }

// Bipolar returns the n-th number of the stream, uniform in [−1, 1).
func (s Stream) Bipolar(n uint64) float64 {
	return float64(float64(int64(s.Bits(n))>>11) / (1 << 52))
}
