package storage

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

func newDisk(t *testing.T) (*Disk, string) {
	t.Helper()
	dir := t.TempDir()
	d, err := NewDisk(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, dir
}

func newKey(t *testing.T) Key {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return Key{Digest: strings.Repeat("ab12", 16), ID: id, Ext: "wav"}
}

// files returns every path under dir but the directories.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, p)
		}
		return err
	}))
	return out
}

// A link that somebody plants must lead neither reads nor writes out of the store.
func TestDiskRefusesLinksThatLeadOut(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	etag := strings.Repeat("0", 64)
	for name, plant := range map[string]func(t *testing.T, dir, outside string){
		"shard": func(t *testing.T, dir, outside string) {
			require.NoError(t, os.MkdirAll(filepath.Join(outside, k.Digest), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(outside, k.Digest, fileName(k, etag)), []byte("secret"), 0o600))
			require.NoError(t, os.Symlink(outside, filepath.Join(dir, k.Digest[:shardLen])))
		},
		"digest": func(t *testing.T, dir, outside string) {
			require.NoError(t, os.WriteFile(filepath.Join(outside, fileName(k, etag)), []byte("secret"), 0o600))
			require.NoError(t, os.MkdirAll(filepath.Join(dir, k.Digest[:shardLen]), 0o700))
			require.NoError(t, os.Symlink(outside, filepath.Join(dir, k.Digest[:shardLen], k.Digest)))
		},
		"file": func(t *testing.T, dir, outside string) {
			require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
			require.NoError(t, os.MkdirAll(filepath.Join(dir, k.Digest[:shardLen], k.Digest), 0o700))
			require.NoError(t, os.Symlink(filepath.Join(outside, "secret"),
				filepath.Join(dir, k.Digest[:shardLen], k.Digest, fileName(k, etag))))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, dir := newDisk(t)
			outside := t.TempDir()
			plant(t, dir, outside)
			had := files(t, outside)

			_, _, err := d.Open(t.Context(), k.String())
			require.Error(t, err)
			_, err = d.Stat(t.Context(), k.String())
			require.Error(t, err)
			if name != "file" { // beside a planted file a blob of ours is fine
				_, err = d.Put(t.Context(), k.String(), strings.NewReader("x"))
				require.Error(t, err)
			}
			_ = d.Delete(t.Context(), k.String()) // what it says does not matter, what it does is below
			_ = d.List(t.Context(), "", func(i Info) error {
				t.Errorf("listed %s", i.Key)
				return nil
			})
			require.Equal(t, had, files(t, outside))
		})
	}
}

// The key hides how files lie: a shard, and the hash in the name.
func TestDiskLayout(t *testing.T) {
	t.Parallel()
	d, dir := newDisk(t)
	k := newKey(t)
	info, err := d.Put(t.Context(), k.String(), strings.NewReader("x"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "ab", k.Digest, k.ID.String()+"~"+info.ETag+".wav")}, files(t, dir))
	require.NoError(t, d.Delete(t.Context(), k.String()))
	_, err = os.Stat(filepath.Join(dir, "ab", k.Digest))
	require.ErrorIs(t, err, fs.ErrNotExist, "an empty directory is pruned")
}

// What lies about in the directory and is not ours is neither shown nor touched.
func TestDiskIgnoresStrangers(t *testing.T) {
	t.Parallel()
	d, dir := newDisk(t)
	k := newKey(t)
	_, err := d.Put(t.Context(), k.String(), strings.NewReader("x"))
	require.NoError(t, err)
	for _, name := range []string{"README", "ab/notes.txt", "ab/" + k.Digest + "/" + k.ID.String() + ".wav", "ab/" + k.Digest + "/.DS_Store"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	var keys []string
	require.NoError(t, d.List(t.Context(), "", func(i Info) error {
		keys = append(keys, i.Key)
		return nil
	}))
	require.Equal(t, []string{k.String()}, keys)
	require.NoError(t, d.Delete(t.Context(), k.String()))
	require.Len(t, files(t, dir), 4)
}

func TestDiskSweepsWhatCrashesLeft(t *testing.T) {
	t.Parallel()
	d, dir := newDisk(t)
	now := time.Now()
	for name, age := range map[string]time.Duration{"old": 2 * time.Hour, "new": time.Minute} {
		p := filepath.Join(dir, tempDir, name+tempSuffix)
		require.NoError(t, os.WriteFile(p, []byte("x"), 0o600))
		require.NoError(t, os.Chtimes(p, now, now.Add(-age)))
	}
	n, err := d.CountTemp(t.Context(), now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = d.SweepTemp(t.Context(), now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{filepath.Join(dir, tempDir, "new"+tempSuffix)}, files(t, dir))
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err     error
		message string
	}{
		"full":   {syscall.ENOSPC, "the asset store is full"},
		"quota":  {syscall.EDQUOT, "the asset store is full"},
		"broken": {syscall.EIO, "the asset store cannot be used at the moment"},
	} {
		for _, where := range []string{"create", "write", "sync", "close"} {
			t.Run(name+"/"+where, func(t *testing.T) {
				t.Parallel()
				d, dir := newDisk(t)
				create := d.create
				d.create = func(name string) (tempFile, error) {
					if where == "create" {
						return nil, &fs.PathError{Op: "open", Path: name, Err: test.err}
					}
					f, err := create(name)
					return &faulty{tempFile: f, where: where, err: test.err}, err
				}
				_, err := d.Put(t.Context(), newKey(t).String(), bytes.NewReader(make([]byte, 100_000)))
				var e *model.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, model.CodeUnavailable, e.Code)
				require.Equal(t, test.message, e.Message)
				require.ErrorIs(t, err, test.err)
				require.Empty(t, files(t, dir))
				if where == "create" || where == "write" {
					require.Equal(t, model.CodeUnavailable, model.CodeOf(d.Check(t.Context())))
				}
			})
		}
	}
}

// faulty fails at one step, as a medium may.
type faulty struct {
	tempFile
	where string
	err   error
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.where == "write" {
		return len(p) / 2, f.err
	}
	return f.tempFile.Write(p)
}

func (f *faulty) Sync() error {
	if f.where == "sync" {
		return f.err
	}
	return f.tempFile.Sync()
}

func (f *faulty) Close() error {
	err := f.tempFile.Close()
	if f.where == "close" {
		return f.err
	}
	return err
}

// A reader that holds a blob is not disturbed by its deletion.
func TestDiskReadsOnAfterDelete(t *testing.T) {
	t.Parallel()
	d, _ := newDisk(t)
	k := newKey(t)
	_, err := d.Put(t.Context(), k.String(), strings.NewReader("whole"))
	require.NoError(t, err)
	r, _, err := d.Open(t.Context(), k.String())
	require.NoError(t, err)
	require.NoError(t, d.Delete(t.Context(), k.String()))
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "whole", string(got))
	require.NoError(t, r.Close())
}

func TestNewDiskNeedsADirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := NewDisk(file)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNotFound)
}
