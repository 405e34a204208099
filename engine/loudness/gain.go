package loudness

import (
	"math"

	"patchlab/engine/dmath"
)

// Gain returns the linear gain that brings a sound to a loudness in LUFS, false where
// there is nothing to bring there. The absolute gate does not move with the sound, so
// the gain is tried out: a sound below −70 LUFS has a loudness once it is raised.
func (b Blocks) Gain(lufs float64) (gain float64, ok bool) {
	mean := b.meanAbove(0)
	if mean == 0 {
		return 1, false
	}
	// As if there were no absolute gate, then with it.
	mean = b.meanAbove(float64(mean * relativeGate))
	factor := power(lufs) / mean
	for range 8 {
		off := lufs - b.gated(factor)
		if math.Abs(off) < 1e-6 || math.IsInf(off, 0) {
			break
		}
		g := dmath.Gain(off)
		factor = float64(factor * float64(g*g))
	}
	return math.Sqrt(factor), true
}

// NormalizingGain returns the linear gain that brings a sound with these blocks and
// this true peak, as TruePeak gives it, to a loudness in LUFS, or as near to it as a
// ceiling of its true peak in dBTP allows. What has no loudness keeps its level, under
// the ceiling.
func NormalizingGain(b Blocks, truePeak, lufs, ceiling float64) float64 {
	gain, _ := b.Gain(lufs)
	if most := dmath.Gain(ceiling); float64(gain*truePeak) > most {
		return most / truePeak
	}
	return gain
}
