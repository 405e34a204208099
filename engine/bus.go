package engine

import (
	"patchlab/engine/dmath"
	"patchlab/engine/filter"
	"patchlab/engine/fx"
	"patchlab/engine/patch"
)

// effect works on both sides at once, in place.
type effect interface {
	Process(left, right []float32)
}

// bus is what all layers run through together. As long as both sides are the same it
// works on one of them.
type bus struct {
	distortion *fx.Distortion
	dc         *filter.DCBlock
	effects    []effect // after them, in order
	lag        int64    // frames by which it is late
	tail       float64  // s that it rings on, to −60 dB
	lift       float64  // dB by which it raises what is quiet over what is loud
}

func newBus(p *patch.Patch) *bus {
	rate := float64(p.Output.SampleRate)
	b := &bus{distortion: fx.NewDistortion(p.Bus.Distortion, rate), dc: filter.NewDCBlock(dcCutoff, rate)}
	if b.distortion != nil {
		b.lag = int64(b.distortion.Latency())
		b.lift += b.distortion.Lift()
	}
	if e := fx.NewEQ(p.Bus.EQ, rate); e != nil {
		b.add(e, min(patch.MaxRing, float64(e.Tail()*(1+max(0, p.Bus.EQ.MidGain/60)))))
	}
	if e := fx.NewCompressor(p.Bus.Compressor, rate); e != nil {
		b.add(e, 0)
		b.lift += float64(max(0, -p.Bus.Compressor.Threshold) * (1 - 1/p.Bus.Compressor.Ratio))
	}
	if e := fx.NewChorus(p.Bus.Chorus, rate); e != nil {
		b.add(e, min(shortTail, e.Tail()))
	}
	if e := fx.NewFlanger(p.Bus.Flanger, rate); e != nil {
		b.add(e, min(shortTail, e.Tail()))
	}
	if e := fx.NewPhaser(p.Bus.Phaser, rate); e != nil {
		b.add(e, min(shortTail, e.Tail()))
	}
	if e := fx.NewDelay(p.Bus.Delay, p.Tempo, rate); e != nil {
		b.add(e, e.Tail())
	}
	if e := fx.NewReverb(p.Bus.Reverb, rate); e != nil {
		b.add(e, reverbTail(p.Bus.Reverb))
	}
	if e := fx.NewLimiter(p.Bus.Limiter, rate); e != nil {
		b.add(e, 0)
		b.lag += int64(e.Latency())
		b.lift += max(0, p.Bus.Limiter.Gain+p.Bus.Compressor.Gain)
	}
	return b
}

// shortTail bounds in seconds what an effect with a short feedback may shorten a note
// for its ringing: what is left then is very quiet or one narrow resonance.
const shortTail = 0.3

// add puts an effect behind the others, which rings on for so many seconds.
func (b *bus) add(e effect, tail float64) {
	b.effects = append(b.effects, e)
	b.tail += tail
}

// reverbTail returns how long the reverberation takes to fall below −60 dB of the dry
// sound, in seconds.
func reverbTail(p patch.Reverb) float64 {
	below := 60 + min(0, dmath.Decibels(p.Mix/max(1e-3, 1-p.Mix)))
	return p.PreDelay + max(0, float64(p.Time*(below/60)))
}

// process runs both sides through the bus. mono says that only left is filled, and
// right is to be the same.
func (b *bus) process(left, right []float32, mono bool) {
	other := right
	if mono {
		other = nil
	}
	if b.distortion != nil {
		b.distortion.Process(left, other)
	}
	b.dc.Process(left, other)
	if mono {
		copy(right, left)
	}
	for _, e := range b.effects {
		e.Process(left, right)
	}
}
