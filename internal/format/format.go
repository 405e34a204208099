// Package format turns rendered audio into files and back: WAV with the recipe
// of the sound inside. The bytes of a file are a pure function of its recipe;
// nothing in it says who asked for it, in which words or when.
package format

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"patchlab/engine"
	"patchlab/engine/patch"
)

// WAV is the name of the one format so far.
const WAV = "wav"

// EncoderVersion is the version of the encoders. It is raised whenever the bytes
// around the samples change, or the samples' quantisation does.
const EncoderVersion = "wav1"

// maxRecipe is the size of the largest recipe in bytes: a patch of at most
// 64 KiB and its envelope.
const maxRecipe = 80 << 10

// Recipe is all that determines the bytes of a file.
type Recipe struct {
	Patch   patch.Patch
	Format  string // "wav"
	Engine  string // engine version
	Encoder string // encoder version
}

// NewRecipe returns the recipe of a patch for this build's engine and encoders.
func NewRecipe(p patch.Patch, format string) Recipe {
	return Recipe{Patch: p, Format: format, Engine: engine.Version, Encoder: EncoderVersion}
}

// envelope is a Recipe as JSON. The order of its fields is the canonical one.
type envelope struct {
	Engine  string          `json:"engine"`
	Encoder string          `json:"encoder"`
	Format  string          `json:"format"`
	Patch   json.RawMessage `json:"patch"`
}

// Canonical returns the recipe as JSON with a fixed order of keys, no white space
// and the defaults of the patch left out.
func (r Recipe) Canonical() []byte {
	var b bytes.Buffer
	field := func(lead, v string) {
		b.WriteString(lead)
		q, _ := json.Marshal(v) // a string always encodes
		b.Write(q)
	}
	field(`{"engine":`, r.Engine)
	field(`,"encoder":`, r.Encoder)
	field(`,"format":`, r.Format)
	b.WriteString(`,"patch":`)
	b.Write(r.Patch.Canonical())
	b.WriteByte('}')
	return b.Bytes()
}

// Digest returns the SHA-256 of the canonical recipe in hexadecimal.
func (r Recipe) Digest() string {
	sum := sha256.Sum256(r.Canonical())
	return hex.EncodeToString(sum[:])
}

// Current reports whether this build renders the recipe to the same bytes.
func (r Recipe) Current() bool { return r.Engine == engine.Version && r.Encoder == EncoderVersion }

// The errors of reading and verifying.
var (
	// ErrNotWAV is returned for what is not a RIFF WAVE file, or a damaged one.
	ErrNotWAV = errors.New("not a whole WAV file")
	// ErrNoRecipe is returned for a WAV file that was not written by PatchLAB, or has lost its recipe.
	ErrNoRecipe = errors.New("the file holds no recipe")
	// ErrBadRecipe is returned for a recipe that is not valid.
	ErrBadRecipe = errors.New("the recipe is not valid")
)

// VersionError says that a recipe was made for another engine or encoder, so
// this build cannot tell what its bytes should be.
type VersionError struct {
	Engine, Encoder string // of the recipe
}

// Error implements error.
func (e *VersionError) Error() string {
	return fmt.Sprintf("made by engine %q with encoder %q, this build has engine %q and encoder %q", e.Engine, e.Encoder, engine.Version, EncoderVersion)
}

// DecodeRecipe reads a recipe from JSON, strictly: unknown or missing fields,
// values out of range and anything after the object are errors wrapping
// ErrBadRecipe. A recipe of another version whose patch this build cannot read is
// a *VersionError; one whose patch it can read is returned, see Current.
func DecodeRecipe(data []byte) (Recipe, error) {
	if len(data) > maxRecipe {
		return Recipe{}, fmt.Errorf("%w: it is larger than %d bytes", ErrBadRecipe, maxRecipe)
	}
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrBadRecipe, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Recipe{}, fmt.Errorf("%w: there is more after the JSON object", ErrBadRecipe)
	}
	for _, f := range []struct{ name, value string }{{"engine", e.Engine}, {"encoder", e.Encoder}, {"format", e.Format}} {
		if f.value == "" || len(f.value) > 64 {
			return Recipe{}, fmt.Errorf("%w: %q must be a text of 1 to 64 characters", ErrBadRecipe, f.name)
		}
	}
	if len(e.Patch) == 0 {
		return Recipe{}, fmt.Errorf("%w: %q is missing", ErrBadRecipe, "patch")
	}
	r := Recipe{Format: e.Format, Engine: e.Engine, Encoder: e.Encoder}
	p, err := patch.Decode(e.Patch)
	if err != nil {
		if !r.Current() {
			return Recipe{}, &VersionError{Engine: e.Engine, Encoder: e.Encoder}
		}
		return Recipe{}, fmt.Errorf("%w: %w", ErrBadRecipe, err)
	}
	r.Patch = p
	if r.Current() && r.Format != WAV {
		return Recipe{}, fmt.Errorf("%w: unknown format %q", ErrBadRecipe, r.Format)
	}
	return r, nil
}

// Extension returns the file name ending of a format, without a dot.
func Extension(format string) string { return format }

// MediaType returns the media type of a format for HTTP.
func MediaType(format string) string {
	if format == WAV {
		return "audio/wav"
	}
	return "application/octet-stream"
}

// Encode writes audio as a file of the recipe's format, with the recipe inside.
// It streams: w need not seek. It stops with ctx's error when ctx ends.
func Encode(ctx context.Context, w io.Writer, a engine.Audio, r Recipe) error {
	if r.Format != WAV {
		return fmt.Errorf("encode: unknown format %q", r.Format)
	}
	return encodeWAV(ctx, w, a, r)
}
