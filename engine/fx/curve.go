package fx

import (
	"math"
	"sync"

	"patchlab/engine/dmath"
)

// smoother sends a signal through a curve by second-order antiderivative anti-aliasing:
// what comes out is the mean of what the curve makes of the straight line through the
// samples, weighted by a triangle over two steps (Bilbao, Esqueda, Parker and Välimäki,
// "Antiderivative antialiasing for memoryless nonlinearities", 2017).
type smoother struct {
	gain    float64 // before the curve
	kind    kind
	last    point
	falling float64 // what the last sample leaves for the next
}

type kind int

const (
	tanh kind = iota
	clip      // a straight line that ends at ±1
	fold      // a sine that comes to 1 at 1
)

// point is a curve at a place. aside is what else its integrals and its slope are made
// of: of tanh 1 − value², of fold the cosine.
type point struct{ x, value, aside float64 }

// at returns the point at x.
func (k kind) at(x float64) point {
	switch k {
	case clip:
		return clipAt(x)
	case fold:
		return foldAt(x)
	default:
		return tanhAt(tanhTable(), x)
	}
}

// means returns the mean of the curve on the straight way between two points, and that
// weighted by the part of the way that has been gone. On a long way they are made from
// the differences of its antiderivatives.
func (k kind) means(from, to point) (mean, late float64) {
	switch k {
	case clip:
		return clipMeans(from, to)
	case fold:
		return foldMeans(from, to)
	default:
		return tanhMeans(tanhTable(), from, to)
	}
}

func newSmoother(k kind, gain float64) *smoother {
	return &smoother{gain: gain, kind: k, last: k.at(0)}
}

// start lets the signal have stood at x.
func (s *smoother) start(x float64) {
	s.last = s.kind.at(float64(s.gain * x))
	s.falling = float64(0.5 * s.last.value)
}

// process sets the phases dst to what the phases src are bent to.
func (s *smoother) process(dst, src *[4][]float32) {
	last, falling := s.last, s.falling
	nodes := tanhTable()
	for i := range dst[0] {
		for k := range dst {
			x := s.reach(src[k][i])
			var to point
			var mean, late float64
			switch s.kind {
			case clip:
				to = clipAt(x)
				mean, late = clipMeans(last, to)
			case fold:
				to = foldAt(x)
				mean, late = foldMeans(last, to)
			default:
				to = tanhAt(nodes, x)
				mean, late = tanhMeans(nodes, last, to)
			}
			dst[k][i] = float32(falling + (mean - late))
			last, falling = to, late
		}
	}
	s.last, s.falling = last, falling
}

// farthest bounds what goes into a curve, so that its integrals stay exact.
const farthest = 1e4

// reach returns where a sample comes to.
func (s *smoother) reach(sample float32) float64 {
	x := float64(s.gain * float64(sample))
	if x > farthest {
		return farthest
	} else if x < -farthest {
		return -farthest
	}
	return x
}

// differences returns the means of a long way from the antiderivatives at both ends.
func differences(way, first0, second0, first1, second1 float64) (mean, late float64) {
	step := 1 / way
	mean = float64((first1 - first0) * step)
	late = float64((first1 - float64((second1-second0)*step)) * step)
	return mean, late
}

func clipAt(x float64) point {
	switch {
	case x > 1:
		return point{x: x, value: 1}
	case x < -1:
		return point{x: x, value: -1}
	default:
		return point{x: x, value: x}
	}
}

func clipMeans(from, to point) (mean, late float64) {
	a, b := from.x, to.x
	switch {
	case a == from.value && b == to.value: // within the straight line
		return float64(0.5 * (a + b)), float64(a*(1.0/6)) + float64(b*(1.0/3))
	case a >= 1 && b >= 1:
		return 1, 0.5
	case a <= -1 && b <= -1:
		return -1, -0.5
	}
	way := b - a
	if way < 1e-3 && way > -1e-3 { // a corner within so short a way does not matter
		mean = float64(0.5 * (from.value + to.value))
		return mean, float64(0.5 * mean)
	}
	first0, second0 := clipIntegrals(a)
	first1, second1 := clipIntegrals(b)
	return differences(way, first0, second0, first1, second1)
}

func clipIntegrals(x float64) (first, second float64) {
	y := float64(x * x)
	switch {
	case x > 1:
		return x - 0.5, float64(0.5*y) - float64(0.5*x) + 1.0/6
	case x < -1:
		return -x - 0.5, -float64(0.5*y) - float64(0.5*x) - 1.0/6
	default:
		return float64(0.5 * y), float64(float64(y*x) * (1.0 / 6))
	}
}

func foldAt(x float64) point {
	return point{x, dmath.SinTurns(float64(0.25 * x)), dmath.CosTurns(float64(0.25 * x))}
}

func foldMeans(from, to point) (mean, late float64) {
	way := to.x - from.x
	if way < 1e-3 && way > -1e-3 {
		return float64(0.5 * (from.value + to.value)), float64(from.value*(1.0/6)) + float64(to.value*(1.0/3))
	}
	const k = 2 / dmath.Pi
	return differences(way, float64(-k*from.aside), float64(-k*k*from.value), float64(-k*to.aside), float64(-k*k*to.value))
}

// The nodes from which tanh and its integrals are reckoned: within 1e-6 and 1e-9.
const (
	tanhNodes = 64 // in 1
	tanhFlat  = 12 // where the integral of tanh is a straight line
	// tanhArea is π²/24: what the second integral of tanh comes to over its parabola.
	tanhArea = dmath.Pi * dmath.Pi / 24
)

// tanhNodeTable holds tanh at the nodes with its slope, and its integrals.
type tanhNodeTable struct {
	value    [tanhFlat*tanhNodes + 1][2]float64
	integral [tanhFlat*tanhNodes + 1][2]float64
}

// tanhAt is tanh by the start of its Taylor series from the nearest node.
func tanhAt(nodes *tanhNodeTable, x float64) point {
	size := x
	if x < 0 {
		size = -x
	}
	value := 1.0
	if size < tanhFlat {
		i := int(float64(size*tanhNodes) + 0.5)
		n := &nodes.value[i]
		e := size - float64(float64(i)*(1.0/tanhNodes))
		value = n[0] + float64(float64(e*n[1])*(1-float64(e*n[0])))
	}
	if x < 0 {
		value = -value
	}
	return point{x, value, 1 - float64(value*value)}
}

func tanhMeans(nodes *tanhNodeTable, from, to point) (mean, late float64) {
	way := to.x - from.x
	if way < 0.125 && way > -0.125 { // by the cubic with the values and slopes of both ends
		a, b, da, db := from.value, to.value, float64(way*from.aside), float64(way*to.aside)
		mean = float64(0.5*(a+b)) + float64((da-db)*(1.0/12))
		late = (float64(a*(3.0/20)) + float64(b*(7.0/20))) + (float64(da*(1.0/30)) - float64(db*(1.0/20)))
		return mean, late
	}
	if from.x >= tanhFlat && to.x >= tanhFlat {
		return 1, 0.5
	}
	if from.x <= -tanhFlat && to.x <= -tanhFlat {
		return -1, -0.5
	}
	first0, second0 := nodes.integrals(from.x)
	first1, second1 := nodes.integrals(to.x)
	return differences(way, first0, second0, first1, second1)
}

func (nodes *tanhNodeTable) integrals(x float64) (first, second float64) {
	size := math.Abs(x)
	if size >= tanhFlat {
		second = float64(size*(float64(0.5*size)-math.Ln2)) + tanhArea
		return size - math.Ln2, math.Copysign(second, x)
	}
	i := int(float64(size*tanhNodes) + 0.5)
	v, n := &nodes.value[i], &nodes.integral[i]
	e := size - float64(float64(i)*(1.0/tanhNodes))
	half := float64(0.5 * e)
	first = n[0] + float64(e*(v[0]+float64(float64(half*v[1])*(1-float64(float64(e*v[0])*(2.0/3))))))
	second = n[1] + float64(e*(n[0]+float64(half*(v[0]+float64(float64(e*v[1])*(1.0/3))))))
	return first, math.Copysign(second, x)
}

// tanhTable computes the nodes once; they are only read.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var tanhTable = sync.OnceValue(func() *tanhNodeTable {
	const h = 1.0 / tanhNodes
	nodes := new(tanhNodeTable)
	sum := 0.0 // of the first integral, by trapezia
	for i := range nodes.value {
		x := float64(float64(i) * h)
		// tanh x = (1 − z)/(1 + z) and ln cosh x = x + ln((1 + z)/2) with z = e^(−2x).
		z := dmath.Exp2(float64(-2 / math.Ln2 * x))
		value := (1 - z) / (1 + z)
		slope := 1 - float64(value*value)
		first := x + float64(math.Ln2*(dmath.Log2(1+z)-1))
		if i > 0 {
			sum += float64(0.5 * h * (nodes.integral[i-1][0] + first))
		}
		// Euler and Maclaurin: what the trapezia have too much.
		second := sum - float64(h*h/12*value) - float64(h*h*h*h/360*float64(value*slope))
		nodes.value[i], nodes.integral[i] = [2]float64{value, slope}, [2]float64{first, second}
	}
	return nodes
})
