package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"patchlab/internal/format"
)

// writeOutput writes to standard output or, whole or not at all, to a file.
func writeOutput(env Env, name string, write func(io.Writer) error) error {
	if name == stdinOrStdout {
		if err := buffered(env.Stdout, write); err != nil {
			return fmt.Errorf("standard output: %w", err)
		}
		return nil
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays a link
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fmt.Errorf("%s is a directory; name a file in it", name)
		}
		return writeDevice(name, write)
	}
	return writeAtomic(name, write)
}

// folderOf returns the folder in which writeOutput makes a file, and that of temporary
// files where it makes none.
func folderOf(name string) string {
	if name == stdinOrStdout {
		return os.TempDir()
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.TempDir()
	}
	return filepath.Dir(name)
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 64<<10)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// writeDevice writes to what is there already and is no regular file, such as
// /dev/null or a named pipe.
func writeDevice(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	return errors.Join(buffered(f, write), f.Close())
}

// writeAtomic writes a temporary file beside the target, forces it to the disk
// and renames it, so that the name never stands for half a sound.
func writeAtomic(name string, write func(io.Writer) error) (err error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return fmt.Errorf("name a temporary file: %w", err)
	}
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+hex.EncodeToString(id[:])+".tmp")
	// Created by OpenFile and not CreateTemp, so that the umask decides who may read it.
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // a sound is no secret: the umask decides
	if err != nil {
		return fmt.Errorf("create a file beside %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp))
		}
	}()
	if err := buffered(f, write); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("force %s to the disk: %w", name, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", name, err)
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("put the file in place: %w", err)
	}
	return nil
}

// recipeJSON is a recipe as `inspect` prints it: the schema Recipe of the HTTP API.
type recipeJSON struct {
	Engine  string          `json:"engine"`
	Encoder string          `json:"encoder"`
	Format  string          `json:"format"`
	Digest  string          `json:"digest"`
	Patch   json.RawMessage `json:"patch"`
}

func inspect(_ context.Context, env Env, args []string) error {
	return withFile("inspect", args, func(f *os.File, size int64) error {
		r, err := format.ReadRecipe(f, size)
		if err != nil {
			return fileFault(f, err)
		}
		p, err := json.Marshal(r.Patch)
		if err != nil {
			return fmt.Errorf("encode the patch: %w", err)
		}
		return writeJSON(env, recipeJSON{Engine: r.Engine, Encoder: r.Encoder, Format: r.Format, Digest: r.Digest(), Patch: p})
	})
}

func verify(ctx context.Context, env Env, args []string) error {
	return withFile("verify", args, func(f *os.File, size int64) error {
		r, err := format.Verify(ctx, f, size)
		if err != nil {
			return fileFault(f, err)
		}
		if _, err := fmt.Fprintf(env.Stdout, "%s: the same bytes, engine %s, recipe %s\n", f.Name(), r.Engine, r.Digest()); err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
		return nil
	})
}

// fileFault names the file in an error and says what to do.
func fileFault(f *os.File, err error) error {
	hint := ""
	switch {
	case errors.Is(err, format.ErrNoRecipe):
		hint = "; only files that PatchLAB wrote, unchanged, hold one"
	case errors.Is(err, format.ErrNotWAV):
		hint = "; fetch it again, or give a WAV file that PatchLAB wrote"
	}
	return fmt.Errorf("%s: %w%s", f.Name(), err, hint)
}

// withFile opens the one file that a command is about.
func withFile(name string, args []string, use func(f *os.File, size int64) error) error {
	rest, err := parseFlags(flag.NewFlagSet(name, flag.ContinueOnError), args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("name one file: patchlab %s FILE", name)
	}
	f, err := os.Open(rest[0])
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", rest[0], err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; name a WAV file", rest[0])
	}
	return use(f, info.Size())
}
