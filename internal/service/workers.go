package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// Worker describes a worker process.
type Worker struct {
	ID      uuid.UUID
	Name    string // what its settings are kept by; outlives the process
	Host    string
	Version string
	Slots   int // renders at a time; 0 where it is drained
	CPUs    int // that it may use
}

// RegisterWorker makes a worker known; its slots count from now on.
func (f *Farm) RegisterWorker(ctx context.Context, w Worker) error {
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		now := f.now()
		_, err := tx.Exec(ctx, `
INSERT INTO workers (id, name, host, version, slots, cpus, beat, started_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)`,
			w.ID, w.Name, w.Host, w.Version, w.Slots, w.CPUs, now, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("register worker: %w", err)
	}
	f.wake()
	return nil
}

// Beat shows that a worker lives, and how it does; every 2 s. ErrWorkerGone: stop all
// tasks and register under a new id.
func (f *Farm) Beat(ctx context.Context, workerID uuid.UUID, state WorkerState) error {
	more := false
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		var slots int
		err := tx.Get(ctx, &slots, `SELECT slots FROM workers WHERE id = ? FOR UPDATE`, workerID)
		if errors.Is(err, db.ErrNoRows) {
			return ErrWorkerGone
		}
		if err != nil {
			return err
		}
		more = state.Slots > slots
		// seen_at is for people; who judges a worker compares beats.
		_, err = tx.Exec(ctx, `
UPDATE workers SET beat = beat + 1, seen_at = ?, slots = ?, running = ?, cpu = ?, memory = ? WHERE id = ?`,
			f.now(), state.Slots, state.Running, state.CPU, state.Memory, workerID)
		return err
	})
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	if more {
		f.wake()
	}
	return nil
}

// RetireWorker forgets a worker that stops, and takes back, without a charge, what
// it still had.
func (f *Farm) RetireWorker(ctx context.Context, workerID uuid.UUID) error {
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM workers WHERE id = ?`, workerID)
		return err
	})
	if err != nil {
		return fmt.Errorf("retire worker: %w", err)
	}
	ids, err := repo.Abandoned(ctx, f.DB.Reader())
	if err != nil {
		return fmt.Errorf("retire worker: %w", err)
	}
	for _, id := range ids {
		err := f.transition(ctx, id, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
			if task.State != model.Running || task.WorkerID == nil || *task.WorkerID != workerID {
				return errUnchanged
			}
			requeue(task, f.now())
			return setSound(ctx, tx, job, task, model.Queued, nil, nil, nil)
		})
		if err != nil && !errors.Is(err, ErrFenced) {
			return fmt.Errorf("retire worker: %w", err)
		}
	}
	f.wake()
	return nil
}

// BeatWatch remembers which beats a janitor has seen, and for how long. Each
// janitor has its own. The zero value is ready.
type BeatWatch struct {
	mu   sync.Mutex
	seen map[uuid.UUID]seenBeat
	last time.Time
}

type seenBeat struct {
	beat  int64
	since time.Time
}

// observe takes note of all beats and returns the workers whose beat has stood
// still for dead, by this process's monotonic clock. A watch that was itself away
// (suspended, or without a database) has not watched: it starts anew, or it would
// give up every worker that could not beat for the same reason. So does one whose time
// went back.
func (w *BeatWatch) observe(beats []repo.Beat, now time.Time, dead time.Duration) []repo.Beat {
	w.mu.Lock()
	defer w.mu.Unlock()
	gap := now.Sub(w.last)
	away := gap < 0 || gap > dead/2
	w.last = now
	next := make(map[uuid.UUID]seenBeat, len(beats))
	var still []repo.Beat
	for _, b := range beats {
		old, ok := w.seen[b.ID]
		if !ok || away || old.beat != b.Beat {
			next[b.ID] = seenBeat{beat: b.Beat, since: now}
			continue
		}
		next[b.ID] = old
		if now.Sub(old.since) >= dead {
			still = append(still, b)
		}
	}
	w.seen = next
	return still
}

// ReapDead looks at all beats (call it every second or two) and takes back the
// tasks of the workers whose beat stood still for Config.DeadAfter by the clock
// of this process. A crash counts as a failure of what was running, so that a
// recipe that kills workers ends. It returns the number of workers given up.
func (f *Farm) ReapDead(ctx context.Context, watch *BeatWatch) (int, error) {
	beats, err := repo.Beats(ctx, f.DB.Reader())
	if err != nil {
		return 0, fmt.Errorf("reap: %w", err)
	}
	reaped := 0
	for _, b := range watch.observe(beats, f.Clock.Now(), f.Config.DeadAfter) {
		err := f.DB.InTx(ctx, func(tx *db.Tx) error {
			n, err := tx.Exec(ctx, `DELETE FROM workers WHERE id = ? AND beat = ?`, b.ID, b.Beat)
			if err == nil && n == 0 {
				err = errUnchanged // it beat just now, or another janitor was faster
			}
			return err
		})
		if errors.Is(err, errUnchanged) {
			continue
		}
		if err != nil {
			return reaped, fmt.Errorf("reap: %w", err)
		}
		f.Log.WarnContext(ctx, "gave up a worker whose beat stood still", "worker", b.ID)
		reaped++
	}
	// Whatever runs without a registered worker, also what an earlier reaper left
	// half done, or what a worker claimed in the moment it was struck off.
	if _, err := f.takeBackAbandoned(ctx); err != nil {
		return reaped, fmt.Errorf("reap: %w", err)
	}
	return reaped, nil
}

// takeBackAbandoned requeues running tasks that have no registered worker.
func (f *Farm) takeBackAbandoned(ctx context.Context) (int, error) {
	ids, err := repo.Abandoned(ctx, f.DB.Reader())
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	taken := 0
	for _, id := range ids {
		err := f.transition(ctx, id, func(tx *db.Tx, job *lockedJob, task *lockedTask) error {
			if task.State != model.Running {
				return errUnchanged
			}
			var registered int
			if err := tx.Get(ctx, &registered, `SELECT count(*) FROM workers WHERE id = ?`, task.WorkerID); err != nil {
				return err
			}
			if registered > 0 {
				return errUnchanged
			}
			// All that ran there is suspected. Alone on a worker the next crash is its own.
			task.Crashes++
			return f.charge(ctx, tx, job, task, crashed(), true, 0)
		})
		if err != nil && !errors.Is(err, ErrFenced) {
			return taken, err
		}
		taken++
	}
	f.wake()
	return taken, nil
}

func crashed() *model.Failure {
	return &model.Failure{Code: "crashed", Message: "the worker that rendered it stopped without a word"}
}

// RequeueRunning takes back every released and running task, and forgets all
// workers: for the boot of the all-in-one process, before its workers start. It
// returns the number of tasks.
func (f *Farm) RequeueRunning(ctx context.Context) (int, error) {
	var released int64
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM workers`); err != nil {
			return err
		}
		var err error
		released, err = tx.Exec(ctx, `UPDATE tasks SET released_at = NULL WHERE state = 'queued' AND released_at IS NOT NULL`)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("requeue: %w", err)
	}
	taken, err := f.takeBackAbandoned(ctx)
	if err != nil {
		return 0, fmt.Errorf("requeue: %w", err)
	}
	return int(released) + taken, nil
}
