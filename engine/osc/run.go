package osc

import (
	"math"

	"patchlab/engine/vec"
)

// run is a phase that moves over a stretch of frames, its speed in a straight line.
// It is all in integers, which are exact: however a steady run is cut, its phases
// are the same.
type run struct {
	phase uint64 // before the first frame
	step  uint64 // of the phase, before the first frame
	bend  uint64 // what the step grows by before each frame
}

// newRun returns a run of n frames with a frequency from f0, before the first, to
// f1, at the last, in turns per frame.
func newRun(phase uint64, f0, f1 float64, n int) run {
	return run{phase, steps(f0), uint64(int64(float64((f1 - f0) / float64(n) * turn)))}
}

// end returns the phase of the last of n frames.
func (r run) end(n int) uint64 {
	k := uint64(n)
	return r.phase + k*r.step + k*(k+1)/2*r.bend
}

// steps returns turns, any number of them, as a phase.
func steps(turns float64) uint64 {
	return uint64(min(1<<53-1, float64((turns-math.Floor(turns))*(1<<53)))) << 11
}

// ends returns the frequencies of a voice at both ends of a stretch, in turns per
// frame.
func (v *voice) ends(from, to Controls) (f0, f1 float64) {
	return min(maxStep, float64(from.Frequency*v.ratio)), min(maxStep, float64(to.Frequency*v.ratio))
}

// mixer adds voices, one after the other, to two sides. Where these are the same
// the voices are added up first.
type mixer struct {
	left, right []float32
	sum         []float32 // of the voices, at first silent; nil: left and right differ
}

// add adds a voice.
func (m *mixer) add(x []float32, gl, gr float64) { m.fade(x, gl, gr, 0, 0) }

// fade adds a voice with gains that grow by dl and dr a frame.
func (m *mixer) fade(x []float32, gl, gr, dl, dr float64) {
	if m.sum != nil {
		vec.Add(m.sum, x, float32(gl), float32(dl))
		return
	}
	vec.Add(m.left, x, float32(gl), float32(dl))
	vec.Add(m.right, x, float32(gr), float32(dr))
}

// finish adds the sum and forgets it.
func (m *mixer) finish() {
	if m.sum != nil {
		vec.Sum(m.left, m.sum)
		vec.Sum(m.right, m.sum)
		clear(m.sum)
	}
}
