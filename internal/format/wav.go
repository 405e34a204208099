package format

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"patchlab/engine"
	"patchlab/engine/pcm"
)

// chunkID is the RIFF chunk that holds the recipe as canonical JSON in UTF-8. It
// stands between "fmt " (and "fact") and "data", so that a reader of a stream
// meets it before the samples; programs that do not know it skip it.
const chunkID = "PLRC"

// Wave format tags (Microsoft, "Multiple Channel Audio Data and WAVE Files", 2007).
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagExtensible = 0xFFFE
)

// guidTail is what every sub-format GUID of WAVE_FORMAT_EXTENSIBLE ends with,
// after its format tag.
//
//nolint:gochecknoglobals // a constant that Go cannot write as one
var guidTail = [...]byte{0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71}

// blockFrames is the number of frames that are quantised and written at once.
const blockFrames = 4096

// wavHeader returns all bytes before the samples, and the padding after them. 16
// bit is plain PCM; 24 bit is extensible, as more than 16 bits must be; float is
// tag 3 with a fact chunk, which more programs read than extensible float.
func wavHeader(r Recipe, frames int64) (header []byte, pad int, err error) {
	o := r.Patch.Output
	align := o.Channels * o.BitDepth / 8
	data := frames * int64(align)
	pad = int(data & 1)
	le := binary.LittleEndian
	h := make([]byte, 0, 1024)
	h = append(h, "RIFF\x00\x00\x00\x00WAVEfmt "...)
	size, tag := uint32(16), uint16(tagPCM)
	switch o.BitDepth {
	case 24:
		size, tag = 40, tagExtensible
	case 32:
		size, tag = 18, tagFloat
	}
	h = le.AppendUint32(h, size)
	h = le.AppendUint16(h, tag)
	h = le.AppendUint16(h, uint16(o.Channels))
	h = le.AppendUint32(h, uint32(o.SampleRate))
	h = le.AppendUint32(h, uint32(o.SampleRate*align))
	h = le.AppendUint16(h, uint16(align))
	h = le.AppendUint16(h, uint16(o.BitDepth))
	switch tag {
	case tagExtensible:
		h = le.AppendUint16(h, 22)
		h = le.AppendUint16(h, uint16(o.BitDepth)) // all bits are valid
		mask := uint32(0x4)                        // front centre
		if o.Channels == 2 {
			mask = 0x3 // front left, front right
		}
		h = le.AppendUint32(h, mask)
		h = le.AppendUint16(h, tagPCM)
		h = append(h, guidTail[:]...)
	case tagFloat:
		h = le.AppendUint16(h, 0)
		h = append(h, "fact"...)
		h = le.AppendUint32(h, 4)
		h = le.AppendUint32(h, uint32(frames))
	}
	recipe := r.Canonical()
	h = append(h, chunkID...)
	h = le.AppendUint32(h, uint32(len(recipe)))
	h = append(h, recipe...)
	if len(recipe)&1 == 1 {
		h = append(h, 0)
	}
	h = append(h, "data"...)
	total := int64(len(h)) + 4 + data + int64(pad) - 8
	if total > math.MaxUint32 {
		return nil, 0, fmt.Errorf("encode: %d frames are too many for a WAV file", frames)
	}
	h = le.AppendUint32(h, uint32(data))
	le.PutUint32(h[4:], uint32(total))
	return h, pad, nil
}

func encodeWAV(ctx context.Context, w io.Writer, a engine.Audio, r Recipe) error {
	o := r.Patch.Output
	if a.Channels != o.Channels || a.SampleRate != o.SampleRate || a.Channels < 1 || len(a.Samples)%a.Channels != 0 {
		return fmt.Errorf("encode: audio of %d channels at %d Hz does not fit a recipe of %d channels at %d Hz", a.Channels, a.SampleRate, o.Channels, o.SampleRate)
	}
	frames := len(a.Samples) / a.Channels
	header, pad, err := wavHeader(r, int64(frames))
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("encode: write the header: %w", err)
	}
	align := o.Channels * o.BitDepth / 8
	buf := make([]byte, blockFrames*align)
	for at := 0; at < frames; at += blockFrames {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		n := min(blockFrames, frames-at)
		pcm.Quantize(buf[:n*align], a.Samples[at*a.Channels:(at+n)*a.Channels], o.BitDepth, r.Patch.Seed, int64(at*a.Channels))
		if _, err := w.Write(buf[:n*align]); err != nil {
			return fmt.Errorf("encode: write the samples: %w", err)
		}
	}
	if pad > 0 {
		if _, err := w.Write([]byte{0}); err != nil {
			return fmt.Errorf("encode: write the padding: %w", err)
		}
	}
	return nil
}

// maxChunks is the number of chunks that a reader walks over before it gives up.
const maxChunks = 1024

// ReadRecipe finds the recipe in a WAV file of size bytes. It reads chunk headers
// and the recipe only, and needs no more memory than a recipe has. A file whose
// chunks do not fill it exactly (truncated, trailing bytes, wrong sizes) is
// ErrNotWAV; one without a recipe ErrNoRecipe; with two, or one that is not
// valid, ErrBadRecipe.
func ReadRecipe(r io.ReaderAt, size int64) (Recipe, error) {
	data, err := recipeChunk(r, size)
	if err != nil {
		return Recipe{}, err
	}
	return DecodeRecipe(data)
}

func recipeChunk(r io.ReaderAt, size int64) ([]byte, error) {
	var head [12]byte
	if err := readAt(r, head[:], 0, size); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: it does not begin with RIFF and WAVE", ErrNotWAV)
	}
	if total := int64(le.Uint32(head[4:])) + 8; total != size {
		return nil, fmt.Errorf("%w: its header says %d bytes, it has %d", ErrNotWAV, total, size)
	}
	var recipe []byte
	at := int64(12)
	for n := 0; at < size; n++ {
		if n == maxChunks {
			return nil, fmt.Errorf("%w: more than %d chunks", ErrNotWAV, maxChunks)
		}
		var ch [8]byte
		if err := readAt(r, ch[:], at, size); err != nil {
			return nil, err
		}
		at += 8
		length := int64(le.Uint32(ch[4:]))
		if length > size-at {
			return nil, fmt.Errorf("%w: chunk %q of %d bytes ends after the file", ErrNotWAV, ch[:4], length)
		}
		if string(ch[:4]) == chunkID {
			if recipe != nil {
				return nil, fmt.Errorf("%w: there are two", ErrBadRecipe)
			}
			if length > maxRecipe {
				return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrBadRecipe, maxRecipe)
			}
			recipe = make([]byte, length)
			if err := readAt(r, recipe, at, size); err != nil {
				return nil, err
			}
		}
		at += length + length&1
	}
	if at != size {
		return nil, fmt.Errorf("%w: the last chunk lacks its padding", ErrNotWAV)
	}
	if recipe == nil {
		return nil, ErrNoRecipe
	}
	return recipe, nil
}

func readAt(r io.ReaderAt, b []byte, at, size int64) error {
	if at+int64(len(b)) > size {
		return fmt.Errorf("%w: it ends within a header at byte %d", ErrNotWAV, size)
	}
	if n, err := r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("read at byte %d: %w", at, err)
	}
	return nil
}
