package storage

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

const (
	// tempDir holds uploads under way, in the same file system as the blobs so
	// that a rename publishes them.
	tempDir    = ".tmp"
	tempSuffix = ".part"
	dirMode    = 0o750
	fileMode   = 0o640
	// shardLen hex digits of the digest spread the blobs over 256 directories.
	shardLen = 2
	// publishTries bounds how often Put makes its directory again after a
	// concurrent Delete has pruned it. Each lost race needs another Delete to empty
	// that very directory in between, so that more than one or two is unheard of.
	publishTries = 100
)

// Disk is a Store in a directory. The blob with the key
// "<digest>/<uuid>.<ext>" is the file
//
//	<first two digits of digest>/<digest>/<uuid>~<etag>.<ext>
//
// The name carries the hash of the bytes, so that one rename publishes both and
// Stat need not read the file.
type Disk struct {
	root    *os.Root
	create  func(name string) (tempFile, error)
	lasting sync.Map  // directories below the root whose names are known to last
	buffers sync.Pool // of *bufio.Writer, of copySize
}

// copySize is how much of a file is taken at a time.
const copySize = 256 << 10

// tempFile is the part of *os.File that Put needs.
type tempFile interface {
	io.Writer
	Sync() error
	Stat() (fs.FileInfo, error)
	Close() error
}

var _ Store = (*Disk)(nil)

// NewDisk opens the store in dir, which is made where it is missing. dir itself
// may be a symbolic link; nothing inside leads out of it.
func NewDisk(dir string) (*Disk, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make the directory of blobs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of blobs: %w", err)
	}
	if err := root.MkdirAll(tempDir, dirMode); err != nil {
		return nil, errors.Join(fmt.Errorf("make the directory of uploads: %w", err), root.Close())
	}
	d := &Disk{root: root, buffers: sync.Pool{New: func() any { return bufio.NewWriterSize(nil, copySize) }}}
	d.create = func(name string) (tempFile, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	}
	return d, nil
}

// Close gives back the handle of the directory. Blobs that are open stay so.
func (d *Disk) Close() error { return d.root.Close() }

// Put implements Store.
func (d *Disk) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	k, err := ParseKey(key)
	if err != nil {
		return Info{}, err
	}
	switch _, err := d.find(k); {
	case err == nil:
		return Info{}, fmt.Errorf("store %s: %w", key, ErrExists)
	case !errors.Is(err, ErrNotFound):
		return Info{}, unavailable("look for", key, err)
	}
	temp, err := d.newTemp()
	if err != nil {
		return Info{}, unavailable("store", key, err)
	}
	info, err := d.fill(ctx, temp, r)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = d.publish(temp, k, info.ETag)
	}
	if err != nil {
		err = errors.Join(err, d.remove(temp))
		if ctx.Err() != nil {
			return Info{}, fmt.Errorf("store %s: %w", key, ctx.Err())
		}
		var src sourceError
		if errors.As(err, &src) {
			return Info{}, fmt.Errorf("store %s: read the source: %w", key, src.error)
		}
		return Info{}, unavailable("store", key, err)
	}
	info.Key = k.String()
	return info, nil
}

// newTemp returns a name for an upload that no other process will choose.
func (d *Disk) newTemp() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name an upload: %w", err)
	}
	return path.Join(tempDir, id.String()+tempSuffix), nil
}

// fill writes what r yields to the temporary file and through to the medium, and
// returns what is known of it then: all but its key.
func (d *Disk) fill(ctx context.Context, temp string, r io.Reader) (info Info, err error) {
	f, err := d.create(temp)
	if err != nil {
		return Info{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	buffer := d.buffers.Get().(*bufio.Writer)
	buffer.Reset(io.MultiWriter(f, hash))
	defer func() {
		buffer.Reset(nil)
		d.buffers.Put(buffer)
	}()
	if err := copyAll(ctx, buffer, r); err != nil {
		return Info{}, err
	}
	if err := f.Sync(); err != nil {
		return Info{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return Info{Size: stat.Size(), ETag: hex.EncodeToString(hash.Sum(nil)), ModTime: stat.ModTime().UTC()}, nil
}

// publish renames the temporary file to its place and makes that last. A
// concurrent Delete may prune the directory between its making and the rename;
// then it is made again.
func (d *Disk) publish(temp string, k Key, etag string) error {
	dir := d.dir(k)
	err := fs.ErrNotExist
	for try := 0; try < publishTries && errors.Is(err, fs.ErrNotExist); try++ {
		if err := d.root.MkdirAll(dir, dirMode); err != nil {
			// It was pruned while it was made: above it, or itself after it was seen.
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
				continue
			}
			return err
		}
		err = d.root.Rename(temp, path.Join(dir, fileName(k, etag)))
	}
	if err != nil {
		return errors.Join(err, d.prune(dir))
	}
	// Every directory up to the root, also where this Put did not make it: whoever
	// did may not have got as far as its fsync. The names in the root stay for ever, so
	// for each of them once is enough.
	shard := path.Dir(dir)
	dirs := []string{dir, shard}
	if _, lasts := d.lasting.Load(shard); !lasts {
		dirs = append(dirs, ".")
	}
	for _, p := range dirs {
		if err := d.syncDir(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, d.remove(path.Join(dir, fileName(k, etag))))
		}
	}
	d.lasting.Store(shard, true)
	return nil
}

// Open implements Store.
func (d *Disk) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	info, name, err := d.stat(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Info{}, fmt.Errorf("open %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, Info{}, unavailable("open", key, err)
	}
	return f, info, nil
}

// Stat implements Store.
func (d *Disk) Stat(ctx context.Context, key string) (Info, error) {
	info, _, err := d.stat(ctx, key)
	return info, err
}

func (d *Disk) stat(ctx context.Context, key string) (Info, string, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, "", fmt.Errorf("look for %s: %w", key, err)
	}
	k, err := ParseKey(key)
	if err != nil {
		return Info{}, "", err
	}
	b, err := d.find(k)
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return Info{}, "", fmt.Errorf("look for %s: %w", key, ErrNotFound)
		}
		return Info{}, "", unavailable("look for", key, err)
	}
	return b.Info, path.Join(d.dir(k), b.file), nil
}

// Delete implements Store. It is not made to last: a blob that comes back after
// a power cut has no row, and the janitor takes it again.
func (d *Disk) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	k, err := ParseKey(key)
	if err != nil {
		return err
	}
	dir := d.dir(k)
	b, err := d.find(k)
	if err == nil {
		err = d.remove(path.Join(dir, b.file))
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return unavailable("delete", key, err)
	}
	if err := d.prune(dir); err != nil {
		return unavailable("delete", key, err)
	}
	return nil
}

// List implements Store.
func (d *Disk) List(ctx context.Context, after string, fn func(Info) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	from, _, _ := strings.Cut(after, "/")
	shards, err := d.entries(".")
	if err != nil {
		return unavailable("list", "blobs", err)
	}
	for _, shard := range shards {
		name := shard.Name()
		if !shard.IsDir() || len(name) != shardLen || name < from[:min(shardLen, len(from))] {
			continue
		}
		if err := d.listShard(ctx, name, from, after, fn); err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) listShard(ctx context.Context, shard, from, after string, fn func(Info) error) error {
	digests, err := d.entries(shard)
	if err != nil {
		return unavailable("list", "blobs", err)
	}
	for _, entry := range digests {
		digest := entry.Name()
		if digest < from || !isDigest(digest) || digest[:shardLen] != shard {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		blobs, err := d.blobs(digest)
		if err != nil {
			return unavailable("list", "blobs", err)
		}
		for _, b := range blobs {
			if b.Key <= after {
				continue
			}
			if err := fn(b.Info); err != nil {
				return err
			}
		}
	}
	return nil
}

// SweepTemp implements Store. The time of an upload is that of its last write.
func (d *Disk) SweepTemp(ctx context.Context, before time.Time) (int, error) {
	return d.eachTemp(ctx, before, d.remove)
}

// CountTemp implements Store.
func (d *Disk) CountTemp(ctx context.Context, before time.Time) (int, error) {
	return d.eachTemp(ctx, before, func(string) error { return nil })
}

// eachTemp calls fn with the names of uploads that were last written to before a time.
func (d *Disk) eachTemp(ctx context.Context, before time.Time, fn func(name string) error) (int, error) {
	entries, err := d.entries(tempDir)
	if err != nil {
		return 0, unavailable("sweep", "uploads", err)
	}
	var n int
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return n, fmt.Errorf("sweep uploads: %w", err)
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
			continue
		}
		if err == nil {
			err = fn(path.Join(tempDir, entry.Name()))
		}
		if err != nil {
			return n, unavailable("sweep", "uploads", err)
		}
		n++
	}
	return n, nil
}

// Check implements Store by writing one byte and removing it.
func (d *Disk) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	temp, err := d.newTemp()
	if err != nil {
		return unavailable("check", "the store", err)
	}
	f, err := d.create(temp)
	if err != nil {
		return unavailable("check", "the store", err)
	}
	_, err = f.Write([]byte{0})
	if err := errors.Join(err, f.Close(), d.remove(temp)); err != nil {
		return unavailable("check", "the store", err)
	}
	return nil
}

// dir is the one resolver: the directory of a key, built from the parts that
// ParseKey has checked and always used through d.root, which follows no link
// that leads out.
func (d *Disk) dir(k Key) string { return path.Join(k.Digest[:shardLen], k.Digest) }

// fileName is the name of a blob in the directory of its digest.
func fileName(k Key, etag string) string { return k.ID.String() + "~" + etag + "." + k.Ext }

// blob is a stored file.
type blob struct {
	Info
	file string // its name in the directory of its digest
}

// find returns the file of a key, or ErrNotFound.
func (d *Disk) find(k Key) (blob, error) {
	blobs, err := d.blobs(k.Digest)
	if err != nil {
		return blob{}, err
	}
	key := k.String()
	for _, b := range blobs {
		if b.Key == key {
			return b, nil
		}
	}
	return blob{}, ErrNotFound
}

// blobs returns the blobs of one digest in order of key: a handful at most, one
// for each worker that rendered the same recipe at the same time. What is not a
// regular file with a name of ours is not a blob.
func (d *Disk) blobs(digest string) ([]blob, error) {
	entries, err := d.entries(path.Join(digest[:shardLen], digest))
	if err != nil {
		return nil, err
	}
	var out []blob
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		id, rest, _ := strings.Cut(entry.Name(), "~")
		etag, ext, _ := strings.Cut(rest, ".")
		key, err := ParseKey(digest + "/" + id + "." + ext)
		if err != nil || !isDigest(etag) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, blob{
			Info: Info{Key: key.String(), Size: info.Size(), ETag: etag, ModTime: info.ModTime().UTC()},
			file: entry.Name(),
		})
	}
	slices.SortFunc(out, func(a, b blob) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// entries returns what is in a directory, sorted by name; nothing where the
// directory is not there.
func (d *Disk) entries(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(d.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// remove deletes a file; one that is not there is fine.
func (d *Disk) remove(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// prune removes a directory where it is empty. The kernel decides that, so a
// concurrent Put loses nothing: either its file is there, or it makes the
// directory again. The 256 directories above stay.
func (d *Disk) prune(dir string) error {
	err := d.root.Remove(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// syncDir makes the names in a directory last.
func (d *Disk) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// unavailable maps a fault of the medium to an error that may be shown and
// retried; a full disk is named.
func unavailable(verb, what string, err error) error {
	message := "the asset store cannot be used at the moment"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		message = "the asset store is full"
	}
	return model.Wrap(model.CodeUnavailable, fmt.Errorf("%s %s: %w", verb, what, err), message)
}

// source reads until the context ends, and marks errors that are not the medium's.
type source struct {
	ctx context.Context
	r   io.Reader
}

// sourceError is an error of what is being stored.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, sourceError{err}
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sourceError{err}
	}
	return n, err
}

// copyAll writes all that r yields. What can write itself does so: between a reader and a
// writer that wait for each other stand two goroutines, often on two processors.
func copyAll(ctx context.Context, to *bufio.Writer, r io.Reader) error {
	from, ok := r.(io.WriterTo)
	if !ok {
		if _, err := to.ReadFrom(&source{ctx: ctx, r: r}); err != nil {
			return err
		}
		return to.Flush()
	}
	medium := &sink{ctx: ctx, w: to}
	_, err := from.WriteTo(medium)
	switch {
	case medium.err != nil:
		return medium.err
	case err != nil:
		return sourceError{err}
	default:
		return to.Flush()
	}
}

// sink remembers its own error, which whoever writes may put in words of its own.
type sink struct {
	ctx context.Context
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (s *sink) Write(p []byte) (n int, err error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err == nil {
		n, s.err = s.w.Write(p)
	}
	return n, s.err
}
