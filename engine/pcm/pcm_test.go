package pcm

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// values reads back what Quantize wrote.
func values(b []byte, bits int) []float64 {
	out := make([]float64, len(b)/Bytes(bits))
	for i := range out {
		switch bits {
		case 16:
			out[i] = float64(int16(binary.LittleEndian.Uint16(b[2*i:])))
		case 24:
			out[i] = float64(int32(uint32(b[3*i])<<8|uint32(b[3*i+1])<<16|uint32(b[3*i+2])<<24) >> 8)
		default:
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		}
	}
	return out
}

func constant(n int, x float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = x
	}
	return s
}

func TestSilenceStaysSilent(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{16, 24, 32} {
		b := bytes.Repeat([]byte{0xaa}, 1000*Bytes(bits))
		Quantize(b, make([]float32, 1000), bits, 7, 0)
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%d bits: silence has noise in it", bits)
		}
	}
}

func TestFloatIsExact(t *testing.T) {
	t.Parallel()
	in := []float32{0, 1, -1, 0.1, math.SmallestNonzeroFloat32, -0.33333}
	b := make([]byte, 4*len(in))
	Quantize(b, in, 32, 1, 0)
	for i, v := range values(b, 32) {
		if float32(v) != in[i] {
			t.Errorf("%g became %g", in[i], v)
		}
	}
}

// TestDitherIsTriangular measures the error of a constant: without bias, with the
// variance of rounding and two uniform steps together, and at any place between
// two steps the same (which is what triangular dither is for).
func TestDitherIsTriangular(t *testing.T) {
	t.Parallel()
	const n = 400_000
	for _, bits := range []int{16, 24} {
		step := math.Ldexp(1, 1-bits)
		for _, place := range []float64{0, 0.25, 0.5, 0.8} {
			x := float32((100 + place) * step)
			b := make([]byte, n*Bytes(bits))
			Quantize(b, constant(n, x), bits, 42, 0)
			mean, square := 0.0, 0.0
			count := map[float64]int{}
			for _, v := range values(b, bits) {
				e := v - float64(x)/step
				mean += e / n
				square += e * e / n
				count[v]++
			}
			if math.Abs(mean) > 0.005 {
				t.Errorf("%d bits at %g: mean error %g steps", bits, place, mean)
			}
			if math.Abs(square-0.25) > 0.01 { // 1/12 + 2/12
				t.Errorf("%d bits at %g: error power %g steps², want 0.25", bits, place, square)
			}
			if place == 0 { // the triangle's areas beyond half a step, and within
				for v, want := range map[float64]float64{99: 0.125, 100: 0.75, 101: 0.125} {
					if got := float64(count[v]) / n; math.Abs(got-want) > 0.01 {
						t.Errorf("%d bits: share of %g is %g, want %g", bits, v, got, want)
					}
				}
			}
		}
	}
}

func TestPiecesMakeTheWhole(t *testing.T) {
	t.Parallel()
	in := make([]float32, 1000)
	for i := range in {
		in[i] = float32(math.Sin(float64(i))) * 0.7
	}
	for _, bits := range []int{16, 24, 32} {
		size := Bytes(bits)
		whole := make([]byte, len(in)*size)
		Quantize(whole, in, bits, 3, 0)
		pieces := make([]byte, 0, len(whole))
		for at := 0; at < len(in); at += 77 {
			part := in[at:min(len(in), at+77)]
			b := make([]byte, len(part)*size)
			Quantize(b, part, bits, 3, int64(at))
			pieces = append(pieces, b...)
		}
		if !bytes.Equal(whole, pieces) {
			t.Errorf("%d bits: pieces differ from the whole", bits)
		}
	}
}

func TestFullScale(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	for _, bits := range []int{16, 24} {
		full := math.Ldexp(1, bits-1)
		b := make([]byte, 300*Bytes(bits))
		Quantize(b, append(append(constant(100, 1.5), constant(100, -1.5)...), constant(100, nan)...), bits, 1, 0)
		for i, v := range values(b, bits) {
			if want := []float64{full - 1, -full, 0}[i/100]; v != want {
				t.Fatalf("%d bits: sample %d is %g, want %g", bits, i, v, want)
			}
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	var out [2][200]byte
	for i := range out {
		Quantize(out[i][:], constant(100, 0.1), 16, uint32(i), 0)
	}
	if out[0] == out[1] {
		t.Error("two seeds give the same dither")
	}
}
