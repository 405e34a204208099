package worker

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"patchlab/engine"
	"patchlab/engine/patch"
	"patchlab/internal/model"
)

// The stages of a render, and how far along each begins, in percent.
const (
	stageRendering = "rendering"
	stageEncoding  = "encoding"
	stageStoring   = "storing"

	percentRendered = 95
	percentStored   = 100
)

const (
	// publishFirst is the age of a render at which its progress is first published. Most
	// have ended by then, and nobody needs to see them grow.
	publishFirst = 30 * time.Millisecond
	// publishEvery is the least time between two publications of a render.
	publishEvery = 100 * time.Millisecond
	// chunkSamples is the most preview samples in one publication: 1 s.
	chunkSamples = model.PreviewRate
	// maxPreview is the most preview, in seconds, that one publication takes up. Where
	// publishing falls behind, the oldest is left out.
	maxPreview = 10
)

// meter publishes how a render comes on, on a goroutine of its own: the newest
// progress at most ten times a second, so that a slow Redis never slows the DSP. What
// is published is taken from the render when it is due, and not block by block.
type meter struct {
	pub  Publisher
	wake chan struct{}
	end  chan struct{}
	done chan struct{}

	rate, channels int
	due            atomic.Bool // the next block is to be taken up
	listening      atomic.Bool // somebody wants the preview, as far as is known

	mu       sync.Mutex
	progress model.Progress
	dirty    bool
	peaks    *peaker
	loudest  float32 // where normalisation will bring the loudest sample; 0 = it is left alone
	final    []int   // the peaks of the finished sound, once known
	preview  *previewer
	heard    int64   // frames that the preview has taken up, or passed over
	pcm      []int16 // waits to be published
	offset   int64   // of its first sample
}

// newMeter starts a meter for one attempt at a sound with the given output.
func newMeter(ctx context.Context, pub Publisher, base model.Progress, out patch.Output) *meter {
	m := &meter{
		pub:      pub,
		wake:     make(chan struct{}, 1),
		end:      make(chan struct{}),
		done:     make(chan struct{}),
		rate:     out.SampleRate,
		channels: out.Channels,
		progress: base,
	}
	m.progress.Stage = stageRendering
	if out.Normalize == "peak" {
		m.loudest = float32(math.Pow(10, out.Level/20))
	}
	go m.run(context.WithoutCancel(ctx))
	return m
}

// block takes up what the engine has made by now, where that is due; and at the end
// what is left of the preview.
func (m *meter) block(b engine.Block) {
	frames := int64(len(b.Sofar) / m.channels)
	last := frames >= b.Total && m.listening.Load()
	if !last && !m.due.Load() {
		return
	}
	m.due.Store(false)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.peaks == nil {
		m.peaks = newPeaker(b.Total, m.channels)
		m.preview = newPreviewer(m.rate, m.channels)
	}
	m.peaks.add(b.Sofar[m.peaks.frame*int64(m.channels):])
	m.final = nil
	m.progress.Stage = stageRendering
	m.progress.Frames = min(frames, b.Total)
	m.progress.Total = b.Total
	m.progress.Percent = percentRendered * float64(m.progress.Frames) / float64(max(b.Total, 1))
	if m.listening.Load() {
		m.listenTo(b.Sofar, frames)
	}
	m.heard = frames
	m.touch()
}

// listenTo adds what is new to the preview.
func (m *meter) listenTo(sofar []float32, frames int64) {
	from := max(m.heard, frames-int64(maxPreview*m.rate))
	pcm, first := m.preview.add(m.pcm, from, sofar[from*int64(m.channels):])
	if first != m.offset+int64(len(m.pcm)) { // nothing waits, or there was a gap
		pcm = pcm[len(m.pcm):]
		m.offset = first
	}
	if over := len(pcm) - maxPreview*model.PreviewRate; over > 0 {
		pcm = append(pcm[:0], pcm[over:]...)
		m.offset += int64(over)
	}
	m.pcm = pcm
}

// stage moves on to a stage behind the rendering of total frames, with the peaks
// of the finished sound.
func (m *meter) stage(name string, percent float64, total int64, peaks model.Peaks) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress.Stage, m.progress.Percent = name, percent
	// Never fewer frames than were shown: progress orders by them.
	m.progress.Total = max(total, m.progress.Frames)
	m.progress.Frames = m.progress.Total
	m.final = make([]int, len(peaks))
	for i, v := range peaks {
		m.final[i] = int(v)
	}
	m.touch()
}

func (m *meter) touch() {
	m.dirty = true
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// close publishes what is left and ends the meter.
// reused tells of an asset that was there already.
func (m *meter) reused(a *model.Asset) { m.stage(stageStoring, percentStored, a.Frames, a.Peaks) }

func (m *meter) close() {
	close(m.end)
	<-m.done
}

func (m *meter) run(ctx context.Context) {
	defer close(m.done)
	pause := time.NewTimer(publishFirst)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-m.end:
			m.publish(ctx)
			return
		}
		m.listening.Store(m.pub.Listening(ctx, m.progress.JobID))
		m.due.Store(true)
		select {
		case <-m.wake:
		case <-m.end:
			m.publish(ctx)
			return
		}
		m.publish(ctx)
		pause.Reset(publishEvery)
	}
}

// publish sends the newest progress and the preview that waits. Its errors are
// the publisher's to log.
func (m *meter) publish(ctx context.Context) {
	m.mu.Lock()
	dirty := m.dirty
	m.dirty = false
	p := m.progress
	switch {
	case m.final != nil:
		p.Peaks = m.final // never changed, only replaced
	case m.peaks != nil:
		p.Peaks = m.peaks.levels(m.loudest)
	default:
		p.Peaks = []int{}
	}
	m.mu.Unlock()
	if dirty {
		_ = m.pub.Progress(ctx, p)
	}

	m.mu.Lock()
	pcm, offset := m.pcm, m.offset
	m.pcm = nil
	m.offset += int64(len(pcm))
	m.mu.Unlock()
	for len(pcm) > 0 {
		n := min(len(pcm), chunkSamples)
		_ = m.pub.Audio(ctx, model.AudioChunk{
			JobID: p.JobID, SoundID: p.SoundID, Attempt: p.Attempt, Offset: offset, PCM: pcm[:n],
		})
		pcm, offset = pcm[n:], offset+int64(n)
	}
}
