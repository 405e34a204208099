package loudness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestAgainstFFmpeg compares with ffmpeg's filter ebur128: the loudness within 0.1 LU,
// the true peak within 0.2 dB. ffmpeg, too, counts a single channel once (its option
// dualmono is off) and works at the rate of the file (from version 5.0 on; before, at
// 48 kHz). It looks for the true peak at 192 kHz and takes no top between the values
// there, so it reads high tones at awkward phases too low at 96 kHz; and its own filter
// ends at 0.45 of the rate. Those are left to TestTruePeakOfTones. The sounds are faded
// in and out, since ffmpeg mirrors them at their start.
func TestAgainstFFmpeg(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Fatal("ffmpeg is needed to check the meter; install it (scripts/deps.sh, or apt-get install ffmpeg)")
	}
	for i, rate := range rates {
		n := rate * 6 / 5
		for k, c := range []struct {
			name string
			x    []float32
		}{
			{"997 Hz", tone(n, 997/float64(rate), 0.1, -1)},
			{"40 Hz", tone(n, 40/float64(rate), 0, -6)},
			{"a quarter of the rate, 45°", tone(n, 1./4, 1./8, 3)},
			{"a sixth of the rate, 60°", tone(n, 1./6, 1./6, 0)},
			{"an eighth of the rate, 67.5°", tone(n, 1./8, 67.5/360, 0)},
			{"4.7 kHz", tone(n, 4700/float64(rate), 0.3, -2)},
			{"white noise", white(n, 1, 0.7)},
			{"pink noise", pink(n, 2, 0.3)},
			{"quiet pink noise", pink(n, 3, 0.003)},
			{"chord", chord(n, rate, 0.9)},
			{"bursts", bursts(pink(2*n, 4, 0.4), rate, -30)},
			{"deep bursts", bursts(white(2*n, 5, 0.9), rate, -75)},
			{"levels", stretches(rate, 1, -3, 1, -15, 1, -40, 1, -80)},
			{"120 ms", pink(rate*3/25, 6, 0.3)},
			{"20 ms", pink(rate/50, 7, 0.9)},
		} {
			x := c.x
			faded(x, rate/200)
			channels := 1 + (i+k)%2
			if channels == 2 {
				x = together(x, scaled(x, 0.25))
			}
			t.Run(fmt.Sprintf("%s/%d Hz/%d channels", c.name, rate, channels), func(t *testing.T) {
				t.Parallel()
				// What is short is given to ffmpeg with the silence that Measure adds.
				padded := append([]float32{}, x...)
				if missing := rate*2/5*channels - len(x); missing > 0 {
					padded = append(padded, make([]float32, missing)...)
				}
				lufs, peak := ffmpeg(t, padded, channels, rate)
				gotLUFS, gotPeak := Integrated(x, channels, rate), level(TruePeak(x, channels))
				t.Logf("loudness %.3f LUFS, by ffmpeg %.2f; true peak %.3f dBTP, by ffmpeg %.1f", gotLUFS, lufs, gotPeak, peak)
				within(t, "loudness in LUFS", gotLUFS, lufs, 0.1)
				within(t, "true peak in dBTP", gotPeak, peak, 0.2)
			})
		}
	}
}

// What ffmpeg prints: the loudness up to each 100 ms in hundredths, the peak of all in
// tenths.
var (
	lufsLine = regexp.MustCompile(`(?m)^lavfi\.r128\.I=(\S+)`)
	peakLine = regexp.MustCompile(`(?s)True peak:\s+Peak:\s+(\S+) dBFS`)
)

// ffmpeg returns what ffmpeg measures.
func ffmpeg(t *testing.T, samples []float32, channels, rate int) (lufs, peak float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.wav")
	if err := os.WriteFile(path, floatWAV(samples, channels, rate), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-nostats", "-i", path,
		"-af", "ebur128=peak=true:metadata=1,ametadata=print:file=-", "-f", "null", "-")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	number := func(all [][][]byte) float64 {
		if len(all) == 0 {
			t.Fatalf("ffmpeg printed something else:\n%s", out)
		}
		v, err := strconv.ParseFloat(string(all[len(all)-1][1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	return number(lufsLine.FindAllSubmatch(out, -1)), number(peakLine.FindAllSubmatch(out, -1))
}

// floatWAV returns a WAV file of 32-bit floats.
func floatWAV(samples []float32, channels, rate int) []byte {
	var b bytes.Buffer
	size := 4 * len(samples)
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+size))
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, struct {
		Size             uint32
		Format, Channels uint16
		Rate, Bytes      uint32
		Frame, Bits      uint16
	}{16, 3, uint16(channels), uint32(rate), uint32(4 * channels * rate), uint16(4 * channels), 32})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(size))
	binary.Write(&b, binary.LittleEndian, samples)
	return b.Bytes()
}

// TestFFmpegFile holds the file to what its header says.
func TestFFmpegFile(t *testing.T) {
	t.Parallel()
	b := floatWAV([]float32{0, 1, -1, 0.5}, 2, 48000)
	if len(b) != 44+16 || binary.LittleEndian.Uint32(b[4:]) != uint32(len(b)-8) || math.Float32frombits(binary.LittleEndian.Uint32(b[48:])) != 1 {
		t.Errorf("%d bytes: %x", len(b), b)
	}
}
