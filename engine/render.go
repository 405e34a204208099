// Package engine turns patches into samples. It is pure: the same patch gives the
// same samples on every machine, and it reads no clock, no file and no
// environment.
package engine

import (
	"context"
	"fmt"
	"math"

	"patchlab/engine/dmath"
	"patchlab/engine/loudness"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Version names the sound of this engine. It is part of every recipe and rises
// whenever the samples of any patch change.
const Version = "2"

// BlockFrames is the number of frames that are rendered at a time: between two
// blocks a render can be cancelled.
const BlockFrames = vec.MaxBlock

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
	Total   int64     // frames that are rendered in all: an upper bound where the sound ends with its tail; of a loop also what is mixed into its start
	Samples []float32 // interleaved, before normalisation; valid during the call
	Sofar   []float32 // all that was rendered so far, Samples last; valid during the call
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
	offset    = 1e-5   // of the peak, −100 dB: a mean below it is none
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
			o.OnBlock(Block{Offset: r.done - int64(len(block)/r.channels), Total: r.total, Samples: block, Sofar: r.out})
		}
	}
	return r.finish(ctx)
}

// renderer is the state of one render.
type renderer struct {
	p        *patch.Patch
	rate     float64
	channels int
	total    int64 // frames
	done     int64
	fadeFrom int64 // frame from which the end is faded out

	layers []*layer
	bus    *bus

	mono        bool // both sides are the same until the effects
	left, right [BlockFrames]float32
	next        int64 // frame that the layers render next
	out         []float32
}

func newRenderer(p *patch.Patch) *renderer {
	rate := float64(p.Output.SampleRate)
	r := &renderer{p: p, rate: rate, channels: p.Output.Channels, total: p.Rendered(), mono: true, bus: newBus(p)}
	seconds := float64(r.total) / rate
	r.fadeFrom = max(0, r.total-int64(float64(fadeOut*rate)))
	for i := range p.Layers {
		l := &p.Layers[i]
		gate, squeezed := r.gate(l, seconds)
		if squeezed {
			// The release and the tail do not fit: the last third is faded as well.
			r.fadeFrom = min(r.fadeFrom, r.total-r.total/3)
		}
		made := newLayer(l, i, p, gate, max(0.001, seconds-l.Delay))
		r.layers = append(r.layers, made)
		r.mono = r.mono && made.centred()
	}
	r.out = make([]float32, 0, r.total*int64(r.channels))
	return r
}

// gate returns how long a layer's note is held. With a fixed duration the note
// ends early enough for the release, and then what rings on, to fall by 60 dB, but is
// held for a third of the time left at least; squeezed says that they then do not
// fit. Where the bus lifts what is quiet, the release goes on to where the envelope ends,
// 90 dB down after half as long again. In a loop the note never ends.
func (r *renderer) gate(l *patch.Layer, seconds float64) (gate float64, squeezed bool) {
	switch {
	case r.p.Output.Loop == "on":
		return seconds + 1, false
	case r.p.Output.Duration == 0:
		return l.Gate, r.total >= patch.MaxDuration*int64(r.p.Output.SampleRate)
	}
	left := max(0, seconds-l.Delay)
	release := float64(l.AmpEnv.Release * (1 + min(0.5, r.bus.lift/60)))
	gate = left - max(release+r.bus.tail, r.p.Output.Tail)
	least := left / 3
	if gate < least && left > 0 {
		return least, true
	}
	return max(0, gate), false
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
	r.bus.process(left, right, r.mono)

	// The bus lags behind: its first frames come before the sound.
	from := min(max(0, r.bus.lag-r.next), BlockFrames)
	r.next += BlockFrames
	n := min(BlockFrames-from, r.total-r.done)
	left, right = left[from:from+n], right[from:from+n]
	mark := len(r.out)
	r.out = r.out[:mark+int(n)*r.channels]
	if r.channels == 2 {
		vec.Interleave(r.out[mark:], left, right)
	} else {
		mono := r.out[mark:]
		for i, x := range left {
			mono[i] = float32(0.5 * (x + right[i]))
		}
	}
	r.done += n
	return r.out[mark:]
}

// finish trims, closes the loop or fades, and normalises the sound.
func (r *renderer) finish(ctx context.Context) (Audio, error) {
	if r.p.Output.Loop == "on" {
		r.close()
	} else {
		if r.p.Output.Duration == 0 {
			r.trim()
		}
		r.fade()
	}
	if err := ctx.Err(); err != nil {
		return Audio{}, fmt.Errorf("engine: render: %w", err)
	}
	top := float64(vec.Peak(r.out))
	if r.centre(float64(offset * top)) {
		top = float64(vec.Peak(r.out))
	}
	if err := r.normalize(ctx, top); err != nil {
		return Audio{}, fmt.Errorf("engine: render: %w", err)
	}
	return Audio{SampleRate: r.p.Output.SampleRate, Channels: r.channels, Samples: r.out}, nil
}

// close makes a loop of the sound: what was rendered beyond its end is mixed into its
// start, from all of it to none, so that the end runs on into the start. Both together
// have the power of either, whether they are as like as two periods of a tone or have
// nothing in common. (Two that are the opposite of each other have a hole between them:
// a tone that does not fit into the loop must jump somewhere.)
func (r *renderer) close() {
	loop := r.p.Frames()
	over := r.total - loop
	like := r.likeness(loop, over)
	for n := range over {
		t := float64(float64(n) / float64(over))
		t = float64(float64(t*t) * (3 - float64(2*t)) / 4) // of a turn; no kink where it ends
		in, out := dmath.SinTurns(t), dmath.CosTurns(t)
		level := 1 / math.Sqrt(1+float64(2*like*float64(in*out)))
		in, out = float64(in*level), float64(out*level)
		for c := range int64(r.channels) {
			i, j := n*int64(r.channels)+c, (loop+n)*int64(r.channels)+c
			r.out[i] = float32(float64(in*float64(r.out[i])) + float64(out*float64(r.out[j])))
		}
	}
	r.total = loop
	r.out = r.out[:loop*int64(r.channels)]
}

// leastLike bounds how unlike what is mixed may be taken to be: the less, the more of it
// the mix takes to make up for what cancels out.
const leastLike = -0.5

// likeness returns the correlation of the first frames of the loop and those after its
// end, leastLike to 1.
func (r *renderer) likeness(loop, over int64) float64 {
	var ab, aa, bb float64
	for n := range over {
		a, b := r.middle(n), r.middle(loop+n)
		ab += float64(a * b)
		aa += float64(a * a)
		bb += float64(b * b)
	}
	if power := math.Sqrt(float64(aa * bb)); power > silence {
		return max(leastLike, ab/power)
	}
	return 0
}

// middle returns the mean of both sides of a frame: a sound in mono is to loop as in stereo.
func (r *renderer) middle(frame int64) float64 {
	if r.channels == 1 {
		return float64(r.out[frame])
	}
	return float64(float32(0.5 * (r.out[2*frame] + r.out[2*frame+1])))
}

// trim ends the sound where its tail does.
func (r *renderer) trim() {
	floor := float32(tailFloor) * vec.Peak(r.out)
	last := len(r.out)
	for last > 0 && r.out[last-1] <= floor && r.out[last-1] >= -floor {
		last--
	}
	frames := int64((last + r.channels - 1) / r.channels)
	least := int64(math.Ceil(patch.MinDuration * r.rate))
	frames = min(r.total, max(least, frames+int64(fadeOut*r.rate)))
	if frames < r.total { // it fits after all
		r.fadeFrom = frames - int64(fadeOut*r.rate)
	}
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

// centre takes away what is left of an offset: all of it from a loop, and from any
// other sound in the shape of one slow swell from its first frame that is not silent to
// its last, so that its ends stay at 0. A mean up to least is left. It reports whether
// anything changed.
func (r *renderer) centre(least float64) (changed bool) {
	left, right := vec.Sums(r.out)
	if r.channels == 1 {
		left += right
	}
	first, last := 0, len(r.out)
	if r.p.Output.Loop != "on" {
		for first < last && r.out[first] == 0 {
			first++
		}
		for first < last && r.out[last-1] == 0 {
			last--
		}
		first, last = first/r.channels*r.channels, (last+r.channels-1)/r.channels*r.channels
	}
	frames := float64(max(1, (last-first)/r.channels))
	means := [2]float64{left / frames, right / frames}
	for c, mean := range means[:r.channels] {
		if mean <= least && mean >= -least {
			continue
		}
		changed = true
		if r.p.Output.Loop == "on" {
			for i := c; i < len(r.out); i += r.channels {
				r.out[i] -= float32(mean)
			}
			continue
		}
		if frames < 3 {
			continue
		}
		// 6·t·(1−t) goes from 0 to 0; over so many frames its mean is (frames−2)/(frames−1).
		mean = float64(mean * (frames - 1) / (frames - 2))
		top, step := float32(6*mean), float32(1/max(1, frames-1))
		n := float32(0)
		for i := first + c; i < last; i += r.channels {
			t := min(1, float32(n*step))
			n++
			r.out[i] -= float32(top * float32(t*(1-t)))
		}
	}
	return changed
}

// normalize brings the sound, whose peak is top, to the level asked for, or down to full
// scale where it is above.
func (r *renderer) normalize(ctx context.Context, top float64) error {
	o := &r.p.Output
	switch {
	case top < silence && o.Normalize != "off":
		clear(r.out)
	case o.Normalize == "peak":
		vec.Scale(r.out, float32(dmath.Gain(o.Level)/top))
	case o.Normalize == "loudness":
		blocks := loudness.Measure(r.out, r.channels, o.SampleRate)
		if err := ctx.Err(); err != nil {
			return err
		}
		gain := loudness.NormalizingGain(blocks, loudness.TruePeak(r.out, r.channels), o.Loudness, o.TruePeak)
		vec.Scale(r.out, float32(gain))
	case top > 1:
		vec.Scale(r.out, float32(1/top))
	}
	return nil
}
