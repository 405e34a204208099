package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"patchlab/engine"
)

// MismatchError says where a file differs from what its recipe renders to.
type MismatchError struct {
	Offset  int64   // the first byte that differs; the shorter length where one ends early
	Frame   int64   // of the first sample that differs, −1 where it is not in the samples
	Channel int     // 0-based
	Time    float64 // s
	Length  bool    // the file is longer or shorter than it should be
	Want    int64   // the length it should have, bytes
	Got     int64   // the length it has, bytes
}

// Error implements error.
func (e *MismatchError) Error() string {
	switch {
	case e.Length:
		return fmt.Sprintf("the file has %d bytes, its recipe renders to %d", e.Got, e.Want)
	case e.Frame < 0:
		return fmt.Sprintf("the file differs from its recipe at byte %d, outside the samples", e.Offset)
	}
	return fmt.Sprintf("the file differs from its recipe at sample %d of channel %d (%.6f s)", e.Frame, e.Channel+1, e.Time)
}

// Verify renders the recipe in a WAV file again and compares the whole file with
// what comes out, byte for byte and without holding a second file in memory. It
// returns the recipe, and nil, a *MismatchError, a *VersionError, ErrNoRecipe,
// ErrNotWAV, ErrBadRecipe or the error of reading or of ctx.
func Verify(ctx context.Context, r io.ReaderAt, size int64) (Recipe, error) {
	recipe, err := ReadRecipe(r, size)
	if err != nil {
		return recipe, err
	}
	if !recipe.Current() {
		return recipe, &VersionError{Engine: recipe.Engine, Encoder: recipe.Encoder}
	}
	audio, err := engine.Render(ctx, recipe.Patch, engine.Options{})
	if err != nil {
		return recipe, fmt.Errorf("verify: render: %w", err)
	}
	c := &comparer{r: r, size: size, differs: -1}
	if err := Encode(ctx, c, audio, recipe); err != nil && !errors.Is(err, errDiffers) {
		return recipe, fmt.Errorf("verify: %w", err)
	}
	if c.differs < 0 && c.at == size {
		return recipe, nil
	}
	frames := int64(len(audio.Samples) / audio.Channels)
	header, pad, err := wavHeader(recipe, frames)
	if err != nil {
		return recipe, err
	}
	o := recipe.Patch.Output
	align := int64(o.Channels * o.BitDepth / 8)
	start := int64(len(header))
	m := &MismatchError{Offset: c.differs, Frame: -1, Want: start + frames*align + int64(pad), Got: size}
	switch {
	case m.Want != m.Got:
		m.Length, m.Offset = true, min(m.Want, m.Got)
	case c.differs >= start && c.differs < start+frames*align:
		m.Frame = (c.differs - start) / align
		m.Channel = int((c.differs - start) % align / int64(o.BitDepth/8))
		m.Time = float64(m.Frame) / float64(o.SampleRate)
	}
	return recipe, m
}

var errDiffers = errors.New("differs")

// comparer is a writer that compares what is written with a file.
type comparer struct {
	r       io.ReaderAt
	size    int64
	at      int64
	differs int64 // offset of the first difference, −1 while there is none
	buf     []byte
}

func (c *comparer) Write(b []byte) (int, error) {
	if c.at+int64(len(b)) > c.size {
		c.differs = c.size
		return 0, errDiffers
	}
	if cap(c.buf) < len(b) {
		c.buf = make([]byte, len(b))
	}
	got := c.buf[:len(b)]
	if n, err := c.r.ReadAt(got, c.at); n < len(got) {
		return 0, fmt.Errorf("read at byte %d: %w", c.at, err)
	}
	if !bytes.Equal(got, b) {
		for i := range b {
			if got[i] != b[i] {
				c.differs = c.at + int64(i)
				break
			}
		}
		return 0, errDiffers
	}
	c.at += int64(len(b))
	return len(b), nil
}
