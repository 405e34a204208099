package prompt_test

import (
	"context"
	"math"
	"math/cmplx"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/dsp/fourier"

	"patchlab/engine"
	"patchlab/internal/prompt"
)

// heard is what a sound measures like.
type heard struct {
	seconds  float64
	active   float64 // s, until the last 5 ms above −50 dB of the loudest
	centroid float64 // Hz, power-weighted mean frequency, 30 Hz to 16 kHz
	low      float64 // share of energy below 150 Hz
	flatness float64 // geometric ÷ arithmetic mean of the spectrum
}

func hear(t *testing.T, text string, seed uint32) heard {
	t.Helper()
	in, err := prompt.Interpret(text, seed)
	require.NoError(t, err)
	a, err := engine.Render(context.Background(), in.Patch, engine.Options{})
	require.NoError(t, err)
	mono := make([]float64, len(a.Samples)/a.Channels)
	for i := range mono {
		for c := range a.Channels {
			mono[i] += float64(a.Samples[i*a.Channels+c]) / float64(a.Channels)
		}
	}
	rate := float64(a.SampleRate)
	h := heard{seconds: float64(len(mono)) / rate}

	window := int(rate * 0.005)
	var levels []float64
	for i := 0; i+window <= len(mono); i += window {
		sum := 0.0
		for _, x := range mono[i : i+window] {
			sum += x * x
		}
		levels = append(levels, sum)
	}
	loudest := 0.0
	for _, l := range levels {
		loudest = max(loudest, l)
	}
	require.Positive(t, loudest, "%q is silent", text)
	for i, l := range levels {
		if l > loudest*1e-5 {
			h.active = float64(i+1) * 0.005
		}
	}

	const n = 8192
	fft := fourier.NewFFT(n)
	power := make([]float64, n/2+1)
	frame := make([]float64, n)
	for at := 0; at < int(h.active*rate); at += n / 2 {
		clear(frame)
		copy(frame, mono[at:])
		for i := range frame {
			frame[i] *= 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/n)
		}
		for i, c := range fft.Coefficients(nil, frame) {
			power[i] += cmplx.Abs(c) * cmplx.Abs(c)
		}
	}
	var sum, weighted, logs, all, low, bins float64
	for i, p := range power {
		f := float64(i) * rate / n
		all += p
		if f < 150 {
			low += p
		}
		if f >= 30 && f <= 16000 {
			sum, weighted, logs, bins = sum+p, weighted+f*p, logs+math.Log(p+1e-20), bins+1
		}
	}
	h.centroid, h.low, h.flatness = weighted/sum, low/all, math.Exp(logs/bins)/(sum/bins)
	return h
}

func TestTheFourSoundsAreHeardApart(t *testing.T) {
	t.Parallel()
	for seed := range uint32(3) {
		bass, bell := hear(t, "deep bass", seed), hear(t, "bright bell", seed)
		kick, burst := hear(t, "kick", seed), hear(t, "noise burst, half a second", seed)

		assert.Greater(t, bass.low, 0.5)
		assert.Less(t, bass.centroid, 400.0)
		assert.Greater(t, bass.active, 0.6)

		assert.Less(t, bell.low, 0.05)
		assert.Greater(t, bell.centroid, 800.0)
		assert.Less(t, bell.flatness, 0.01)
		assert.Greater(t, bell.active, 0.8)

		assert.Greater(t, kick.low, 0.5)
		assert.Less(t, kick.active, 0.6)

		assert.Equal(t, 0.5, burst.seconds)
		assert.Greater(t, burst.flatness, 0.3)
		assert.Greater(t, burst.centroid, 4000.0)
	}
}

func TestTheDemoSound(t *testing.T) {
	t.Parallel()
	for take := range 4 {
		h := hear(t, "deep wobble bass, two seconds", prompt.TakeSeed(7, take))
		assert.Equal(t, 2.0, h.seconds)
		assert.Greater(t, h.active, 1.8)
		assert.Greater(t, h.low, 0.5, "deep")
		assert.Less(t, h.low, 0.95, "but heard on small loudspeakers too")
	}
}

func TestTakesAreOneSoundHeardApart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"deep wobble bass", "bright bell", "pluck", "kick"} {
		a, b := hear(t, text, 7), hear(t, text, prompt.TakeSeed(7, 1))
		assert.NotEqual(t, a.centroid, b.centroid)
		assert.InEpsilon(t, a.centroid, b.centroid, 0.4, text)
		assert.InEpsilon(t, a.active, b.active, 0.4, text)
	}
}
