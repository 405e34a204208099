// Package storage keeps the blobs of PatchLAB: rendered audio and archives. A
// blob has a key made of the digest of its recipe and a UUID v7 of its own, is
// written once, and never changes. Keys are built in one place, NewKey, and every
// store reads them with ParseKey before it touches anything, so that nothing
// but a digest, a UUID and a short extension ever becomes part of a path.
package storage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
)

var (
	// ErrNotFound says that no blob has the key.
	ErrNotFound = errors.New("no such blob")
	// ErrExists says that the key is taken: blobs are written once.
	ErrExists = errors.New("blob exists already")
	// ErrKey says that a key was not built by NewKey.
	ErrKey = errors.New("not a storage key")
)

// Info is what a store knows of a blob without reading it.
type Info struct {
	Key     string
	Size    int64     // bytes
	ETag    string    // hex SHA-256 of the bytes; from Put always, else "" where the store would have to read them
	ModTime time.Time // when it was stored; from Put the zero time where the store did not say
}

// Store keeps blobs. All methods are safe for concurrent use, also by several
// processes on the same store. A key that ParseKey refuses is ErrKey everywhere.
type Store interface {
	// Put stores what r yields under a new key. The blob appears whole, after it
	// is safe on the medium, or not at all: not after an error of r, which is
	// returned wrapped, nor after the end of ctx. A key that is taken is ErrExists.
	// A full or failing medium is a *model.Error of CodeUnavailable.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)
	// Open returns the blob for reading from any place, or ErrNotFound. The caller
	// closes it. A blob that is deleted meanwhile can be read to its end on disk;
	// elsewhere reading may fail.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error)
	// Stat returns what Open would, without the bytes.
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes a blob. One that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List calls fn for each blob whose key is greater than after, in order of key,
	// until fn returns an error, which List returns. Start with "", resume with the
	// last key seen. Blobs that come or go meanwhile may be seen or not.
	List(ctx context.Context, after string, fn func(Info) error) error
	// SweepTemp removes what uploads that never ended have left, where nothing was
	// written to it since before, and returns how many there were.
	SweepTemp(ctx context.Context, before time.Time) (int, error)
	// CountTemp returns how many SweepTemp would remove.
	CountTemp(ctx context.Context, before time.Time) (int, error)
	// Check reports whether blobs can be stored now.
	Check(ctx context.Context) error
}

// Key is a key taken apart.
type Key struct {
	Digest string    // of the recipe: 64 lowercase hex digits
	ID     uuid.UUID // version 7; holds the time at which the key was made
	Ext    string    // file name extension without the dot: 1–8 lowercase letters and digits
}

const (
	digestLen = 64
	uuidLen   = 36
	maxExtLen = 8
)

// NewKey builds the key of a blob: "<digest>/<uuid>.<ext>". The parts are checked
// by ParseKey, with which every Store begins.
func NewKey(digest string, id uuid.UUID, ext string) string {
	return digest + "/" + id.String() + "." + ext
}

// ParseKey takes a key apart. It accepts exactly what NewKey makes of valid
// parts, byte for byte, and returns ErrKey for anything else.
func ParseKey(key string) (Key, error) {
	digest, name, ok := strings.Cut(key, "/")
	if !ok || !isDigest(digest) {
		return Key{}, badKey(key)
	}
	id, ext, ok := strings.Cut(name, ".")
	if !ok || !isExt(ext) {
		return Key{}, badKey(key)
	}
	u, err := parseID(id)
	if err != nil {
		return Key{}, badKey(key)
	}
	return Key{Digest: digest, ID: u, Ext: ext}, nil
}

// String returns the key as one string.
func (k Key) String() string { return NewKey(k.Digest, k.ID, k.Ext) }

// Time returns when the key was made, to the millisecond.
func (k Key) Time() time.Time {
	var ms int64
	for _, b := range k.ID[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// KeyTime returns when a key was made, to the millisecond. It is how the age of
// a blob without a row is told: the clock and the copying habits of the medium
// have no part in it.
func KeyTime(key string) (time.Time, error) {
	k, err := ParseKey(key)
	if err != nil {
		return time.Time{}, err
	}
	return k.Time(), nil
}

// badKey names the key in the error, cut short: it may come from anywhere.
func badKey(key string) error {
	const most = 128
	if len(key) > most {
		key = key[:most]
	}
	return fmt.Errorf("%w: %q", ErrKey, key)
}

func isDigest(s string) bool {
	if len(s) != digestLen || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

func isExt(s string) bool {
	if s == "" || len(s) > maxExtLen {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// parseID reads a UUID v7 in its one canonical spelling.
func parseID(s string) (uuid.UUID, error) {
	if len(s) != uuidLen {
		return uuid.Nil, ErrKey
	}
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		return uuid.Nil, ErrKey
	}
	return u, nil
}
