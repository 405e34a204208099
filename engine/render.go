// Package engine turns patches into samples. It is pure: the same patch gives the
// same samples on every machine, and it reads no clock, no file and no
// environment.
package engine

import (
	"context"
	"fmt"
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/filter"
	"patchlab/engine/fx"
	"patchlab/engine/patch"
)

// Version names the sound of this engine. It is part of every recipe and rises
// whenever the samples of any patch change.
const Version = "1"

// BlockFrames is the number of frames that are rendered at a time: between two
// blocks a render can be cancelled.
const BlockFrames = 256

// Audio is a rendered sound.
type Audio struct {
	SampleRate int       // Hz
	Channels   int       // 1 or 2
	Samples    []float32 // interleaved, full scale ±1
}

// Frames returns the number of frames.
func (a Audio) Frames() int64 { return int64(len(a.Samples) / a.Channels) }

// Block is a stretch that was just rendered.
type Block struct {
	Offset  int64     // frames before it
	Total   int64     // frames of the whole sound; an upper bound where it ends with its tail
	Samples []float32 // interleaved, before normalisation; valid during the call
}

// Options says what to do while a render runs.
type Options struct {
	// OnBlock, if not nil, is called after each block, on the rendering goroutine.
	OnBlock func(Block)
}

// TooCostlyError is returned for a patch above patch.MaxCost.
type TooCostlyError struct {
	Cost int64 // estimated, in microseconds of one core
}

// Error implements error.
func (e *TooCostlyError) Error() string {
	return fmt.Sprintf("engine: the patch would cost about %d s of a core, the most is %d s: shorten it, or use fewer voices", e.Cost/1e6, int64(patch.MaxCost/1e6))
}

const (
	tailFloor = 1e-3   // of the peak, −60 dB: where a tail ends
	silence   = 1e-9   // −180 dBFS: a peak below it is not worth raising
	dcCutoff  = 8      // Hz
	fadeIn    = 0.0005 // s
	fadeOut   = 0.003  // s
)

// Render renders a patch. It returns a *patch.ValidationError for a patch that is
// not valid, a *TooCostlyError for one that is too costly, and the context's error
// within a block of its end.
func Render(ctx context.Context, p patch.Patch, o Options) (Audio, error) {
	if err := p.Validate(); err != nil {
		return Audio{}, fmt.Errorf("engine: %w", err)
	}
	if cost := p.Cost(); cost > patch.MaxCost {
		return Audio{}, &TooCostlyError{Cost: cost}
	}
	r := newRenderer(&p)
	for r.done < r.total {
		if err := ctx.Err(); err != nil {
			return Audio{}, fmt.Errorf("engine: render: %w", err)
		}
		block := r.block()
		if o.OnBlock != nil {
			o.OnBlock(Block{Offset: r.done - int64(len(block)/r.channels), Total: r.total, Samples: block})
		}
	}
	return r.finish(), nil
}

// renderer is the state of one render.
type renderer struct {
	p        *patch.Patch
	rate     float64
	channels int
	total    int64 // frames
	done     int64
	lead     int64 // frames that the bus lags behind the layers
	fadeFrom int64 // frame from which the end is faded out

	layers []*layer
	dc     [2]filter.DCBlock
	clip   [2]*fx.Clip
	reverb *fx.Reverb

	mono        bool // both sides are the same up to the reverb
	left, right [BlockFrames]float64
	next        int64 // frame that the layers render next
	out         []float32
}

func newRenderer(p *patch.Patch) *renderer {
	rate := float64(p.Output.SampleRate)
	r := &renderer{p: p, rate: rate, channels: p.Output.Channels, total: p.Frames(), mono: true}
	seconds := float64(r.total) / rate
	r.fadeFrom = max(0, r.total-int64(float64(fadeOut*rate)))
	for i := range p.Layers {
		l := &p.Layers[i]
		gate, squeezed := r.gate(l, seconds)
		if squeezed {
			// The release and the tail do not fit: the last third is faded as well.
			r.fadeFrom = min(r.fadeFrom, r.total-r.total/3)
		}
		made := newLayer(l, i, p.Seed, rate, gate, max(0.001, seconds-l.Delay))
		r.layers = append(r.layers, made)
		r.mono = r.mono && made.centred()
	}
	for side := range r.dc {
		r.dc[side] = filter.NewDCBlock(dcCutoff, rate)
		if p.Bus.Distortion.Drive > 0 {
			r.clip[side] = fx.NewClip(p.Bus.Distortion.Drive, p.Bus.Distortion.Mix)
			r.lead = fx.ClipLatency
		}
	}
	r.reverb = fx.NewReverb(p.Bus.Reverb, rate)
	r.out = make([]float32, 0, r.total*int64(r.channels))
	return r
}

// gate returns how long a layer's note is held. With a fixed duration the note
// ends early enough for the release and the reverberation to fall by 60 dB, but is
// held for a third of the time left at least; squeezed says that they then do not
// fit.
func (r *renderer) gate(l *patch.Layer, seconds float64) (gate float64, squeezed bool) {
	if r.p.Output.Duration == 0 {
		return l.Gate, r.total >= patch.MaxDuration*int64(r.p.Output.SampleRate)
	}
	left := max(0, seconds-l.Delay)
	gate = left - max(l.AmpEnv.Release, r.tail())
	least := left / 3
	if gate < least {
		return least, true
	}
	return gate, false
}

// tail returns how long the reverberation takes to fall below −60 dB of the dry
// sound, in seconds.
func (r *renderer) tail() float64 {
	b := r.p.Bus.Reverb
	if b.Mix <= 0 {
		return 0
	}
	below := 60 + min(0, dmath.Decibels(b.Mix/max(1e-3, 1-b.Mix)))
	return b.PreDelay + max(0, float64(b.Time*(below/60)))
}

// block renders the next block and returns its samples, interleaved.
func (r *renderer) block() []float32 {
	left, right := r.left[:], r.right[:]
	clear(left)
	clear(right)
	for _, l := range r.layers {
		from := max(0, l.delay-r.next)
		if from < BlockFrames {
			l.process(r.next+from-l.delay, left[from:], right[from:], r.mono)
		}
	}
	r.bus(0, left)
	if r.mono {
		copy(right, left)
	} else {
		r.bus(1, right)
	}
	if r.reverb != nil {
		r.reverb.Process(left, right)
	}

	// The bus lags behind: its first frames come before the sound.
	from := max(0, r.lead-r.next)
	r.next += BlockFrames
	mark := len(r.out)
	for i := from; i < BlockFrames && r.done < r.total; i++ {
		a, b := left[i], right[i]
		if r.channels == 1 {
			r.out = append(r.out, float32(float64(0.5*(a+b))))
		} else {
			r.out = append(r.out, float32(a), float32(b))
		}
		r.done++
	}
	return r.out[mark:]
}

// bus runs one side through what works on each side by itself.
func (r *renderer) bus(side int, x []float64) {
	if r.clip[side] != nil {
		r.clip[side].Process(x)
	}
	r.dc[side].Process(x)
}

// finish trims, fades and normalises the sound.
func (r *renderer) finish() Audio {
	if r.p.Output.Duration == 0 {
		r.trim()
	}
	r.fade()
	r.normalize()
	return Audio{SampleRate: r.p.Output.SampleRate, Channels: r.channels, Samples: r.out}
}

// trim ends the sound where its tail does.
func (r *renderer) trim() {
	floor := tailFloor * peak(r.out)
	last := len(r.out)
	for last > 0 && math.Abs(float64(r.out[last-1])) <= floor {
		last--
	}
	frames := int64((last + r.channels - 1) / r.channels)
	least := int64(math.Ceil(patch.MinDuration * r.rate))
	frames = min(r.total, max(least, frames+int64(fadeOut*r.rate)))
	r.out = r.out[:frames*int64(r.channels)]
	r.total = frames
	r.fadeFrom = min(r.fadeFrom, frames-int64(fadeOut*r.rate))
}

// fade brings the first and the last sample to 0.
func (r *renderer) fade() {
	in := int64(math.Ceil(fadeIn * r.rate))
	for n := range min(in, r.total) {
		r.scale(n, float64(n)/float64(in))
	}
	out := r.total - 1 - r.fadeFrom
	for n := r.fadeFrom; n < r.total; n++ {
		x := float64(n-r.fadeFrom) / float64(max(1, out))
		r.scale(n, 0.5+float64(0.5*dmath.CosTurns(float64(x/2))))
	}
}

func (r *renderer) scale(frame int64, gain float64) {
	for c := range r.channels {
		i := frame*int64(r.channels) + int64(c)
		r.out[i] = float32(float64(float64(r.out[i]) * gain))
	}
}

// normalize brings the peak to the level asked for, or holds it within full scale.
func (r *renderer) normalize() {
	top := peak(r.out)
	if r.p.Output.Normalize != "peak" {
		for i, x := range r.out {
			r.out[i] = max(-1, min(1, x))
		}
		return
	}
	if top < silence {
		clear(r.out)
		return
	}
	gain := dmath.Gain(r.p.Output.Level) / top
	for i, x := range r.out {
		r.out[i] = float32(float64(float64(x) * gain))
	}
}

// peak returns the largest magnitude.
func peak(samples []float32) float64 {
	var top float32
	for _, x := range samples {
		if x < 0 { // faster than max, which has to think of NaN
			x = -x
		}
		if x > top {
			top = x
		}
	}
	return float64(top)
}
