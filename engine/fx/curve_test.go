package fx

import (
	"math"
	"testing"
)

// TestTanh holds the table of tanh to the library's, and its integrals to fine sums.
func TestTanh(t *testing.T) {
	t.Parallel()
	nodes := tanhTable()
	sum, from := 0.0, 0.0
	const parts = 200
	for to := 0.00717; to <= 14; to += 0.0717 {
		if got := tanhAt(nodes, to); math.Abs(got.value-math.Tanh(to)) > 1e-6 || tanhAt(nodes, -to).value != -got.value || math.Abs(got.aside-1+math.Tanh(to)*math.Tanh(to)) > 3e-6 {
			t.Errorf("tanh(%g) = %.12g, want %.12g", to, got.value, math.Tanh(to))
		}
		for i := range parts { // midpoints
			sum += math.Log(math.Cosh(from+(to-from)*(float64(i)+0.5)/parts)) * (to - from) / parts
		}
		from = to
		first, second := nodes.integrals(to)
		mirrored, turned := nodes.integrals(-to)
		if math.Abs(first-math.Log(math.Cosh(to))) > 1e-8 || math.Abs(second-sum) > 1e-6 || mirrored != first || turned != -second {
			t.Errorf("integrals at %g: %.10g, %.10g, want %.10g, %.10g", to, first, second, math.Log(math.Cosh(to)), sum)
		}
	}
}

// TestMeans compares the means of a way with sums, short and long, also across the ends of
// a clip.
func TestMeans(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]kind{"clip": clip, "fold": fold, "tanh": tanh} {
		for _, way := range [][2]float64{{0, 0}, {0.3, 0.42}, {-0.06, 0.06}, {0.1, 0.2}, {-1, 0.5}, {0.9, 1.1}, {-0.4, 1.2}, {2, 2.001}, {-3, 20}, {14, 13}, {-9000, -8000}, {0.2, 0.2005}} {
			var mean, late float64
			const parts = 20000
			for i := range parts {
				u := (float64(i) + 0.5) / parts
				y := c.at(way[0] + (way[1]-way[0])*u).value
				mean += y / parts
				late += u * y / parts
			}
			gotMean, gotLate := c.means(c.at(way[0]), c.at(way[1]))
			if math.Abs(gotMean-mean) > 1e-5 || math.Abs(gotLate-late) > 1e-5 {
				t.Errorf("%s from %g to %g: %g and %g, want %g and %g", name, way[0], way[1], gotMean, gotLate, mean, late)
			}
		}
	}
}
