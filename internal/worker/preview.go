package worker

import "patchlab/internal/model"

// previewer mixes frames down to mono at model.PreviewRate. Each output sample is
// the mean of the frames that fall into its time: plain, but good enough to hear
// what is coming. It is never part of a stored sound.
type previewer struct {
	rate     int64 // Hz of the input
	channels int
	frame    int64 // next input frame
	next     int64 // next output sample
	sum      float32
	count    int
	top      float32 // the largest magnitude so far, at least full scale
}

func newPreviewer(rate, channels int) *previewer {
	return &previewer{rate: int64(rate), channels: channels, top: 1}
}

// start returns the first input frame of output sample i, and end the one after
// its last. Below the preview rate neighbours share a frame.
func (p *previewer) start(i int64) int64 { return i * p.rate / model.PreviewRate }
func (p *previewer) end(i int64) int64   { return max(p.start(i)+1, p.start(i+1)) }

// add takes the frames from offset on and appends what is complete to dst.
// Frames may be left out between two calls; the samples then have a gap. It
// returns the number of the first sample it appended.
func (p *previewer) add(dst []int16, offset int64, samples []float32) (out []int16, first int64) {
	if offset != p.frame {
		p.frame, p.sum, p.count = offset, 0, 0
		p.next = (offset*model.PreviewRate + p.rate - 1) / p.rate
	}
	first = p.next
	from, to := p.start(p.next), p.end(p.next)
	for ; len(samples) >= p.channels; samples = samples[p.channels:] {
		var x float32
		for _, s := range samples[:p.channels] {
			x += s
		}
		x /= float32(p.channels)
		if p.frame >= from {
			p.sum += x
			p.count++
		}
		p.frame++
		for p.frame >= to {
			y := p.sum / float32(max(p.count, 1))
			p.top = max(p.top, y, -y) // before normalisation a sound may be of any loudness
			dst = append(dst, pcm16(y/p.top))
			p.next++
			from, to = p.start(p.next), p.end(p.next)
			p.sum, p.count = 0, 0
			if from < p.frame { // shared with the sample before
				p.sum, p.count = x, 1
			}
		}
	}
	return dst, first
}

func pcm16(x float32) int16 {
	if x != x {
		return 0
	}
	return int16(max(-1, min(1, x)) * 32767)
}
