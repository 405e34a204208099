package format

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// ZIP is the format of a pack.
const ZIP = "zip"

// PackVersion is the version of what is around the sounds of a pack. It is raised
// whenever those bytes change.
const PackVersion = "zip1"

// The budget of a pack.
const (
	MaxPackEntries = 1000    // files
	MaxPackBytes   = 2 << 30 // of audio
)

// Pack is what the ZIP of a pack is made of.
type Pack struct {
	Name   string // of its folder
	Sounds []PackSound
}

// PackSound is one sound of a pack.
type PackSound struct {
	Name    string // of its file, without the ending
	Recipe  Recipe
	Size    int64  // bytes of its file
	ETag    string // hex SHA-256 of its file
	Frames  int64
	Failure string // why it has no file, for people; "" where it has one
	// Open opens its file.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Digest returns the hex SHA-256 of all that determines the bytes of the ZIP.
func (p *Pack) Digest() string {
	h := sha256.New()
	h.Write([]byte(PackVersion))
	text := func(s string) {
		_, _ = fmt.Fprintf(h, "\n%d:%s", len(s), s) // with its length, so that no two lists look alike
	}
	text(p.Name)
	for i := range p.Sounds {
		s := &p.Sounds[i]
		text(s.Name)
		text(s.Recipe.Digest())
		text(s.Failure)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Check reports a pack that is beyond the budget, or whose names are not those of files.
func (p *Pack) Check() error {
	if n := len(p.Sounds) + 2; n > MaxPackEntries {
		return fmt.Errorf("pack: %d files are more than %d", n, MaxPackEntries)
	}
	if wrong := CheckName(p.Name); wrong != "" {
		return fmt.Errorf("pack: its name %s", wrong)
	}
	var bytes int64
	seen := make(map[string]bool, len(p.Sounds))
	for i := range p.Sounds {
		s := &p.Sounds[i]
		if wrong := CheckName(s.Name); wrong != "" {
			return fmt.Errorf("pack: the name of sound %d %s", i, wrong)
		}
		if key := NameKey(s.Name); seen[key] {
			return fmt.Errorf("pack: two sounds have the name %q", s.Name)
		} else {
			seen[key] = true
		}
		if s.Failure != "" {
			continue
		}
		if s.Size < 0 || s.Open == nil {
			return fmt.Errorf("pack: sound %d has neither a file nor a failure", i)
		}
		if s.Size > MaxPackBytes-bytes { // so that no sum can overflow
			return fmt.Errorf("pack: the audio is more than %d MB: take fewer or shorter sounds", int64(MaxPackBytes>>20))
		}
		bytes += s.Size
	}
	return nil
}

// entry is a sound in manifest.json.
type entry struct {
	Name       string          `json:"name"`
	File       string          `json:"file,omitempty"`
	Failure    string          `json:"failure,omitempty"`
	Seed       uint32          `json:"seed"`
	Seconds    float64         `json:"seconds,omitempty"`
	SampleRate int             `json:"sample_rate"`
	Channels   int             `json:"channels"`
	BitDepth   int             `json:"bit_depth"`
	Bytes      int64           `json:"bytes,omitempty"`
	SHA256     string          `json:"sha256,omitempty"`
	Digest     string          `json:"digest"`
	Recipe     json.RawMessage `json:"recipe"`
}

// WritePack writes a pack as a ZIP, a file at a time and without holding one in memory:
// README.txt, manifest.json, and the sounds that have a file. The bytes depend on
// nothing but the pack. A file that is not the one that its size and ETag name is an
// error, and so is what Check reports.
func WritePack(ctx context.Context, w io.Writer, p *Pack) error {
	if err := p.Check(); err != nil {
		return err
	}
	manifest, err := p.manifest()
	if err != nil {
		return err
	}
	z, err := newZip(w)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"README.txt", []byte(p.readme())}, {"manifest.json", manifest}} {
		to, err := create(z, p.Name+"/"+f.name)
		if err == nil {
			_, err = to.Write(f.data)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	for i := range p.Sounds {
		s := &p.Sounds[i]
		if s.Failure != "" {
			continue
		}
		to, err := create(z, p.Name+"/"+s.file())
		if err != nil {
			return fmt.Errorf("write %s: %w", s.file(), err)
		}
		if err := s.copyTo(ctx, to); err != nil {
			return fmt.Errorf("write %s: %w", s.file(), err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write the pack: %w", err)
	}
	return nil
}

// newZip returns a writer of ZIPs that shrinks nothing, as audio hardly does. Not
// zip.Store: a stored file whose checksum is only known at its end is one that many a
// reader refuses.
func newZip(w io.Writer) (*zip.Writer, error) {
	// One for all files, which are written one after the other: each has tables of
	// hundreds of kilobytes.
	stored, err := flate.NewWriter(io.Discard, flate.NoCompression)
	if err != nil {
		return nil, fmt.Errorf("write the pack: %w", err)
	}
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		stored.Reset(w)
		return stored, nil
	})
	return z, nil
}

// create begins a file. All files have the first time that a ZIP can say: with none at
// all, many a program shows or restores a date that does not exist.
func create(z *zip.Writer, name string) (io.Writer, error) {
	to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		return nil, fmt.Errorf("begin a file: %w", err)
	}
	return to, nil
}

func (s *PackSound) file() string { return s.Name + "." + Extension(s.Recipe.Format) }

// ErrNotTheFile means that a file is not the one that was stored.
var ErrNotTheFile = errors.New("format: the file is not what its size and checksum say")

// copyTo copies the file of a sound.
func (s *PackSound) copyTo(ctx context.Context, to io.Writer) (err error) {
	file, err := s.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := &summed{ctx: ctx, r: file, sum: sha256.New()}
	n, err := io.Copy(to, io.LimitReader(sum, s.Size+1))
	if err != nil {
		return err
	}
	if n != s.Size || hex.EncodeToString(sum.sum.Sum(nil)) != s.ETag {
		return ErrNotTheFile
	}
	return nil
}

// summed is a reader that ends with its context and sums what it reads.
type summed struct {
	ctx context.Context //nolint:containedctx // of the one copy that it is made for
	r   io.Reader
	sum hash.Hash
}

// Read implements io.Reader.
func (s *summed) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	return n, err //nolint:wrapcheck // a reader's errors are those of what it reads
}

func (p *Pack) manifest() ([]byte, error) {
	out := struct {
		Name    string  `json:"name"`
		Pack    string  `json:"pack"`
		Digest  string  `json:"digest"`
		Entries []entry `json:"sounds"`
	}{Name: p.Name, Pack: PackVersion, Digest: p.Digest(), Entries: make([]entry, len(p.Sounds))}
	for i := range p.Sounds {
		s := &p.Sounds[i]
		o := s.Recipe.Patch.Output
		e := entry{
			Name: s.Name, Failure: s.Failure, Seed: s.Recipe.Patch.Seed, SampleRate: o.SampleRate, Channels: o.Channels, BitDepth: o.BitDepth,
			Digest: s.Recipe.Digest(), Recipe: s.Recipe.Canonical(),
		}
		if s.Failure == "" {
			e.File, e.Bytes, e.SHA256, e.Seconds = s.file(), s.Size, s.ETag, float64(s.Frames)/float64(o.SampleRate)
		}
		out.Entries[i] = e
	}
	data, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	return append(data, '\n'), nil
}

func (p *Pack) readme() string {
	var failed []string
	for i := range p.Sounds {
		if s := &p.Sounds[i]; s.Failure != "" {
			failed = append(failed, fmt.Sprintf("  %s: %s\n", s.Name, s.Failure))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%d sounds, rendered by PatchLAB.\n", p.Name, len(p.Sounds)-len(failed))
	b.WriteString("\nEach file holds the recipe that it was rendered from. `patchlab inspect FILE` prints\n" +
		"it, and `patchlab verify FILE` renders it again and compares every byte. All recipes\n" +
		"are in manifest.json, too, with the length and the SHA-256 of each file.\n")
	if len(failed) > 0 {
		fmt.Fprintf(&b, "\nMissing, because they could not be rendered:\n%s", strings.Join(failed, ""))
	}
	return b.String()
}
