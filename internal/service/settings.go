package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// Settings returns what ops have set.
func (f *Farm) Settings(ctx context.Context) (model.Settings, error) {
	s, err := repo.Settings(ctx, f.DB.Reader())
	if err != nil {
		return model.Settings{}, fmt.Errorf("read the settings: %w", err)
	}
	return s, nil
}

// set changes one setting and notes it, in one transaction; where fn changes nothing,
// nothing is written. Everybody concerned is told after it.
func (o *Ops) set(ctx context.Context, actor, action, key, subject string, fn func(*repo.SettingValue)) error {
	err := o.DB.InTx(ctx, func(tx *db.Tx) error {
		now := o.now()
		// The row is there from now on, and locked: those who change it come one after the
		// other. The update, for an insert that does nothing would leave the row to whoever
		// is just deleting it.
		var raw []byte
		if err := tx.Get(ctx, &raw, `
INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?, '{}', ?, ?)
ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING value`, key, now, actor); err != nil {
			return err
		}
		var before repo.SettingValue
		if err := json.Unmarshal(raw, &before); err != nil {
			return fmt.Errorf("setting %s: %w", key, err)
		}
		after := before
		fn(&after)
		if after == before {
			return errUnchanged // and so the row that was inserted goes
		}
		var err error
		if after == (repo.SettingValue{}) {
			_, err = tx.Exec(ctx, `DELETE FROM settings WHERE key = ?`, key)
		} else {
			var value []byte
			if value, err = json.Marshal(after); err != nil {
				return fmt.Errorf("encode setting %s: %w", key, err)
			}
			_, err = tx.Exec(ctx, `UPDATE settings SET value = ?, updated_at = ?, updated_by = ? WHERE key = ?`, string(value), now, actor, key)
		}
		if err != nil {
			return err
		}
		return o.audit(ctx, tx, actor, action, subject, map[string]repo.SettingValue{"before": before, "after": after})
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, subject, err)
	}
	o.tellSettings(ctx)
	o.farm.wake()
	return nil
}

// tellSettings tells the workers to read the settings. One that does not hear it reads
// them within a second anyway.
func (o *Ops) tellSettings(ctx context.Context) {
	if o.Publisher == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Config.PublishTimeout)
	defer cancel()
	if err := o.Publisher.SettingsChanged(ctx); err != nil {
		o.Log.WarnContext(ctx, "workers are not told of new settings; they will see them within a second", "error", err)
	}
}

// audit notes what was done, in the transaction that does it.
func (o *Ops) audit(ctx context.Context, tx *db.Tx, actor, action, subject string, detail any) error {
	id, err := o.id()
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("encode the audit of %s: %w", action, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_events (id, actor, action, subject, detail, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
		id, actor, action, subject, string(encoded), o.now())
	return err
}

// PauseLane pauses a lane, or resumes it: nothing more is taken from it, what runs goes
// on. CodeNotFound where there is no such lane.
func (o *Ops) PauseLane(ctx context.Context, actor string, lane model.Lane, paused bool) error {
	known := false
	for _, l := range model.Lanes() {
		known = known || l == lane
	}
	if !known {
		return model.Errorf(model.CodeNotFound, "there is no such queue: they are interactive and bulk")
	}
	action := "lane.resume"
	if paused {
		action = "lane.pause"
	}
	return o.set(ctx, actor, action, repo.LaneKey(lane), string(lane), func(v *repo.SettingValue) { v.Paused = paused })
}

// SetConcurrency sets how many tasks each worker runs at a time; nil: as each is
// configured. What runs is not cut.
func (o *Ops) SetConcurrency(ctx context.Context, actor string, n *int) error {
	value, err := concurrency(n)
	if err != nil {
		return err
	}
	return o.set(ctx, actor, "workers.concurrency", repo.WorkersKey, "all workers", func(v *repo.SettingValue) { v.Concurrency = value })
}

// SetWorkerConcurrency is SetConcurrency for the workers that have the name of a live
// one; nil: as for all. CodeNotFound where there is no such worker.
func (o *Ops) SetWorkerConcurrency(ctx context.Context, actor string, worker uuid.UUID, n *int) error {
	value, err := concurrency(n)
	if err != nil {
		return err
	}
	return o.setWorker(ctx, actor, "worker.concurrency", worker, func(v *repo.SettingValue) { v.Concurrency = value })
}

// DrainWorker makes a live worker, and those of its name, take nothing more, or wakes
// them again. What runs goes on. CodeNotFound where there is no such worker.
func (o *Ops) DrainWorker(ctx context.Context, actor string, worker uuid.UUID, drained bool) error {
	action := "worker.wake"
	if drained {
		action = "worker.drain"
	}
	return o.setWorker(ctx, actor, action, worker, func(v *repo.SettingValue) { v.Drained = drained })
}

func (o *Ops) setWorker(ctx context.Context, actor, action string, worker uuid.UUID, fn func(*repo.SettingValue)) error {
	name, err := repo.WorkerName(ctx, o.DB.Reader(), worker)
	if errors.Is(err, repo.ErrNotFound) {
		return model.Errorf(model.CodeNotFound, "there is no such worker: it may have stopped, or started again under another id")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return o.set(ctx, actor, action, repo.WorkerKey(name), name, fn)
}

// concurrency checks a number of slots; nil is 0.
func concurrency(n *int) (int, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 1 || *n > model.MaxSlots:
		return 0, model.Invalid(model.FieldError{
			Field: "concurrency", Message: fmt.Sprintf("must be 1 to %d tasks at a time, or null for what is configured; to stop a worker, drain it", model.MaxSlots),
		})
	}
	return *n, nil
}

// WorkerState is what a worker tells of itself with each beat.
type WorkerState struct {
	Slots   int     // tasks that it may run at a time
	Running int     // tasks that it runs
	CPU     float64 // CPUs that its process used since the last beat
	Memory  int64   // bytes that its process holds
}

// throughputs are the stretches of time that the overview tells of.
func throughputs() []time.Duration { return []time.Duration{time.Minute, 15 * time.Minute} }
