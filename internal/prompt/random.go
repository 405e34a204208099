package prompt

import (
	"math"
	"strconv"

	"patchlab/engine/dmath"
)

// mix64 is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a
// bijection whose output bits each depend on every input bit.
func mix64(x uint64) uint64 {
	x += 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// jitter returns a number in [-1, 1) that depends on the seed and the key alone,
// so the order in which parameters are visited does not matter.
func jitter(seed uint32, key string) float64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return float64(int64(mix64(h^mix64(uint64(seed))))>>11) / (1 << 52)
}

// round4 rounds to four significant digits.
func round4(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 3, 64), 64)
	if err != nil {
		return 0
	}
	return r
}

func pow2(x float64) float64 { return dmath.Exp2(x) }
