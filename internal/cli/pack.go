package cli

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"patchlab/engine"
	"patchlab/internal/format"
)

// maxJobs is how many sounds may be rendered at once: each holds a whole sound in memory.
const maxJobs = 256

// packFlags is how `pack` was called.
type packFlags struct {
	theme          string
	count, jobs    int
	planFile, name string
	output         string
	print          bool
	seed           seedFlag
	over           overrideFlags
}

func parsePack(args []string) (*packFlags, error) {
	fs := flag.NewFlagSet("pack", flag.ContinueOnError)
	var f packFlags
	f.over.register(fs)
	fs.Var(&f.seed, "seed", "")
	fs.IntVar(&f.count, "count", 0, "")
	fs.IntVar(&f.jobs, "jobs", runtime.GOMAXPROCS(0), "")
	fs.StringVar(&f.planFile, "plan", "", "")
	fs.StringVar(&f.name, "name", "", "")
	fs.BoolVar(&f.print, "print-plan", false, "")
	fs.StringVar(&f.output, "o", "", "")
	fs.StringVar(&f.output, "output", "", "")
	rest, err := parseFlags(fs, args)
	if err != nil {
		return nil, err
	}
	f.theme = strings.Join(rest, " ")
	counted := false
	fs.Visit(func(fl *flag.Flag) { counted = counted || fl.Name == "count" })
	switch {
	case f.planFile == "" && len(rest) == 0:
		return nil, usagef(`say what the pack is about: patchlab pack "drum kit" --count 10 -o FILE`)
	case f.planFile != "" && (len(rest) > 0 || counted):
		return nil, usagef("give a theme with --count, or --plan, not both")
	case f.planFile == "" && !counted:
		return nil, usagef("say how many sounds: --count N")
	case f.jobs < 1 || f.jobs > maxJobs:
		return nil, usagef("--jobs %d must be 1 to %d", f.jobs, maxJobs)
	case f.print && f.output != "":
		return nil, usagef("--print-plan renders nothing; leave -o out")
	case !f.print && f.output == "":
		return nil, usagef("say where the pack goes: -o FILE, or -o - for standard output")
	}
	return &f, nil
}

func pack(ctx context.Context, env Env, args []string) error {
	f, err := parsePack(args)
	if err != nil {
		return err
	}
	if f.output == stdinOrStdout && env.StdoutIsTerminal {
		return usagef("a pack would only garble this terminal; use -o FILE or send standard output into a pipe")
	}
	o, err := f.over.overrides()
	if err != nil {
		return err
	}
	var p *plan
	if f.planFile != "" {
		p, err = readPlan(env, f.planFile)
	} else {
		p, err = planOf(f.theme, f.count)
	}
	if err != nil {
		return err
	}
	if f.name != "" {
		p.Name = f.name
	}
	if _, _, err := p.sounds(0, o); err != nil { // before a seed is drawn and printed
		return err
	}
	if f.print {
		return writeJSON(env, p)
	}
	seed, err := f.seed.draw(env)
	if err != nil {
		return err
	}
	sounds, unknown, err := p.sounds(seed, o)
	if err != nil {
		return err
	}
	if n := len(unknown); n > 0 {
		complain(env, "%d of %d sounds name nothing that is known, such as %q; they are made of the default sound", n, len(sounds), unknown[0])
	}
	return writePack(ctx, env, f, &format.Pack{Name: p.Name, Sounds: sounds})
}

// writePack renders the sounds of a pack and writes its ZIP. Where some of them could not
// be rendered the pack is written all the same, and the error says so.
func writePack(ctx context.Context, env Env, f *packFlags, p *format.Pack) error {
	failed := 0
	var bytes int64
	err := writeOutput(env, f.output, func(w io.Writer) (err error) {
		// Beside the output, because there is room for it where there is for the pack.
		dir, err := os.MkdirTemp(folderOf(f.output), ".patchlab-pack-*")
		if err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		causes, err := renderAll(ctx, env, p.Sounds, dir, f.jobs)
		if err != nil {
			return err
		}
		for i := range p.Sounds {
			if s := &p.Sounds[i]; s.Failure != "" {
				failed++
				complain(env, "sound %d, %s: %s (%v)", i+1, s.Name, s.Failure, causes[i])
			} else {
				bytes += s.Size
			}
		}
		if failed == len(p.Sounds) {
			return errors.New("no sound could be rendered; no file was written")
		}
		return format.WritePack(ctx, w, p)
	})
	if err != nil {
		return err
	}
	complain(env, "%d sounds, %.1f MB of audio", len(p.Sounds)-failed, float64(bytes)/1e6)
	if failed > 0 {
		return fmt.Errorf("%d of %d sounds could not be rendered; the pack holds the others and lists them", failed, len(p.Sounds))
	}
	return nil
}

// renderAll renders sounds into files in a folder, some at a time, and fills in what their
// pack needs to know of them. It returns why those failed that did, by their index. Its
// error is of what concerns them all: ctx, or the disk.
func renderAll(ctx context.Context, env Env, sounds []format.PackSound, dir string, jobs int) ([]error, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	bar := &progress{env: env, total: len(sounds)}
	defer bar.end()
	causes := make([]error, len(sounds))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(jobs, len(sounds)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(sounds) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				cause, err := renderSound(ctx, env.Render, &sounds[i], filepath.Join(dir, fmt.Sprintf("%d.%s", i, format.Extension(format.WAV))))
				if err != nil {
					stop(err)
					return
				}
				causes[i] = cause
				bar.step()
			}
		})
	}
	workers.Wait()
	return causes, context.Cause(ctx)
}

// renderSound renders a sound into a file. The cause is why it could not be rendered: then
// the pack goes without it.
func renderSound(ctx context.Context, render RenderFunc, s *format.PackSound, path string) (cause, err error) {
	audio, cause := play(ctx, render, s)
	if cause != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("render: %w", context.Cause(ctx))
	}
	if cause != nil {
		s.Failure = "the engine cannot render this patch" // in the words of the farm, for the same bytes
		return cause, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("keep a sound: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	b := bufio.NewWriterSize(f, 64<<10)
	n := &counted{w: io.MultiWriter(b, sum)}
	if err := format.Encode(ctx, n, audio, s.Recipe); err != nil {
		return nil, err
	}
	if err := b.Flush(); err != nil {
		return nil, fmt.Errorf("keep a sound: %w", err)
	}
	s.Size, s.ETag, s.Frames = n.n, hex.EncodeToString(sum.Sum(nil)), audio.Frames()
	s.Open = func(context.Context) (io.ReadCloser, error) { return os.Open(path) }
	return nil, nil
}

// play runs the engine. A panic is an error of this sound: it must not keep the temporary
// files from being removed, nor the other sounds from arriving.
func play(ctx context.Context, render RenderFunc, s *format.PackSound) (audio engine.Audio, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine panicked: %v", p)
		}
	}()
	return render(ctx, s.Recipe.Patch, engine.Options{})
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err //nolint:wrapcheck // a writer's errors are those of what it writes to
}
