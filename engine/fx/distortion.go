// Package fx holds the effects of the bus.
package fx

import (
	"patchlab/engine/dmath"
	"patchlab/engine/oversample"
	"patchlab/engine/patch"
	"patchlab/engine/vec"
)

// Distortion bends the waveform of both sides. What bends it by a curve works at four
// times the sample rate, where the curve's mean between two samples stands for the
// curve wherever its harmonics could pass even that: at most drives nothing folds back
// above −80 dB.
type Distortion struct {
	sides   [2]bender
	latency int
	mix     float32
	lift    float64 // dB
	dry     [2][]float32
}

// bender is what a kind of distortion does to one channel, in place.
type bender interface {
	process(block []float32)
}

// NewDistortion returns a distortion, nil where it is off.
func NewDistortion(p patch.Distortion, rate float64) *Distortion {
	if p.Mix <= 0 || p.Drive <= 0 && p.Type != "crush" && p.Type != "rate" {
		return nil
	}
	d := &Distortion{mix: float32(p.Mix)}
	for s := range d.sides {
		switch p.Type {
		case "crush":
			d.sides[s] = newCrusher(p)
		case "rate":
			d.sides[s] = newHolder(p, rate)
		default:
			d.sides[s] = newShaper(p)
			d.lift = p.Drive
			if p.Type == "fold" {
				d.lift = 0.5 * p.Drive
			}
			d.latency = oversample.FourLatency
		}
		d.dry[s] = make([]float32, d.latency+maxFrames)
	}
	return d
}

// Latency is the delay of the distorted sound, and of what is mixed with it, in frames.
func (d *Distortion) Latency() int { return d.latency }

// Process distorts left and, unless it is nil, right, of at most 256 frames, in place.
func (d *Distortion) Process(left, right []float32) {
	for s, block := range [2][]float32{left, right} {
		if block == nil {
			continue
		}
		n := len(block)
		dry := d.dry[s]
		if d.mix < 1 {
			copy(dry[d.latency:], block)
		}
		d.sides[s].process(block)
		if d.mix < 1 {
			vec.Mix(block, dry[:n], d.mix, 1-d.mix)
			copy(dry[:d.latency], dry[n:n+d.latency])
		}
	}
}

// maxFrames is the largest number of frames of one call of Process.
const maxFrames = vec.MaxBlock

// quiet flushes what is too small to hear, so that no recursion runs on
// denormal numbers, and what is not a number.
func quiet(x float64) float64 {
	if x > -1e-30 && x < 1e-30 || x != x {
		return 0
	}
	return x
}

// shaper sends a channel through a curve at four times its rate.
type shaper struct {
	*oversample.Four
	bend   *vec.Saturation // where that is enough, else nil
	smooth *smoother
	bias   float32 // added before the curve
	rest   float32 // what comes out for silence
}

// newShaper makes up the level by half of the drive, so that more drive is denser
// rather than just louder. The fold takes half of the drive: it doubles the harmonics
// with every 6 dB, and beyond 24 dB nothing would be left that does not fold back.
func newShaper(p patch.Distortion) *shaper {
	drive := p.Drive
	if p.Type == "fold" {
		drive = float64(0.5 * drive)
	}
	gain, makeup := dmath.Gain(drive), dmath.Gain(-drive/2)
	s := &shaper{}
	switch {
	case p.Type == "hard":
		s.smooth = newSmoother(clip, gain)
	case p.Type == "fold":
		s.smooth = newSmoother(fold, gain)
	case p.Drive > patch.SmoothDrive:
		s.smooth = newSmoother(tanh, gain)
	default:
		s.bend = vec.NewSaturation(gain)
		makeup = float64(makeup * float64(s.bend.Unit))
	}
	s.Four = oversample.NewFour(makeup)
	if p.Type == "shape" && p.Bias != 0 {
		s.bias = float32(p.Bias / gain)
		if s.smooth != nil {
			s.smooth.start(float64(s.bias))
		}
		// It has been silent for long: else it would start with a step.
		var silence [maxFrames]float32
		s.process(silence[:])
		s.rest = silence[maxFrames-1]
	}
	return s
}

// Lift returns by how many dB what is quiet is raised over what is loud.
func (d *Distortion) Lift() float64 { return d.lift }

func (s *shaper) process(block []float32) {
	n := len(block)
	s.Up(block)
	raised, w := s.Phases(n)
	if s.bias != 0 {
		for k := range w {
			vec.Offset(w[k], raised[k], s.bias)
		}
		raised = w
	}
	if s.bend != nil {
		for k := range w {
			s.bend.Process(w[k], raised[k])
		}
	} else {
		s.smooth.process(&w, &raised)
	}
	s.Down(block)
	if s.rest != 0 {
		vec.Offset(block, block, -s.rest)
	}
}
