package worker

import (
	"math"

	"patchlab/engine/vec"
	"patchlab/internal/model"
)

// fullScale is the peak value of a sample at ±1.
const fullScale = 127

// peaker draws the overview of a sound as its frames come, in at most
// model.PeakBuckets equal stretches of the whole.
type peaker struct {
	channels int
	total    int64 // frames in all
	buckets  int64
	frame    int64     // frames seen
	lo, hi   float32   // of the stretch that is being filled
	top      float32   // the largest magnitude of all complete stretches
	out      []float32 // complete stretches: min, max, min, max, …
}

func newPeaker(total int64, channels int) *peaker {
	n := min(total, model.PeakBuckets)
	p := &peaker{channels: channels, total: total, buckets: n, out: make([]float32, 0, 2*max(n, 0))}
	p.clear()
	return p
}

// clear begins a stretch.
func (p *peaker) clear() { p.lo, p.hi = math.MaxFloat32, -math.MaxFloat32 }

// end returns the frame at which stretch i ends.
func (p *peaker) end(i int64) int64 { return (i + 1) * p.total / p.buckets }

// add takes the next frames, interleaved. What comes beyond the total is ignored.
func (p *peaker) add(samples []float32) {
	for len(samples) > 0 && p.frame < p.total {
		left := p.end(int64(len(p.out)/2)) - p.frame
		n := min(left, int64(len(samples)/p.channels))
		if n == 0 {
			return
		}
		part := samples[:n*int64(p.channels)]
		samples = samples[len(part):]
		p.lo, p.hi = vec.Range(part, p.lo, p.hi)
		p.frame += n
		if n == left {
			if p.lo > p.hi {
				p.lo, p.hi = 0, 0 // nothing but what is not a number
			}
			p.out = append(p.out, p.lo, p.hi)
			p.top = max(p.top, -p.lo, p.hi)
			p.clear()
		}
	}
}

// levels returns the complete stretches. With loudest above 0 they are scaled so
// that the loudest of them stands there, as it will when the sound has been
// normalised: else a growing waveform would be cut off at full scale, and shrink
// at the end.
func (p *peaker) levels(loudest float32) []int {
	gain := float32(1)
	if loudest > 0 && p.top > 0 {
		gain = loudest / p.top
	}
	out := make([]int, len(p.out))
	for i, x := range p.out {
		out[i] = level(x * gain)
	}
	return out
}

// level maps a sample to −127..127.
func level(x float32) int {
	if x != x {
		return 0
	}
	return int(math.RoundToEven(float64(max(-1, min(1, x)) * fullScale)))
}

// peaksOf returns the overview of a finished sound.
func peaksOf(samples []float32, channels int) model.Peaks {
	p := newPeaker(int64(len(samples)/channels), channels)
	p.add(samples)
	peaks := make(model.Peaks, len(p.out))
	for i, v := range p.levels(0) {
		peaks[i] = int8(v)
	}
	return peaks
}
