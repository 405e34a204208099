package osc

import (
	"fmt"
	"math"
	"math/cmplx"
	"testing"

	"patchlab/engine/patch"
	"patchlab/engine/rng"
)

func tableNames() []string {
	return []string{"basic", "harmonic", "vocal", "digital", "metal", "pulse"}
}

func tabled(name string, position float64) patch.Oscillator {
	return patch.Oscillator{Wave: "wavetable", Wavetable: name, Position: position, Level: 1, Unison: 1, Blend: 1}
}

func spectra(name string) []spectrum {
	return map[string]func() []spectrum{"basic": basic, "harmonic": organ, "vocal": vocal, "digital": digital, "metal": metal, "pulse": pulse}[name]()
}

// TestWavetableNames holds the patch's list to what there is.
func TestWavetableNames(t *testing.T) {
	t.Parallel()
	seen := map[*wavetable]string{}
	for _, p := range patch.Table() {
		if p.Path != "layers.*.synth.osc1.wavetable" {
			continue
		}
		for _, name := range p.Values {
			table := tableOf(name)
			if before, ok := seen[table]; ok {
				t.Errorf("%s is the table of %s", name, before)
			}
			seen[table] = name
		}
	}
	if len(seen) != len(tableNames()) {
		t.Errorf("%d tables", len(seen))
	}
}

// TestWavetableFrames holds every frame at every band limit that takes little away to
// its loudness, its peak and no offset.
func TestWavetableFrames(t *testing.T) {
	t.Parallel()
	for _, name := range tableNames() {
		table := tableOf(name)
		if table.frames < 8 || table.frames > 16 {
			t.Errorf("%s has %d frames", name, table.frames)
		}
		m := &table.mips[len(table.mips)-1]
		cubes := make([]cubic, 1<<m.bits)
		for k := range table.frames {
			m.stop(cubes, float64(k))
			peak, sum, power := 0.0, 0.0, 0.0
			for _, c := range cubes {
				x := float64(c.a)
				peak = max(peak, math.Abs(x))
				sum += x / float64(len(cubes))
				power += x * x / float64(len(cubes))
			}
			if r := math.Sqrt(power); math.Abs(r-loudness) > 1e-3 {
				t.Errorf("%s %d has an RMS of %.4f", name, k, r)
			}
			if peak > 1.08 || math.Abs(sum) > 1e-6 {
				t.Errorf("%s %d has a peak of %.3f and an offset of %.2g", name, k, peak, sum)
			}
		}
	}
}

// TestWavetableAliasing looks for lines that do not belong to the note.
func TestWavetableAliasing(t *testing.T) {
	t.Parallel()
	notes := map[float64][]float64{
		48000: {30.1, 46.7, 110.3, 440.7, 1245.7, 2793.8, 5000.3, 9876.5},
		22050: {261.6, 2793.8},
	}
	for _, name := range tableNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overall := -200.0
			a := newAnalyser(32768)
			for rate, pitches := range notes {
				for _, hz := range pitches {
					for _, position := range []float64{0, 0.37, 0.72, 1} {
						f := hz / rate
						x := hear(NewWavetable(tabled(name, position), rng.New(1), rate), 32768, 256, steady(f))
						dB, at := a.stray(x, multiples(f), rate, 16000)
						overall = max(overall, dB)
						if dB > -85 {
							t.Errorf("%g Hz, position %g, rate %g: a line of %.1f dB at %.0f Hz", hz, position, rate, dB, at)
						}
					}
				}
			}
			t.Logf("worst line %.1f dB", overall)
		})
	}
}

// TestWavetableHarmonics compares a note with the spectra of its table, on frames and
// between them.
func TestWavetableHarmonics(t *testing.T) {
	t.Parallel()
	const n, bin = 32768, 75
	a := newAnalyser(n)
	for _, name := range tableNames() {
		frames := spectra(name)
		for i := range frames {
			frames[i].normalize()
		}
		for _, place := range []float64{0, 2, 3.25, float64(len(frames) - 1)} {
			first := min(int(place), len(frames)-2)
			part := place - float64(first)
			got := a.lines(hear(NewWavetable(tabled(name, place/float64(len(frames)-1)), rng.New(1), 48000), n, 256, steady(float64(bin)/n)))
			p, q := &frames[first], &frames[first+1]
			for h := 1; h*bin < n*35/100; h++ {
				c, s := p.cos[h]+part*(q.cos[h]-p.cos[h]), p.sin[h]+part*(q.sin[h]-p.sin[h])
				got, want := got[h*bin], math.Hypot(c, s)
				if want > 1e-3 && math.Abs(decibels(got/want)) > 0.02 || want <= 1e-3 && math.Abs(got-want) > 1e-5 {
					t.Errorf("%s at %g: harmonic %d is %.3g, want %.3g", name, place, h, got, want)
				}
			}
		}
	}
}

// TestWavetableBandwidth holds every note to harmonics up to 0.35 of the rate, as far
// as the tables have them.
func TestWavetableBandwidth(t *testing.T) {
	t.Parallel()
	table := tableOf("basic")
	for f := 1e-5; f < 0.45; f *= 1.01 {
		top := table.mips[table.limit(f)].top
		if float64(top)*f > 0.5 {
			t.Errorf("%g: harmonic %d is beyond half the rate", f, top)
		}
		if top < harmonics && float64(top+1)*f < 0.5 && float64(top)*f < 0.33 {
			t.Errorf("%g: only %d harmonics", f, top)
		}
	}
}

// TestWavetableGlide moves the pitch through all band limits and compares with a sum
// of sines, below the band where the limits work: what clicks is there too.
func TestWavetableGlide(t *testing.T) {
	t.Parallel()
	const frames, n = 48000, 2048
	a := newAnalyser(n)
	for _, name := range []string{"basic", "digital", "pulse"} {
		for _, step := range []int{32, 256} {
			way := func(i int) Controls {
				return Controls{Frequency: 60.0 / 48000 * math.Exp2(6*float64(i)/frames)}
			}
			o := NewWavetable(tabled(name, 1), rng.New(1), 48000)
			turns := float64(o.voices[0].phase) / turn
			x := hear(o, frames, step, way)
			all := spectra(name)
			s := all[len(all)-1]
			s.normalize()
			for i := range x {
				block := i - i%step
				end := min(block+step, frames)
				from, to := way(block).Frequency, way(end).Frequency
				f := from + (to-from)*float64(i-block+1)/float64(end-block)
				turns += f
				x[i] -= additive(&s, turns, f, 0.3)
			}
			worst, at := 0.0, 0
			for i := 0; i+n <= frames; i += n / 4 {
				for _, v := range a.lines(x[i : i+n])[:n/4] { // to a quarter of the rate
					if v > worst {
						worst, at = v, i
					}
				}
			}
			dB := decibels(worst / loudness)
			t.Logf("%s in steps of %d: %.1f dB", name, step, dB)
			if dB > -75 {
				t.Errorf("%s in steps of %d: %.1f dB about frame %d", name, step, dB, at)
			}
		}
	}
}

// additive returns a sample of s with the harmonics up to edge, where they fade out
// over a tenth.
func additive(s *spectrum, turns, f, edge float64) float64 {
	one := cmplx.Rect(1, 2*math.Pi*math.Mod(turns, 1))
	z, y := one, 0.0
	for h := 1; h <= harmonics && float64(h)*f < edge*1.1; h++ {
		g := min(1, 11-10*float64(h)*f/edge)
		y += g * (s.cos[h]*real(z) + s.sin[h]*imag(z))
		z *= one
	}
	return y
}

// TestWavetableMoves compares a position that moves with one that is held for every
// frame.
func TestWavetableMoves(t *testing.T) {
	t.Parallel()
	for _, name := range tableNames() {
		for _, ends := range [][2]float64{{0, 1}, {1, 0}, {0.3, 0.31}, {0.5, 0.2}, {-1, 2}} {
			const f, n = 0.0123, 256
			a := NewWavetable(tabled(name, 0), rng.New(1), 48000)
			b := NewWavetable(tabled(name, 0), rng.New(1), 48000)
			var l, r, one, other [n]float32
			from, to := Controls{Frequency: f, Position: ends[0]}, Controls{Frequency: f, Position: ends[1]}
			a.Process(l[:], r[:], from, to)
			start, end := max(0, min(1, ends[0])), max(0, min(1, ends[1]))
			for i := range n {
				at := Controls{Frequency: f, Position: start + (end-start)*float64(i+1)/n}
				b.Process(one[i:i+1], other[i:i+1], at, at)
			}
			for i := range l {
				if d := math.Abs(float64(l[i] - one[i])); d > 2e-6 || l[i] != r[i] {
					t.Fatalf("%s from %g to %g: %g at %d, want %g", name, ends[0], ends[1], l[i], i, one[i])
				}
			}
		}
	}
}

func TestWavetablePitch(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{22050, 44100, 48000, 96000} {
		for _, hz := range []float64{41.2, 440, 3520.7} {
			p := tabled("basic", 0.7)
			p.Tune = 1200
			x := hear(NewWavetable(p, rng.New(1), rate), int(rate), 256, steady(hz/2/rate))
			if c := cents(x, hz/rate); !(math.Abs(c) < 0.01) {
				t.Errorf("%g Hz at %g: %.3f cents off", hz, rate, c)
			}
		}
	}
}

func TestWavetableCuts(t *testing.T) {
	t.Parallel()
	for _, unison := range []int{1, 2, 7, 16} {
		for _, spread := range []float64{0, 0.7} {
			p := tabled("vocal", 0.4)
			p.Unison, p.Detune, p.Spread, p.Blend = unison, 35, spread, 0.6
			cutsAlike(t, func() source { return NewWavetable(p, rng.New(1), 48000) }, Controls{Frequency: 0.0051, Position: 0.1})
		}
	}
}

// TestWavetableStart holds the first frame of a sine, a triangle and a saw to about
// zero.
func TestWavetableStart(t *testing.T) {
	t.Parallel()
	for _, position := range []float64{0, 0.1, 1.0 / 3, 0.5, 2.0 / 3} {
		x := hear(NewWavetable(tabled("basic", position), rng.New(1), 48000), 1, 1, steady(1e-4))
		if math.Abs(x[0]) > 0.01 {
			t.Errorf("%g starts with %.3f", position, x[0])
		}
	}
}

// TestWavetableLevel holds all numbers of voices to one power on both sides together.
func TestWavetableLevel(t *testing.T) {
	t.Parallel()
	for _, unison := range []int{1, 2, 5, 16} {
		p := tabled("basic", 1)
		p.Unison, p.Detune, p.Spread = unison, 40, 1
		o := NewWavetable(p, rng.New(1), 48000)
		power, at := 0.0, Controls{Frequency: 0.004}
		const blocks = 1000
		for range blocks {
			var l, r [256]float32
			o.Process(l[:], r[:], at, at)
			for i := range l {
				power += (float64(l[i])*float64(l[i]) + float64(r[i])*float64(r[i])) / (2 * blocks * 256)
			}
		}
		if dB := decibels(math.Sqrt(power) / loudness); math.Abs(dB) > 1 {
			t.Errorf("%d voices are at %.2f dB", unison, dB)
		}
	}
}

func TestWavetableSurvives(t *testing.T) {
	t.Parallel()
	for _, name := range tableNames() {
		p := tabled(name, 0.5)
		p.Unison, p.Detune, p.Spread = 5, 100, 1
		survives(t, NewWavetable(p, rng.New(1), 48000), 5)
	}
}

//nolint:paralleltest // counts allocations
func TestWavetableAllocatesNothing(t *testing.T) {
	p := tabled("basic", 0.5)
	p.Unison = 3
	allocatesNothing(t, NewWavetable(p, rng.New(1), 48000))
}

func BenchmarkNewWavetable(b *testing.B) {
	for _, name := range tableNames() {
		b.Run("table="+name, func(b *testing.B) {
			for b.Loop() {
				newWavetable(spectra(name))
			}
		})
	}
	b.Run("oscillator", func(b *testing.B) {
		for b.Loop() {
			NewWavetable(tabled("basic", 0.3), rng.New(1), 48000)
		}
	})
}

func BenchmarkWavetable(b *testing.B) {
	for _, voices := range []int{1, 7, 16} {
		for _, moving := range []bool{false, true} {
			b.Run(fmt.Sprintf("voices=%d/moving=%v", voices, moving), func(b *testing.B) {
				p := tabled("basic", 0.5)
				p.Unison, p.Detune, p.Spread = voices, 20, 1
				benchSource(b, NewWavetable(p, rng.New(1), 48000), voices, moving)
			})
		}
	}
}
