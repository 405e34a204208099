package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// lengths are those of blocks, whole and with every kind of rest.
func lengths() []int { return []int{0, 1, 3, 4, 7, 8, 9, 31, 32, 33, 100, 250, 256} }

// source makes blocks of numbers of all sizes, with zeros among them.
type source struct{ *rand.Rand }

func (s source) block(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch s.IntN(20) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = float32(s.NormFloat64() * 100)
		default:
			x[i] = float32(s.NormFloat64() * 0.4)
		}
	}
	return x
}

// same holds two results to the same bits.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: %g at %d, want %g", what, got[i], i, want[i])
		}
	}
}

// each runs a test for every length, with random numbers of its own.
func each(t *testing.T, f func(t *testing.T, s source, n int)) {
	t.Helper()
	t.Parallel()
	for _, n := range lengths() {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				f(t, source{rand.New(rand.NewPCG(seed, uint64(n)))}, n)
			}
		})
	}
}

// TestSameBits holds what this build uses to the bits of the plain loops. In a build
// without vector instructions both are the same code; TestGoldenWithVectors in
// engine/gates runs it in one with them.
func TestSameBits(t *testing.T) {
	t.Parallel()
	// Each gets two blocks of the same numbers, and changes one by what the build uses
	// and one by the plain loop.
	for name, f := range map[string]func(s source, n int, fast, plain []float32){
		"Saturation": func(s source, _ int, fast, plain []float32) {
			bend := NewSaturation(1 + s.Float64()*3)
			if len(fast) > 2 { // right at the end of the curve
				fast[0], fast[1], fast[2] = bend.most, math.Nextafter32(bend.most, 9), -math.Nextafter32(bend.most, 9)
				copy(plain, fast[:3])
			}
			bend.Process(fast, fast)
			bend.plain(plain, plain)
		},
		"Add": func(s source, n int, fast, plain []float32) {
			x := s.block(n)
			Add(fast, x, 0.3, 0.001)
			addPlain(plain, x, 1, 0.3, 0.001)
		},
		"Cubic": func(s source, n int, fast, plain []float32) {
			x := s.block(n + 3)
			Cubic(fast, x, 0.3, 0.001)
			cubicPlain(plain, x, 0, 0.3, 0.001)
		},
		"Sum": func(s source, n int, fast, plain []float32) {
			x := s.block(n)
			Sum(fast, x)
			sumPlain(plain, x)
		},
		"Mix": func(s source, n int, fast, plain []float32) {
			x := s.block(n)
			Mix(fast, x, 0.3, 0.7)
			mixPlain(plain, x, 0.3, 0.7)
		},
		"Blend": func(s source, n int, fast, plain []float32) {
			in, w := s.block(n), &Wet{DryGain: 0.9, Gain: -0.4, InGain: 0.2}
			for k := range w.Rows {
				w.Rows[k] = (*[MaxBlock]float32)(s.block(MaxBlock))
			}
			Blend(fast, in, w)
			blendPlain(plain, in, w, 0)
		},
		"Scale": func(_ source, _ int, fast, plain []float32) {
			Scale(fast, 0.77)
			scalePlain(plain, 0.77)
		},
		"Offset": func(s source, n int, fast, plain []float32) {
			x := s.block(n)
			Offset(fast, x, Tiny)
			offsetPlain(plain, x, Tiny)
		},
		"Noise": func(s source, _ int, fast, plain []float32) {
			key, at := s.Uint32(), s.Uint32()
			Noise(fast, key, at, 0.4)
			noisePlain(plain, key, at, 0.4)
		},
		"Interleave": func(s source, n int, fast, plain []float32) {
			l, r := s.block(n), s.block(n)
			a, b := make([]float32, 2*n), make([]float32, 2*n)
			Interleave(a, l, r)
			interleavePlain(b, l, r)
			copy(fast, a[n:])
			copy(plain, b[n:])
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s source, n int) {
				fast := s.block(n)
				plain := slices.Clone(fast)
				f(s, n, fast, plain)
				same(t, name, fast, plain)
			})
		})
	}
}

func TestFiltersHaveTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		var outer [Outer]Tap
		for j := range outer {
			v := float32(s.NormFloat64())
			outer[j] = Tap{v, v, v, v, v, v, v, v}
		}
		inner := (*[Inner]Tap)(outer[:])
		x, even, odd := s.block(n+2*Outer-1), s.block(n+Inner-1), s.block(n+Inner)
		for _, centre := range [][]float32{nil, s.block(n)} {
			got, want := make([]float32, n), make([]float32, n)
			Symmetric(got, centre, 0.5, x, &outer)
			symmetricPlain(want, centre, 0.5, x, &outer)
			same(t, "Symmetric", got, want)
			short := outer
			short[Outer-2], short[Outer-1] = Tap{}, Tap{}
			Symmetric(got, centre, 0.5, x, &short)
			symmetricPlain(want, centre, 0.5, x, &short)
			same(t, "Symmetric of ten pairs", got, want)
			got1, want1 := make([]float32, n), make([]float32, n)
			Crossed(got, got1, centre, centre, 0.5, even, odd, inner)
			crossedPlain(want, want1, centre, centre, 0.5, even, odd, inner)
			same(t, "Crossed, first", got, want)
			same(t, "Crossed, second", got1, want1)
		}
	})
}

func TestDiffuseHasTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		for _, delays := range [][AllPasses]int{{LeastDelay, 13, 300, 9}, {100, LeastDelay, LeastDelay, 17}} {
			a, b := Diffusion{Gain: 0.6}, Diffusion{Gain: 0.6}
			var memory, later [AllPasses][]float32
			for k, delay := range delays {
				memory[k] = s.block(n + delay)
				later[k] = slices.Clone(memory[k])
				a.Old[k], a.Next[k] = memory[k], memory[k][delay:]
				b.Old[k], b.Next[k] = later[k], later[k][delay:]
			}
			x := s.block(n)
			got, want := make([]float32, n), make([]float32, n)
			Diffuse(got, x, &a)
			diffusePlain(want, x, &b)
			same(t, "output", got, want)
			for k := range memory {
				same(t, "memory", memory[k], later[k])
			}
		}
	})
}

func TestResidualHasTheSameBits(t *testing.T) {
	t.Parallel()
	s := source{rand.New(rand.NewPCG(1, 2))}
	for range 100 {
		a, b := (*[Taps]float32)(s.block(Taps)), (*[Taps]float32)(s.block(Taps))
		left, right := (*[Taps]float32)(s.block(Taps)), (*[Taps]float32)(s.block(Taps))
		l, r := *left, *right
		Residual(left, right, a, b, 0.3, 0.7, -0.2)
		residualPlain(&l, &r, a, b, 0.3, 0.7, -0.2)
		same(t, "left", left[:], l[:])
		same(t, "right", right[:], r[:])
	}
}

func TestQuantizeHasTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		x := s.block(n)
		if n > 8 {
			copy(x, []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1)), 1, -1, -1 - 1.0/(1<<22), 1 - 1.0/(1<<24), -1 + 1.0/(1<<24), float32(math.Inf(-1))})
		}
		for _, full := range []float32{1 << 15, 1 << 23} {
			key, at := s.Uint32(), s.Uint32()
			got, want := make([]int32, n), make([]int32, n)
			Quantize(got, x, full, key, at)
			quantizePlain(want, x, full, key, at)
			if !slices.Equal(got, want) {
				t.Fatalf("of %v: %v, want %v", x, got, want)
			}
			packed, plain := make([]byte, 3*n), make([]byte, 3*n)
			Pack24(packed, got)
			pack24Plain(plain, want)
			if !slices.Equal(packed, plain) {
				t.Fatalf("%x, want %x", packed, plain)
			}
		}
	})
}

func TestSumsHaveTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		x := s.block(5 * n)
		even, odd := Sums(x)
		e, o := sumsPlain(x)
		if even != e || odd != o || Peak(x) != peakPlain(x) {
			t.Fatalf("%g, %g, %g, want %g, %g, %g", even, odd, Peak(x), e, o, peakPlain(x))
		}
		if n > 0 {
			x[s.IntN(len(x))] = float32(math.NaN())
		}
		lo, hi := Range(x, 0.25, -0.25)
		if l, h := rangePlain(x, 0.25, -0.25); lo != l || hi != h {
			t.Fatalf("%g to %g, want %g to %g", lo, hi, l, h)
		}
	})
}

func TestSVFHasTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		left, right := s.block(n), s.block(n)
		var state State
		for k := range state.S1 {
			state.S1[k], state.S2[k], state.Between[k] = s.NormFloat64(), s.NormFloat64(), s.NormFloat64()
		}
		c := Sections{Both(0.9, 0.8), Both(0.05, 0.1), Both(0.001, 0.01)}
		d := Sections{Both(1e-5, -1e-5), Both(1e-5, 1e-5), Both(1e-6, 0)}
		for i, two := range []bool{false, true, true} {
			r := Response{In: Both(1, 0), HalfV1: Both(-0.5, 0.2), HalfV2: Both(-0.5, 0.5)}
			if i == 2 {
				r = LowPass()
			}
			l, q, then := slices.Clone(left), slices.Clone(right), state
			a, b, now := slices.Clone(left), slices.Clone(right), state
			SVF(l, q, &then, &c, &d, &r, two)
			svfPlain(a, b, &now, &c, &d, &r, two)
			same(t, "left", l, a)
			same(t, "right", q, b)
			alone, mono := slices.Clone(left), state
			SVF(alone, nil, &mono, &c, &d, &r, two)
			same(t, "mono", alone, a)
			lanes := 2
			if two {
				lanes = 4
			}
			if !slices.Equal(then.S1[:lanes], now.S1[:lanes]) || !slices.Equal(then.S2[:lanes], now.S2[:lanes]) || two && !slices.Equal(then.Between[:2], now.Between[:2]) {
				t.Fatalf("state %v, want %v", then, now)
			}
		}
	})
}

func TestNetworkHasTheSameBits(t *testing.T) {
	each(t, func(t *testing.T, s source, n int) {
		fast := new(Network)
		for k := range fast.From {
			fast.Gain[k], fast.Damp[k], fast.Memory[k] = 0.2, s.Float32(), s.Float32()
			fast.From[k], fast.To[k] = new([MaxBlock]float32), new([MaxBlock]float32)
			copy(fast.From[k][:], s.block(n))
		}
		plain := new(Network)
		*plain = *fast
		for k, block := range fast.From {
			same := *block
			plain.From[k], plain.To[k] = &same, new([MaxBlock]float32)
		}
		inL, inR := s.block(n), s.block(n)
		fast.Process(inL, inR)
		plain.processPlain(inL, inR)
		for k := range fast.To {
			same(t, "line", fast.To[k][:n], plain.To[k][:n])
		}
		same(t, "memory", fast.Memory[:], plain.Memory[:])
	})
}

// TestSaturation holds the approximation of tanh to 1e-4, to be odd, and to 1 at most.
func TestSaturation(t *testing.T) {
	t.Parallel()
	for _, drive := range []float64{1, 1.5, 4} {
		bend := NewSaturation(drive)
		for i := -8000; i <= 8000; i++ {
			u := float32(i) / 1000
			x := []float32{u, -u}
			bend.Process(x, x)
			if y := x[0] * bend.Unit; math.Abs(float64(y)-math.Tanh(drive*float64(u))) > 1e-4 || x[0] != -x[1] || y > 1+1e-6 {
				t.Fatalf("tanh(%g·%g) = %g, tanh(−) = %g", drive, u, y, x[1]*bend.Unit)
			}
		}
	}
}

// TestNoise holds the noise to be white: mean, power and correlation of neighbours and
// of two keys are those of chance.
func TestNoise(t *testing.T) {
	t.Parallel()
	const n = 1 << 16
	x, y := make([]float32, n), make([]float32, n)
	Noise(x, 1, 0, 1)
	Noise(y, 2, 0, 1)
	var mean, power, next, cross float64
	for i := range n - 1 {
		a := float64(x[i])
		mean += a / n
		power += a * a / n
		next += a * float64(x[i+1]) / n
		cross += a * float64(y[i]) / n
		if math.Abs(a) > 1 {
			t.Fatalf("%g", a)
		}
	}
	for what, v := range map[string]float64{"mean": mean, "power": power - 1.0/3, "neighbours": next, "keys": cross} {
		if math.Abs(v) > 0.01 {
			t.Errorf("%s: off by %g", what, v)
		}
	}
}
