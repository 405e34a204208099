package fx

import "patchlab/engine/dmath"

// swing is the slow sine and cosine that moves an effect, looked at in steps of some
// frames. It turns a vector by a fixed angle from step to step, and sets it anew from
// an integer phase, 2^64 to a turn, every fresh steps, so that no error grows.
type swing struct {
	phase, jump      uint64 // of the next setting, and from one to the next
	sin, cos         float64
	turnSin, turnCos float64
	step             int // of fresh
}

const fresh = 16

// newSwing returns one of hz turns a second, in steps of some frames, at 0. It
// makes less than a turn in fresh steps.
func newSwing(hz, rate float64, frames int) swing {
	turns := float64(hz * float64(frames) / rate)
	return swing{
		jump:    uint64(float64(float64(turns*fresh) * (1 << 64))),
		turnSin: dmath.SinTurns(turns), turnCos: dmath.CosTurns(turns),
	}
}

// next returns the sine and the cosine, and goes a step on.
func (s *swing) next() (sin, cos float64) {
	if s.step == 0 {
		at := float64(float64(s.phase>>11) * (1.0 / (1 << 53)))
		s.sin, s.cos = dmath.SinTurns(at), dmath.CosTurns(at)
		s.phase += s.jump
	}
	s.step = (s.step + 1) % fresh
	sin, cos = s.sin, s.cos
	s.sin = float64(sin*s.turnCos) + float64(cos*s.turnSin)
	s.cos = float64(cos*s.turnCos) - float64(sin*s.turnSin)
	return sin, cos
}
