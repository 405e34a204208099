package fx

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"patchlab/engine/patch"
)

// effect is what all stereo effects have in common.
type effect interface {
	Process(left, right []float32)
}

// sampleRates are those of patch.Output.
var sampleRates = []float64{22050, 44100, 48000, 96000}

// typical returns one of each effect, with everything on.
func typical(rate float64) map[string]effect {
	return map[string]effect{
		"eq":         NewEQ(patch.EQ{LowGain: 6, LowFreq: 120, MidGain: -9, MidFreq: 1000, MidQ: 3, HighGain: 4, HighFreq: 6000}, rate),
		"compressor": NewCompressor(patch.Compressor{Threshold: -30, Ratio: 6, Knee: 6, Attack: 0.002, Release: 0.05, Gain: 6}, rate),
		"chorus":     NewChorus(patch.Chorus{Mix: 0.5, Rate: 3.3, Depth: 1}, rate),
		"flanger":    NewFlanger(patch.Flanger{Mix: 0.5, Rate: 2.1, Depth: 1, Feedback: -0.8}, rate),
		"phaser":     NewPhaser(patch.Phaser{Mix: 0.5, Rate: 1.7, Depth: 1, Feedback: 0.8, Frequency: 900, Stages: 8}, rate),
		"delay":      NewDelay(patch.Delay{Mode: "stereo", Mix: 0.5, Time: 0.0123, Sync: "off", Feedback: 0.8, Damping: 6000}, 120, rate),
		"ping-pong":  NewDelay(patch.Delay{Mode: "ping_pong", Mix: 0.4, Time: 0.0456, Sync: "off", Feedback: 0.8, Damping: 6000}, 120, rate),
		"limiter":    NewLimiter(patch.Limiter{Mode: "on", Gain: 9, Ceiling: -3, Release: 0.02}, rate),
	}
}

// noise is a small generator of test noise, uniform within ±1.
type noise uint32

func (n *noise) fill(x []float32, gain float32) {
	for i := range x {
		*n = *n*1664525 + 1013904223
		x[i] = gain * float32(int32(*n)) / (1 << 31)
	}
}

// run processes left and right in pieces of the given sizes, in turn.
func run(e effect, left, right []float32, sizes ...int) {
	for k := 0; len(left) > 0; k++ {
		n := min(len(left), sizes[k%len(sizes)])
		e.Process(left[:n], right[:n])
		left, right = left[n:], right[n:]
	}
}

// stereoNoise returns n frames of noise, different on each side.
func stereoNoise(n int, gain float32) (left, right []float32) {
	left, right = make([]float32, n), make([]float32, n)
	a, b := noise(1), noise(2)
	a.fill(left, gain)
	b.fill(right, gain)
	return left, right
}

// impulse returns the response of both sides to one sample of 1 on both.
func impulse(e effect, n int) (left, right []float32) {
	left, right = make([]float32, n), make([]float32, n)
	left[0], right[0] = 1, 1
	run(e, left, right, maxFrames)
	return left, right
}

// gainAt returns the gain of an impulse response at f, in turns per frame.
func gainAt(response []float32, f float64) float64 {
	var sum complex128
	turn, step := complex(1, 0), cmplx.Exp(complex(0, -2*math.Pi*f))
	for _, v := range response {
		sum += complex(float64(v), 0) * turn
		turn *= step
	}
	return cmplx.Abs(sum)
}

func dB(gain float64) float64 { return 20 * math.Log10(gain) }

func power(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum / float64(max(1, len(x)))
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) { // NaN too
		t.Errorf("%s is %.6g, want %.6g ± %.3g", what, got, want, tolerance)
	}
}

// TestCutsChangeNoBit holds the result to be the same however the signal is cut.
func TestCutsChangeNoBit(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		other := typical(rate)
		for name, e := range typical(rate) {
			l1, r1 := stereoNoise(9000, 0.5)
			l2, r2 := stereoNoise(9000, 0.5)
			clear(l1[6000:])
			clear(r1[6000:])
			clear(l2[6000:])
			clear(r2[6000:])
			run(e, l1, r1, maxFrames)
			run(other[name], l2, r2, 1, 37, 256, 5, 129, 64, 16, 255)
			for i := range l1 {
				if l1[i] != l2[i] || r1[i] != r2[i] {
					t.Errorf("%s at %g Hz: frame %d: %g, %g and %g, %g", name, rate, i, l1[i], r1[i], l2[i], r2[i])
					break
				}
			}
		}
	}
}

// TestSidesMoveApartOnlyWhereTheyShould holds the effects that do not move to give the
// same on both sides, and the others not to.
func TestSidesMoveApartOnlyWhereTheyShould(t *testing.T) {
	t.Parallel()
	same := map[string]bool{"eq": true, "compressor": true, "delay": true, "limiter": true}
	for name, e := range typical(48000) {
		left, _ := stereoNoise(20000, 0.5)
		right := append([]float32(nil), left...)
		run(e, left, right, maxFrames)
		apart := 0.0
		for i := range left {
			apart += math.Pow(float64(left[i]-right[i]), 2)
		}
		apart /= power(left) * float64(len(left))
		if same[name] && apart != 0 || !same[name] && apart < 0.05 {
			t.Errorf("%s: the sides differ by %g of their power", name, apart)
		}
	}
}

// corners returns every effect at the ends of its parameters' ranges.
func corners(rate float64) map[string]effect {
	found := map[string]effect{}
	pick := func(bits, k int, lo, hi float64) float64 {
		if bits>>k&1 == 0 {
			return lo
		}
		return hi
	}
	for b := range 64 {
		p := func(k int, lo, hi float64) float64 { return pick(b, k, lo, hi) }
		add := func(name string, e effect) { found[fmt.Sprintf("%s %06b", name, b)] = e }
		add("eq", NewEQ(patch.EQ{
			LowGain: p(0, -24, 24), LowFreq: p(1, 20, 2000), MidGain: p(2, -24, 24), MidFreq: p(3, 40, 16000),
			MidQ: p(4, 0.2, 20), HighGain: p(0, -24, 24), HighFreq: p(5, 500, 18000),
		}, rate))
		add("compressor", NewCompressor(patch.Compressor{
			Threshold: p(0, -60, 0), Ratio: p(1, 1.01, 50), Knee: p(2, 0, 24), Attack: p(3, 0.0001, 1), Release: p(4, 0.005, 5), Gain: p(5, -24, 24),
		}, rate))
		add("limiter", NewLimiter(patch.Limiter{Mode: "on", Gain: p(0, 0, 36), Ceiling: p(1, -24, 0), Release: p(2, 0.005, 2)}, rate))
		add("phaser", NewPhaser(patch.Phaser{
			Mix: p(0, 0.01, 1), Rate: p(1, 0.01, 10), Depth: p(2, 0, 1), Feedback: p(3, -0.95, 0.95), Frequency: p(4, 50, 8000), Stages: int(p(5, 2, 12)),
		}, rate))
		add("delay", NewDelay(patch.Delay{
			Mode: []string{"stereo", "ping_pong"}[b&1], Mix: p(1, 0.01, 1), Time: p(2, 0.001, 0.1), Sync: "off", Feedback: p(3, 0, 0.95), Damping: p(4, 200, 20000),
		}, 120, rate))
		add("flanger", NewFlanger(patch.Flanger{Mix: p(0, 0.01, 1), Rate: p(1, 0.01, 10), Depth: p(2, 0, 1), Feedback: p(3, -0.95, 0.95)}, rate))
		add("chorus", NewChorus(patch.Chorus{Mix: p(0, 0.01, 1), Rate: p(1, 0.01, 10), Depth: p(2, 0, 1)}, rate))
	}
	return found
}

// TestCornersStayFinite sends what is loud, and then silence, through every effect
// at the ends of its ranges.
func TestCornersStayFinite(t *testing.T) {
	t.Parallel()
	for _, rate := range sampleRates {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			// A square wave of full scale and more, noise, and silence.
			const loud, silent = 8000, 24000
			inL, inR := stereoNoise(loud+silent, 16)
			for i := range loud / 2 {
				inL[i] = 16 - 32*float32(i/50%2)
				inR[i] = 16 - 32*float32(i/300%2)
			}
			clear(inL[loud:])
			clear(inR[loud:])
			left, right := make([]float32, len(inL)), make([]float32, len(inR))
			for name, e := range corners(rate) {
				copy(left, inL)
				copy(right, inR)
				run(e, left, right, maxFrames)
				// 16 in, +24 dB thrice or a resonance of 1/(1−0.95).
				checkTame(t, name, 16*20*100, left, right)
			}
		})
	}
}

func checkTame(t *testing.T, name string, most float64, sides ...[]float32) {
	t.Helper()
	for _, x := range sides {
		for i, v := range x {
			a := math.Abs(float64(v))
			if !(a < most) || a > 0 && a < 1.2e-38 {
				t.Errorf("%s: frame %d is %g", name, i, v)
				return
			}
		}
	}
}

// TestSilenceComesBack holds every effect to give exact silence for silence, at
// first, and after its tail, and no denormal number on the way.
func TestSilenceComesBack(t *testing.T) {
	t.Parallel()
	const rate = 22050
	for name, e := range typical(rate) {
		left, right := make([]float32, 1000), make([]float32, 1000)
		run(e, left, right, maxFrames)
		if power(left)+power(right) != 0 {
			t.Errorf("%s makes sound of silence", name)
		}
		left, right = stereoNoise(20*rate, 1)
		clear(left[1000:])
		clear(right[1000:])
		run(e, left, right, maxFrames)
		checkTame(t, name, 100, left, right)
		if p := power(left[19*rate:]) + power(right[19*rate:]); p != 0 {
			t.Errorf("%s is never silent: %g dB", name, dB(p)/2)
		}
	}
}

// TestOffIsNil holds what is off to be left out.
func TestOffIsNil(t *testing.T) {
	t.Parallel()
	b := patch.Default().Bus
	if NewEQ(b.EQ, 48000) != nil || NewCompressor(b.Compressor, 48000) != nil || NewChorus(b.Chorus, 48000) != nil ||
		NewFlanger(b.Flanger, 48000) != nil || NewPhaser(b.Phaser, 48000) != nil || NewDelay(b.Delay, 120, 48000) != nil || NewLimiter(b.Limiter, 48000) != nil {
		t.Error("an effect is on by default")
	}
}

// TestProcessAllocatesNothing is what it says.
func TestProcessAllocatesNothing(t *testing.T) {
	left, right := stereoNoise(maxFrames, 0.5)
	for name, e := range typical(48000) {
		if n := testing.AllocsPerRun(20, func() { e.Process(left, right) }); n != 0 {
			t.Errorf("%s allocates %g times", name, n)
		}
	}
}

// TestTailIsWhereItFalls60dB compares what an effect says of its tail with the
// energy behind it, which is to be 60 dB below all of it, and for most not far
// below: a tail too long renders silence.
func TestTailIsWhereItFalls60dB(t *testing.T) {
	t.Parallel()
	const rate = 48000
	type ringing interface {
		effect
		Tail() float64
	}
	for name, e := range map[string]ringing{
		"bell":            NewEQ(patch.EQ{MidGain: 24, MidFreq: 100, MidQ: 10}, rate),
		"low shelf":       NewEQ(patch.EQ{LowGain: 24, LowFreq: 100}, rate),
		"chorus":          NewChorus(patch.Chorus{Mix: 1, Rate: 10, Depth: 1}, rate),
		"flanger":         NewFlanger(patch.Flanger{Mix: 1, Rate: 0.1, Depth: 0, Feedback: 0.9}, rate),
		"moving flanger":  NewFlanger(patch.Flanger{Mix: 1, Rate: 0.1, Depth: 1, Feedback: -0.9}, rate),
		"phaser":          NewPhaser(patch.Phaser{Mix: 1, Rate: 0.1, Feedback: 0.9, Frequency: 500, Stages: 6}, rate),
		"negative phaser": NewPhaser(patch.Phaser{Mix: 1, Rate: 0.1, Feedback: -0.9, Frequency: 500, Stages: 12}, rate),
		"plain phaser":    NewPhaser(patch.Phaser{Mix: 1, Rate: 0.1, Frequency: 500, Stages: 12}, rate),
		"delay":           NewDelay(patch.Delay{Mode: "stereo", Mix: 1, Time: 0.05, Sync: "off", Feedback: 0.7, Damping: 20000}, 120, rate),
		"damped delay":    NewDelay(patch.Delay{Mode: "ping_pong", Mix: 1, Time: 0.05, Sync: "off", Feedback: 0.7, Damping: 2000}, 120, rate),
		"one echo":        NewDelay(patch.Delay{Mode: "stereo", Mix: 1, Time: 0.05, Sync: "off", Damping: 200}, 120, rate),
	} {
		left, right := impulse(e, 20*rate)
		// Loudest frames, of 20 ms.
		const window = rate / 50
		loudest := func(from, to int) float64 {
			top := 0.0
			for i := from; i+window <= to; i += window / 4 {
				top = max(top, power(left[i:i+window])+power(right[i:i+window]))
			}
			return dB(top) / 2
		}
		end := int(e.Tail() * rate)
		first, behind := loudest(0, len(left)), loudest(end+1, min(len(left), end+rate))
		before := loudest(max(0, end/3-window), end+window)
		t.Logf("%s: %.3f s: %.1f dB after a third, %.1f dB behind it", name, e.Tail(), before-first, behind-first)
		if behind-first > -58 {
			t.Errorf("%s: %.1f dB after its tail of %.3f s", name, behind-first, e.Tail())
		}
		if before-first < -62 {
			t.Errorf("%s: the tail of %.3f s is far too long", name, e.Tail())
		}
	}
}

// benchmark measures an effect on blocks of noise.
func benchmark(b *testing.B, e effect) {
	const rounds = 16
	inL, inR := stereoNoise(maxFrames*rounds, 0.5)
	left, right := make([]float32, maxFrames), make([]float32, maxFrames)
	for i := 0; b.Loop(); i++ {
		k := i % rounds * maxFrames
		copy(left, inL[k:])
		copy(right, inR[k:])
		e.Process(left, right)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxFrames, "ns/frame")
}
