package worker

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"patchlab/internal/model"
)

func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)/float32(n)*2 - 1
	}
	return out
}

func TestPeaksAreTheSameHoweverTheFramesCome(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ frames, channels, block int }{
		{10000, 1, 64}, {10000, 2, 333}, {512, 2, 1}, {100, 2, 7}, {1, 1, 1}, {513, 1, 512}, {96000, 2, 96000},
	} {
		samples := ramp(tc.frames * tc.channels)
		whole := peaksOf(samples, tc.channels)
		assert.Len(t, whole, 2*min(tc.frames, model.PeakBuckets))
		p := newPeaker(int64(tc.frames), tc.channels)
		before := 0
		for rest := samples; len(rest) > 0; {
			n := min(tc.block*tc.channels, len(rest))
			p.add(rest[:n])
			rest = rest[n:]
			assert.GreaterOrEqual(t, len(p.out), before)
			before = len(p.out)
		}
		assert.Len(t, p.out, len(whole))
		for i, v := range p.levels(0) {
			assert.Equal(t, int(whole[i]), v)
		}
	}
}

func TestPeaksAreTheLowestAndTheHighest(t *testing.T) {
	t.Parallel()
	samples := make([]float32, 1024) // mono, two frames to a stretch
	samples[0], samples[1] = 0.5, 1
	samples[2], samples[3] = -1, 2
	peaks := peaksOf(samples, 1)
	assert.Equal(t, model.Peaks{64, 127, -127, 127, 0, 0}, peaks[:6])
	assert.Empty(t, peaksOf(nil, 2))
}

func TestAGrowingWaveformIsAsLoudAsTheFinishedOneWillBe(t *testing.T) {
	t.Parallel()
	p := newPeaker(4, 1)
	p.add([]float32{1, -2})
	assert.Equal(t, []int{32, 32, -64, -64}, p.levels(0.5))
	p.add([]float32{-4, 0})
	assert.Equal(t, []int{16, 16, -32, -32, -64, -64, 0, 0}, p.levels(0.5))
	assert.Equal(t, []int{127, 127, -127, -127, -127, -127, 0, 0}, p.levels(0), "what is not normalised is cut off")
	silent := newPeaker(2, 1)
	silent.add([]float32{0, 0})
	assert.Equal(t, []int{0, 0, 0, 0}, silent.levels(0.5))
}

func TestPreviewOfALoudSoundIsNotCutOff(t *testing.T) {
	t.Parallel()
	p := newPreviewer(model.PreviewRate, 1)
	pcm, _ := p.add(nil, 0, []float32{0.5, 4, -2, 1})
	assert.Equal(t, []int16{16383, 32767, -16383, 8191}, pcm)
}

func TestMoreFramesThanWereSaidAreIgnored(t *testing.T) {
	t.Parallel()
	p := newPeaker(10, 1)
	p.add(make([]float32, 50))
	assert.Len(t, p.out, 20)
	assert.Empty(t, newPeaker(0, 1).out)
}

func TestPreviewKeepsTimeAtEveryRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{22050, 24000, 44100, 48000, 96000} {
		for _, channels := range []int{1, 2} {
			p := newPreviewer(rate, channels)
			samples := make([]float32, rate*channels) // 1 s of a constant
			for i := range samples {
				samples[i] = 0.5
			}
			var out []int16
			offset := int64(0)
			for rest := samples; len(rest) > 0; {
				n := min(777*channels, len(rest))
				var first int64
				before := len(out)
				out, first = p.add(out, offset, rest[:n])
				assert.Equal(t, int64(before), first)
				offset += int64(n / channels)
				rest = rest[n:]
			}
			assert.Len(t, out, model.PreviewRate, "rate %d", rate)
			for _, s := range out {
				assert.Equal(t, int16(16383), s)
			}
		}
	}
}

func TestPreviewAfterAGap(t *testing.T) {
	t.Parallel()
	p := newPreviewer(48000, 1)
	_, first := p.add(nil, 0, make([]float32, 100))
	assert.Zero(t, first)
	out, first := p.add(nil, 48001, make([]float32, 100))
	assert.Equal(t, int64(24001), first)
	assert.NotEmpty(t, out)
}
