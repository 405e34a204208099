package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"patchlab/engine"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/storage"
)

// The codes of failures, with what their owners read.
const (
	codePoison = "poison"
	codeRender = "render_failed"
	codeKind   = "unknown_task"
)

// failure is an attempt that ended badly: what the owner reads, what the log
// says, and whether another attempt may do better.
type failure struct {
	model.Failure
	retryable bool
	cause     error
}

func (f *failure) Error() string { return f.Code + ": " + f.cause.Error() }
func (f *failure) Unwrap() error { return f.cause }

func final(code, message string, cause error) *failure {
	return &failure{Failure: model.Failure{Code: code, Message: message}, cause: cause}
}

func retryable(code, message string, cause error) *failure {
	return &failure{Failure: model.Failure{Code: code, Message: message}, retryable: true, cause: cause}
}

const (
	firstWait = 100 * time.Millisecond
	mostWait  = 2 * time.Second
)

// Handle works on one ticket; it is the queue's handler. When ctx ends, the
// render stops within a block and the task is handed back without a charge.
func (w *Worker) Handle(ctx context.Context, ticket model.Ticket) error {
	id, err := w.identity(ctx)
	if err != nil {
		return w.giveBack(ctx, ticket)
	}
	run, claimed, end := w.begin(ctx, id, ticket) // before the claim: it may be cancelled right after
	defer end()
	cctx, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
	claim, ok, err := w.farm.Claim(cctx, ticket, id)
	cancel()
	if err != nil {
		if errors.Is(err, service.ErrWorkerGone) {
			w.lose(id)
			w.wakeBeat()
		}
		// The claim may have happened all the same.
		return errors.Join(err, w.giveBack(ctx, ticket))
	}
	if !ok {
		return nil // stale: released again, cancelled or done
	}
	claimed()
	w.cfg.Observer.Claimed(string(claim.Ticket.Lane), claim.PickedUp, claim.Waited)
	outcome, err := w.work(run, claim)
	return w.conclude(run, ticket, outcome, err)
}

func (w *Worker) wakeBeat() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// work does what the task asks for, and contains its panics.
func (w *Worker) work(ctx context.Context, claim service.Claim) (outcome string, err error) {
	defer w.contain(claim.Ticket, &err)
	switch claim.Ticket.Kind {
	case model.TaskRender, model.TaskRestore:
		return w.render(ctx, claim)
	case model.TaskAssemble:
		return w.assemble(ctx, claim)
	default:
		return "", final(codeKind, "this worker does not know this kind of task", fmt.Errorf("kind %q", claim.Ticket.Kind))
	}
}

// contain turns a panic into a final failure. The stack goes to the log only.
func (w *Worker) contain(ticket model.Ticket, err *error) {
	if p := recover(); p != nil {
		w.cfg.Log.Error("a task panicked", "task", ticket.TaskID, "attempt", ticket.Attempt,
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = final(codePoison, "the farm cannot make this", fmt.Errorf("panic: %v", p))
	}
}

// conclude reports how an attempt ended.
func (w *Worker) conclude(ctx context.Context, ticket model.Ticket, outcome string, err error) error {
	defer func() { w.cfg.Observer.Ended(outcome) }()
	var f *failure
	switch {
	case err == nil:
		return nil
	case errors.Is(err, service.ErrFenced), overtaken(ctx):
		outcome = OutcomeOvertaken
		w.cfg.Log.Debug("an attempt was overtaken", "task", ticket.TaskID, "attempt", ticket.Attempt)
		return nil
	case ctx.Err() != nil:
		outcome = OutcomeHandedBack
		return w.giveBack(ctx, ticket)
	case !errors.As(err, &f):
		f = retryable(model.FailureDatabase, "the farm's records were not reachable", err)
	}
	outcome = OutcomeFailed
	if f.retryable {
		outcome = OutcomeRetryable
	}
	w.cfg.Observer.Failed(f.Code)
	w.cfg.Log.Warn("an attempt failed", "task", ticket.TaskID, "attempt", ticket.Attempt,
		"code", f.Code, "retryable", f.retryable, "err", f.cause)
	return w.insist(ctx, 0, func(ctx context.Context) error {
		return w.farm.Fail(ctx, ticket, &f.Failure, f.retryable)
	})
}

// giveBack hands a task back that was not worked on to its end.
func (w *Worker) giveBack(ctx context.Context, ticket model.Ticket) error {
	return w.insist(ctx, 0, func(ctx context.Context) error { return w.farm.HandBack(ctx, ticket) })
}

// insist calls the farm until it answers: a task that this living worker holds and
// does not work on would stay where it is for ever. It gives up after patience
// (0 = never) or, after at least one try, when ctx ends; the worker's retirement
// then takes care of what is left. An attempt that is fenced needs no answer.
func (w *Worker) insist(ctx context.Context, patience time.Duration, call func(context.Context) error) error {
	begin := time.Now()
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.CallTimeout)
		err := call(cctx)
		cancel()
		switch {
		case err == nil, errors.Is(err, service.ErrFenced):
			return nil
		case ctx.Err() != nil, patience > 0 && time.Since(begin) > patience:
			return err
		}
		if wait == mostWait {
			w.cfg.Log.WarnContext(ctx, "the farm does not take a report; trying on", "err", err)
		}
		sleep(ctx, wait)
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// render gives a sound its asset: one that is there already, or a new one. In one
// process each digest is rendered once at a time; in several, the row in the table
// of assets decides who wins.
func (w *Worker) render(ctx context.Context, claim service.Claim) (outcome string, err error) {
	sound := claim.Sound
	m := newMeter(ctx, w.pub, model.Progress{
		JobID: claim.JobID, SoundID: sound.ID, TaskID: claim.Ticket.TaskID, Attempt: claim.Ticket.Attempt,
	}, sound.Patch.Output)
	defer m.close()
	recipe := format.NewRecipe(sound.Patch, sound.Format)
	digest := recipe.Digest()
	for {
		land, err := w.board(ctx, digest)
		if err != nil {
			return "", err
		}
		if land == nil {
			continue // somebody here has just rendered it, or failed to
		}
		return func() (string, error) {
			defer land()
			if done, err := w.reuse(ctx, claim.Ticket, digest, m.reused); done || err != nil {
				return OutcomeReused, err
			}
			return OutcomeRendered, w.produce(ctx, claim, recipe, digest, m)
		}()
	}
}

// reuse commits an asset that exists, and reports whether it did. found, if not nil, is
// called in between.
func (w *Worker) reuse(ctx context.Context, ticket model.Ticket, digest string, found func(*model.Asset)) (bool, error) {
	cctx, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
	asset, err := w.farm.FindAsset(cctx, digest)
	cancel()
	if err != nil {
		return false, fmt.Errorf("find asset: %w", err)
	}
	if asset == nil {
		return false, nil
	}
	if found != nil {
		found(asset)
	}
	_, err = w.commit(ctx, ticket, *asset)
	if errors.Is(err, service.ErrAssetGone) {
		return false, nil
	}
	return err == nil, err
}

// commit commits, for a while also while the database is away. Doing it twice is
// safe.
func (w *Worker) commit(ctx context.Context, ticket model.Ticket, asset model.Asset) (service.CommitResult, error) {
	var result service.CommitResult
	var verdict error // of the farm, on which there is nothing to insist
	err := w.insist(ctx, w.cfg.Patience, func(ctx context.Context) error {
		var err error
		result, err = w.farm.Commit(ctx, ticket, asset)
		if errors.Is(err, service.ErrAssetGone) || errors.Is(err, service.ErrFenced) {
			verdict = err
			return nil
		}
		return err
	})
	return result, errors.Join(verdict, err)
}

// produce renders, stores and commits.
func (w *Worker) produce(ctx context.Context, claim service.Claim, recipe format.Recipe, digest string, m *meter) error {
	audio, err := w.play(ctx, recipe, m)
	if err != nil {
		return err
	}
	id, err := w.cfg.NewID()
	if err != nil {
		return fmt.Errorf("name the file: %w", err)
	}
	frames := int64(len(audio.Samples) / audio.Channels)
	peaks := peaksOf(audio.Samples, audio.Channels)
	m.stage(stageEncoding, percentRendered, frames, peaks)
	info, err := w.upload(ctx, w.cfg.StoreTimeout, storage.NewKey(digest, id, format.Extension(recipe.Format)), claim.Ticket,
		func(ctx context.Context, to io.Writer) error {
			if err := format.Encode(ctx, to, audio, recipe); err != nil {
				return final(codeRender, "the sound cannot be encoded", err)
			}
			return nil
		})
	if err != nil {
		return err
	}
	m.stage(stageStoring, percentStored, frames, peaks)
	return w.settle(ctx, claim.Ticket, model.Asset{
		Digest: digest, Format: recipe.Format, Key: info.Key, Size: info.Size, ETag: info.ETag,
		Engine: recipe.Engine, Encoder: recipe.Encoder,
		Frames: frames, SampleRate: audio.SampleRate, Channels: audio.Channels, Peaks: peaks,
	})
}

// settle commits a file just stored, and deletes it where it is not needed.
func (w *Worker) settle(ctx context.Context, ticket model.Ticket, asset model.Asset) error {
	result, err := w.commit(ctx, ticket, asset)
	// After any other error the commit may have happened: the file stays, and the
	// sweep for orphans judges it.
	if err == nil && result.Adopted || errors.Is(err, service.ErrFenced) && !w.inUse(ctx, asset.Digest, asset.Key) {
		w.discard(ctx, asset.Key)
	}
	return err
}

// inUse reports whether a fenced attempt's file may have become the asset all the
// same: a commit whose answer was lost may count, and be fenced when it is asked
// again because its sound was removed. By then others may have taken up the file.
func (w *Worker) inUse(ctx context.Context, digest, key string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.CallTimeout)
	defer cancel()
	asset, err := w.farm.FindAsset(ctx, digest)
	return err != nil || asset != nil && asset.Key == key
}

// play runs the engine.
func (w *Worker) play(ctx context.Context, recipe format.Recipe, m *meter) (engine.Audio, error) {
	out := recipe.Patch.Output
	begin := time.Now()
	cpu := startCPUClock()
	audio, err := w.cfg.Render(ctx, recipe.Patch, engine.Options{OnBlock: func(b engine.Block) {
		m.block(b)
		if w.cfg.MaxSpeed > 0 {
			seconds := float64(b.Offset)/float64(out.SampleRate) + float64(len(b.Samples)/out.Channels)/float64(out.SampleRate)
			sleep(ctx, time.Duration(seconds/w.cfg.MaxSpeed*float64(time.Second))-time.Since(begin))
		}
	}})
	spent := cpu.stop()
	switch {
	case ctx.Err() != nil:
		return engine.Audio{}, context.Cause(ctx)
	case err != nil:
		return engine.Audio{}, final(codeRender, "the engine cannot render this patch", err)
	case audio.Channels < 1 || len(audio.Samples) == 0:
		return engine.Audio{}, final(codeRender, "the engine made no sound of this patch", errors.New("no samples"))
	}
	frames := len(audio.Samples) / audio.Channels
	w.cfg.Observer.Rendered(time.Since(begin), spent, time.Duration(float64(frames)/float64(out.SampleRate)*float64(time.Second)))
	return audio, nil
}

// discard deletes a file of one's own that nothing refers to.
func (w *Worker) discard(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.CallTimeout)
	defer cancel()
	if err := w.store.Delete(ctx, key); err != nil {
		w.cfg.Log.WarnContext(ctx, "a file that is not needed stays until the sweep", "key", key, "err", err)
	}
}
