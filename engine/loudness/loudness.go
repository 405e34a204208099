// Package loudness measures a finished sound as ITU-R BS.1770-4, "Algorithms to
// measure audio programme loudness and true-peak audio level" (2015), says, and tells
// what gain brings it to a level.
package loudness

import (
	"math"

	"patchlab/engine/dmath"
)

// The blocks of annex 1: 400 ms, each begun 100 ms after the one before. All rates of
// the engine have a whole number of frames in 100 ms.
const (
	stepsPerSecond = 10
	blockSteps     = 4
)

const (
	absoluteGate = -70    // LUFS
	relativeGate = 0.1    // of the mean power above the absolute gate, −10 LU
	offset       = -0.691 // dB, which makes 997 Hz at 0 dBFS in one channel −3.01 LUFS
)

// Blocks holds the mean power of a sound, K-weighted and summed over its channels, in
// each of its blocks of 400 ms.
type Blocks []float64

// Measure returns the blocks of interleaved samples of 1 or 2 channels at a rate in Hz
// that is a multiple of 10. One channel counts once, as the standard has it: played on
// two loudspeakers it is 3 LU louder. A sound under 400 ms is measured with silence
// after it up to that; of a longer one what is left after the last whole 100 ms is not.
// A stretch of 100 ms with anything in it that is not a number counts as silence.
func Measure(samples []float32, channels, rate int) Blocks {
	size := rate / stepsPerSecond * channels
	if len(samples) < blockSteps*size {
		padded := make([]float32, blockSteps*size)
		copy(padded, samples)
		samples = padded
	}
	var sides [2]weighting
	sides[0] = newWeighting(float64(rate))
	sides[1] = sides[0]
	blocks := make(Blocks, len(samples)/size-blockSteps+1)
	var recent [blockSteps]float64
	for i := range len(samples) / size {
		step := samples[i*size:][:size]
		sum := 0.0
		for c := range channels {
			sum += sides[c].energy(step[c:], channels)
		}
		recent[i%blockSteps] = sum
		if k := i - blockSteps + 1; k >= 0 {
			blocks[k] = (recent[0] + recent[1] + recent[2] + recent[3]) / float64(blockSteps*size/channels)
		}
	}
	return blocks
}

// Integrated returns the integrated loudness of interleaved samples in LUFS, −Inf
// where nothing is above the absolute gate of −70 LUFS. See Measure.
func Integrated(samples []float32, channels, rate int) float64 {
	return Measure(samples, channels, rate).LUFS()
}

// LUFS returns the integrated loudness, −Inf where no block is above the absolute gate.
func (b Blocks) LUFS() float64 { return b.gated(1) }

// gated returns the integrated loudness after the power was multiplied by a factor.
func (b Blocks) gated(factor float64) float64 {
	gate := power(absoluteGate) / factor
	mean := b.meanAbove(gate)
	if mean == 0 {
		return math.Inf(-1)
	}
	mean = b.meanAbove(max(gate, float64(mean*relativeGate)))
	return decibels(float64(mean * factor))
}

// meanAbove returns the mean of the blocks above a gate, 0 where there is none.
func (b Blocks) meanAbove(gate float64) float64 {
	sum, n := 0.0, 0
	for _, p := range b {
		if p > gate {
			sum += p
			n++
		}
	}
	return sum / float64(max(1, n))
}

// power returns the K-weighted power of a loudness in LUFS.
func power(lufs float64) float64 {
	g := dmath.Gain(lufs - offset)
	return float64(g * g)
}

// decibels returns the loudness of a positive power.
func decibels(power float64) float64 { return offset + float64(dmath.Decibels(power)/2) }
