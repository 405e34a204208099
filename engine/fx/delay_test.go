package fx

import (
	"fmt"
	"math"
	"testing"

	"patchlab/engine/patch"
)

// TestDelayEchoes looks for echoes at their times and of their levels, on their sides,
// and for nothing else.
func TestDelayEchoes(t *testing.T) {
	t.Parallel()
	const seconds, feedback = 0.01, 0.6
	for _, rate := range sampleRates {
		for _, mode := range []string{"stereo", "ping_pong"} {
			x, y := make([]float32, int(rate)), make([]float32, int(rate))
			x[0], y[0] = 1, 0.5
			run(NewDelay(patch.Delay{Mode: mode, Mix: 0.5, Time: seconds, Sync: "off", Feedback: feedback, Damping: 20000}, 120, rate), x, y, maxFrames)
			near(t, mode+": dry left", float64(x[0]), 1, 1e-7)
			near(t, mode+": dry right", float64(y[0]), 0.5, 1e-7)
			x[0], y[0] = 0, 0
			frames := int(math.Round(seconds * rate))
			for k := 1; k < 8; k++ {
				wantLeft := math.Pow(feedback, float64(k-1))
				wantRight := wantLeft / 2
				if mode == "ping_pong" { // from the middle of both, left first
					wantLeft, wantRight = 0.75*wantLeft*float64(k%2), 0.75*wantLeft*float64(1-k%2)
				}
				near(t, fmt.Sprintf("%s: echo %d left", mode, k), float64(x[k*frames]), wantLeft, 0.006)
				near(t, fmt.Sprintf("%s: echo %d right", mode, k), float64(y[k*frames]), wantRight, 0.006)
				x[k*frames], y[k*frames] = 0, 0
			}
			if got := max(peak(x[:7*frames]), peak(y[:7*frames])); got > 0.003 { // the high-pass
				t.Errorf("%s at %g Hz: something of %g between the echoes", mode, rate, got)
			}
		}
	}
}

func peak(x []float32) float64 {
	top := 0.0
	for _, v := range x {
		top = max(top, math.Abs(float64(v)))
	}
	return top
}

// TestDelayTimes holds the first echo to come when it should.
func TestDelayTimes(t *testing.T) {
	t.Parallel()
	const rate = 22050
	for _, c := range []struct {
		sync        string
		time, tempo float64
		want        float64
	}{
		{"off", 0.001, 120, 0.001},
		{"off", 2, 120, 2},
		{"1/4", 0.3, 120, 0.5},
		{"1/8d", 0.3, 90, 0.5},
		{"1/4t", 0.3, 60, 2.0 / 3},
		{"1/32", 0.3, 300, 0.025},
		{"4/1", 0.3, 20, 4}, // and not 48
	} {
		left, _ := impulse(NewDelay(patch.Delay{Mode: "stereo", Mix: 1, Time: c.time, Sync: c.sync, Damping: 20000}, c.tempo, rate), 5*rate)
		at := 0
		for i, v := range left {
			if v > 0.5 {
				at = i
			}
		}
		near(t, fmt.Sprintf("%s at %g: time", c.sync, c.tempo), float64(at)/rate, c.want, 0.5/rate)
	}
}

// TestDelayDamping holds each echo to lose 3 dB more at the damping frequency, and
// little well below.
func TestDelayDamping(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		for _, damping := range []float64{200, 2000, 8000} {
			const seconds, feedback = 0.1, 0.5
			left, _ := impulse(NewDelay(patch.Delay{Mode: "stereo", Mix: 1, Time: seconds, Sync: "off", Feedback: feedback, Damping: damping}, 120, rate), int(rate))
			frames := int(math.Round(seconds * rate))
			for k := 1; k < 4; k++ {
				echo := left[k*frames:][:frames]
				level := dB(math.Pow(feedback, float64(k-1)))
				near(t, fmt.Sprintf("%g Hz: echo %d at the corner", damping, k), dB(gainAt(echo, damping/rate))-level, -3.01*float64(k), 0.1)
				if damping > rate/10 { // where a digital one-pole is not quite the analogue one
					continue
				}
				near(t, fmt.Sprintf("%g Hz: echo %d below it", damping, k), dB(gainAt(echo, 0.3*damping/rate))-level, -0.37*float64(k), 0.25)
			}
		}
	}
}

// TestDelayMix holds the dry sound to be whole up to the middle, and the echoes from
// there on.
func TestDelayMix(t *testing.T) {
	t.Parallel()
	for mix, want := range map[float64][2]float64{0.1: {1, 0.2}, 0.5: {1, 1}, 0.75: {0.5, 1}, 1: {0, 1}} {
		left, _ := impulse(NewDelay(patch.Delay{Mode: "stereo", Mix: mix, Time: 0.01, Sync: "off", Damping: 20000}, 120, 48000), 1000)
		near(t, fmt.Sprintf("mix %g: dry", mix), float64(left[0]), want[0], 1e-6)
		near(t, fmt.Sprintf("mix %g: echo", mix), float64(left[480]), want[1], 1e-6)
	}
}

// TestDelayPilesUpNoOffset holds a constant input not to grow, where without the
// high-pass it would twentyfold.
func TestDelayPilesUpNoOffset(t *testing.T) {
	t.Parallel()
	const rate = 22050
	for _, mode := range []string{"stereo", "ping_pong"} {
		left, right := make([]float32, 20*rate), make([]float32, 20*rate)
		for i := range left {
			left[i], right[i] = 1, 1
		}
		run(NewDelay(patch.Delay{Mode: mode, Mix: 1, Time: 0.05, Sync: "off", Feedback: 0.95, Damping: 20000}, 120, rate), left, right, maxFrames)
		near(t, mode+": the echo of 1", float64(left[len(left)-1]), 1, 0.01)
	}
}

func BenchmarkDelay(b *testing.B) {
	for _, mode := range []string{"stereo", "ping_pong"} {
		b.Run(mode, func(b *testing.B) {
			benchmark(b, NewDelay(patch.Delay{Mode: mode, Mix: 0.5, Time: 0.3, Sync: "off", Feedback: 0.4, Damping: 8000}, 120, 48000))
		})
	}
}
