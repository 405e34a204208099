// Package storagetest holds the conformance suite of storage.Store. Every store
// runs it, on a real medium, and so promises the same to the rest of PatchLAB.
package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/storage"
)

// Run checks a store against what storage.Store promises. newStore returns an
// empty store for each test and cleans up after it.
func Run(t *testing.T, newStore func(t *testing.T) storage.Store) {
	t.Helper()
	for name, check := range map[string]func(*testing.T, storage.Store){
		"PutThenRead":         putThenRead,
		"Empty":               empty,
		"Seek":                seek,
		"Large":               large,
		"LargeSourceFails":    largeSourceFails,
		"CancelledLargePut":   cancelledLargePut,
		"Chunks":              chunks,
		"NotFound":            notFound,
		"WrittenOnce":         writtenOnce,
		"BadKeys":             badKeys,
		"SourceFails":         sourceFails,
		"CancelledPut":        cancelledPut,
		"Cancelled":           cancelled,
		"DeleteTwice":         deleteTwice,
		"SiblingsOfOneDigest": siblings,
		"List":                list,
		"ListStops":           listStops,
		"SweepTemp":           sweepTemp,
		"Check":               check,
		"PutAgainstDelete":    putAgainstDelete,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, newStore(t))
		})
	}
}

// NewKey returns a key for the recipe that seed stands for.
func NewKey(t testing.TB, seed string) string {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return storage.NewKey(hash([]byte(seed)), id, "wav")
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// noise returns n bytes that are the same at every run and do not compress.
func noise(n int) []byte {
	data := make([]byte, n)
	src := rand.NewChaCha8([32]byte{1})
	_, _ = src.Read(data) // documented never to fail
	return data
}

func put(t testing.TB, s storage.Store, key string, data []byte) storage.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, bytes.NewReader(data))
	require.NoError(t, err)
	return info
}

func keys(t testing.TB, s storage.Store, after string) []string {
	t.Helper()
	var out []string
	require.NoError(t, s.List(t.Context(), after, func(i storage.Info) error {
		out = append(out, i.Key)
		return nil
	}))
	return out
}

// requireSame checks that a store knows of a blob what Put said of it, as far as it
// has to.
func requireSame(t testing.TB, put, now storage.Info) {
	t.Helper()
	require.Equal(t, put.Key, now.Key)
	require.Equal(t, put.Size, now.Size)
	if now.ETag != "" {
		require.Equal(t, put.ETag, now.ETag)
	}
}

// requireNothing checks that neither a blob nor a piece of an upload is left.
func requireNothing(t testing.TB, s storage.Store) {
	t.Helper()
	require.Empty(t, keys(t, s, ""))
	n, err := s.CountTemp(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "an upload left something behind")
	n, err = s.SweepTemp(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "an upload left something behind")
}

func putThenRead(t *testing.T, s storage.Store) {
	data := noise(300_000)
	key := NewKey(t, "a")
	before := time.Now().Add(-2 * time.Second)
	info := put(t, s, key, data)
	require.Equal(t, key, info.Key)
	require.Equal(t, int64(len(data)), info.Size)
	require.Equal(t, hash(data), info.ETag)

	stat, err := s.Stat(t.Context(), key)
	require.NoError(t, err)
	requireSame(t, info, stat)
	require.True(t, stat.ModTime.After(before), "stored at %v", stat.ModTime)

	r, opened, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	requireSame(t, info, opened)
	require.Equal(t, stat.ModTime, opened.ModTime)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal(data, got))
	n, err := s.SweepTemp(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "an upload left something behind")
}

func empty(t *testing.T, s storage.Store) {
	key := NewKey(t, "a")
	info := put(t, s, key, nil)
	require.Zero(t, info.Size)
	require.Equal(t, hash(nil), info.ETag)
	require.Equal(t, []string{key}, keys(t, s, ""))
}

func seek(t *testing.T, s storage.Store) {
	data := noise(100_000)
	key := NewKey(t, "a")
	put(t, s, key, data)
	r, _, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()

	end, err := r.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	require.Equal(t, int64(len(data)), end)
	for _, at := range []int64{99_990, 0, 65_536, 1} {
		pos, err := r.Seek(at, io.SeekStart)
		require.NoError(t, err)
		require.Equal(t, at, pos)
		got := make([]byte, 10)
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, data[at:at+10], got)
	}
}

// largeSize is more than any store sends or holds at once, and no round number.
const largeSize = 20<<20 + 12345

func large(t *testing.T, s storage.Store) {
	data := noise(largeSize)
	key := NewKey(t, "a")
	info := put(t, s, key, data)
	require.Equal(t, int64(len(data)), info.Size)
	require.Equal(t, hash(data), info.ETag)
	require.Equal(t, []string{key}, keys(t, s, ""))
	r, opened, err := s.Open(t.Context(), key)
	require.NoError(t, err)
	requireSame(t, info, opened)
	for _, at := range []int64{largeSize - 5, 0, 8 << 20, 8<<20 - 3} {
		_, err := r.Seek(at, io.SeekStart)
		require.NoError(t, err)
		got := make([]byte, 5)
		_, err = io.ReadFull(r, got)
		require.NoError(t, err)
		require.Equal(t, data[at:at+5], got)
	}
	_, err = r.Seek(0, io.SeekStart)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.True(t, bytes.Equal(data, got))
	_, err = s.Put(t.Context(), key, bytes.NewReader(data))
	require.ErrorIs(t, err, storage.ErrExists)
	require.NoError(t, s.Delete(t.Context(), key))
	requireNothing(t, s)
}

func largeSourceFails(t *testing.T, s storage.Store) {
	broken := errors.New("the encoder broke")
	_, err := s.Put(t.Context(), NewKey(t, "a"), io.MultiReader(bytes.NewReader(noise(largeSize)), failing{broken}))
	require.ErrorIs(t, err, broken)
	requireNothing(t, s)
}

func cancelledLargePut(t *testing.T, s storage.Store) {
	data := noise(largeSize)
	for _, at := range []int{9 << 20, largeSize} {
		ctx, cancel := context.WithCancel(t.Context())
		r := io.MultiReader(bytes.NewReader(data[:at]), call{cancel}, bytes.NewReader(data[at:]))
		_, err := s.Put(ctx, NewKey(t, "a"), r)
		cancel()
		require.ErrorIs(t, err, context.Canceled, "cancelled after %d bytes", at)
		requireNothing(t, s)
	}
}

// chunks holds sizes around what stores send at once, from a source that yields a
// little at a time.
func chunks(t *testing.T, s storage.Store) {
	for _, size := range []int{1, 1 << 20, 8<<20 - 1, 8 << 20, 8<<20 + 1, 16 << 20} {
		data := noise(size)
		key := NewKey(t, "a")
		info, err := s.Put(t.Context(), key, iotest.OneByteReader(bytes.NewReader(data[:1])))
		require.NoError(t, err)
		require.Equal(t, int64(1), info.Size)
		key = NewKey(t, "a")
		info, err = s.Put(t.Context(), key, iotest.HalfReader(bytes.NewReader(data)))
		require.NoError(t, err)
		require.Equal(t, int64(size), info.Size)
		require.Equal(t, hash(data), info.ETag)
		r, _, err := s.Open(t.Context(), key)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, errors.Join(err, r.Close()))
		require.True(t, bytes.Equal(data, got))
	}
}

func notFound(t *testing.T, s storage.Store) {
	put(t, s, NewKey(t, "a"), []byte("x"))
	for _, key := range []string{NewKey(t, "a"), NewKey(t, "b")} {
		_, err := s.Stat(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
		_, _, err = s.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
}

func writtenOnce(t *testing.T, s storage.Store) {
	key := NewKey(t, "a")
	first := put(t, s, key, []byte("first"))
	_, err := s.Put(t.Context(), key, strings.NewReader("second"))
	require.ErrorIs(t, err, storage.ErrExists)
	now, err := s.Stat(t.Context(), key)
	require.NoError(t, err)
	requireSame(t, first, now)
}

func badKeys(t *testing.T, s storage.Store) {
	good := NewKey(t, "a")
	digest, name, _ := strings.Cut(good, "/")
	for _, key := range []string{
		"", ".", "..", "/", "../" + good, "/" + good, good + "/", good + "/..", good + "\x00", "a/" + good,
		digest + "/../" + digest + "/" + name, digest + "\\" + name, strings.ToUpper(digest) + "/" + name,
		digest + "/" + strings.ToUpper(name), digest + "/.tmp", "../../etc/passwd", "/etc/passwd",
		digest[:63] + "/" + name, digest + "//" + name, digest + "/" + uuid.Nil.String() + ".wav",
		digest + "/" + strings.TrimSuffix(name, "wav"), digest + "/" + name + "toolongext", digest + "/" + name + ".wav",
	} {
		_, err := s.Put(t.Context(), key, strings.NewReader("x"))
		require.ErrorIs(t, err, storage.ErrKey, "%q", key)
		_, _, err = s.Open(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrKey, "%q", key)
		_, err = s.Stat(t.Context(), key)
		require.ErrorIs(t, err, storage.ErrKey, "%q", key)
		require.ErrorIs(t, s.Delete(t.Context(), key), storage.ErrKey, "%q", key)
	}
	requireNothing(t, s)
}

func sourceFails(t *testing.T, s storage.Store) {
	broken := errors.New("the encoder broke")
	_, err := s.Put(t.Context(), NewKey(t, "a"), io.MultiReader(bytes.NewReader(noise(200_000)), failing{broken}))
	require.ErrorIs(t, err, broken)
	require.Equal(t, model.CodeInternal, model.CodeOf(err), "the medium is not to blame")
	requireNothing(t, s)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func cancelledPut(t *testing.T, s storage.Store) {
	for _, at := range []int{0, 1, 100_000, 300_000} {
		ctx, cancel := context.WithCancel(t.Context())
		data := noise(300_000)
		r := io.MultiReader(bytes.NewReader(data[:at]), call{cancel}, bytes.NewReader(data[at:]))
		_, err := s.Put(ctx, NewKey(t, "a"), r)
		cancel()
		require.ErrorIs(t, err, context.Canceled, "cancelled after %d bytes", at)
		requireNothing(t, s)
	}
}

// call runs a function where it stands in a stream.
type call struct{ fn func() }

func (c call) Read([]byte) (int, error) {
	c.fn()
	return 0, io.EOF
}

func cancelled(t *testing.T, s storage.Store) {
	key := NewKey(t, "a")
	put(t, s, key, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, NewKey(t, "b"), strings.NewReader("x"))
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.Open(ctx, key)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Stat(ctx, key)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Delete(ctx, key), context.Canceled)
	require.ErrorIs(t, s.List(ctx, "", func(storage.Info) error { return nil }), context.Canceled)
	require.ErrorIs(t, s.Check(ctx), context.Canceled)
	require.Equal(t, []string{key}, keys(t, s, ""))
}

func deleteTwice(t *testing.T, s storage.Store) {
	key := NewKey(t, "a")
	require.NoError(t, s.Delete(t.Context(), key), "never there")
	put(t, s, key, []byte("x"))
	require.NoError(t, s.Delete(t.Context(), key))
	require.NoError(t, s.Delete(t.Context(), key))
	_, err := s.Stat(t.Context(), key)
	require.ErrorIs(t, err, storage.ErrNotFound)
	requireNothing(t, s)
}

func siblings(t *testing.T, s storage.Store) {
	a, b := NewKey(t, "same"), NewKey(t, "same")
	put(t, s, a, []byte("a"))
	put(t, s, b, []byte("b"))
	require.NoError(t, s.Delete(t.Context(), a))
	r, _, err := s.Open(t.Context(), b)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, "b", string(got))
	require.Equal(t, []string{b}, keys(t, s, ""))
}

func list(t *testing.T, s storage.Store) {
	require.Empty(t, keys(t, s, ""))
	var want []string
	for i := range 40 {
		key := NewKey(t, fmt.Sprint(i/2)) // two of each digest
		put(t, s, key, []byte{byte(i)})
		want = append(want, key)
	}
	slices.Sort(want)
	require.Equal(t, want, keys(t, s, ""))
	for i, key := range want {
		require.Equal(t, want[i+1:], append([]string{}, keys(t, s, key)...), "resumed after %d", i)
	}
	digest, _, _ := strings.Cut(want[20], "/")
	require.Equal(t, want[20:], keys(t, s, digest), "resumed from half a key")
	require.Empty(t, keys(t, s, "g"))
	require.Equal(t, want, keys(t, s, "/"))
}

func listStops(t *testing.T, s storage.Store) {
	for i := range 3 {
		put(t, s, NewKey(t, fmt.Sprint(i)), []byte("x"))
	}
	stop := errors.New("enough")
	var n int
	err := s.List(t.Context(), "", func(storage.Info) error {
		n++
		return stop
	})
	require.ErrorIs(t, err, stop)
	require.Equal(t, 1, n)
}

func sweepTemp(t *testing.T, s storage.Store) {
	r, w := io.Pipe()
	key := NewKey(t, "a")
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), key, r)
		done <- err
	}()
	_, err := w.Write(noise(10_000))
	require.NoError(t, err)
	n, err := s.SweepTemp(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, n, "an upload under way is not a leftover")
	require.NoError(t, w.Close())
	require.NoError(t, <-done)
	require.Equal(t, []string{key}, keys(t, s, ""))
}

func check(t *testing.T, s storage.Store) {
	require.NoError(t, s.Check(t.Context()))
	requireNothing(t, s)
}

// putAgainstDelete lets writers and deleters of one digest meet: no Put may fail
// because a Delete tidied up, and no blob may vanish that was not deleted.
func putAgainstDelete(t *testing.T, s storage.Store) {
	const writers, rounds = 4, 25
	var wg sync.WaitGroup
	kept := make([]string, writers)
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			for j := range rounds {
				key := NewKey(t, "same")
				if _, err := s.Put(t.Context(), key, strings.NewReader("x")); err != nil {
					errs[i] = err
					return
				}
				if j == rounds-1 {
					kept[i] = key
					return
				}
				if err := s.Delete(t.Context(), key); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	slices.Sort(kept)
	require.Equal(t, kept, keys(t, s, ""))
}
