package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// releaseTasks wants lane, now, limit, now. The pick is materialized so that
// PostgreSQL runs, and locks, it exactly once.
const releaseTasks = `
WITH picked AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE lane = ? AND state = 'queued' AND released_at IS NULL AND not_before <= ?
    ORDER BY tag, id LIMIT ? FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET attempt = attempt + 1, released_at = ?
WHERE id IN (SELECT id FROM picked)
RETURNING id, attempt, kind, tag`

type released struct {
	ID      uuid.UUID      `db:"id"`
	Attempt int            `db:"attempt"`
	Kind    model.TaskKind `db:"kind"`
	Tag     int64          `db:"tag"`
}

// ticketsPerSlot is how many tickets are out for each slot: one being rendered,
// one waiting at hand, so that a worker never idles for the next release.
const ticketsPerSlot = 2

// Release hands out tickets for the tasks that are next, as many as the live
// workers can use, and returns how many. What is out in the bulk lane does not take
// from the interactive one: the queue serves that first, and keeps slots for it. Where
// the queue does not take the tickets, Sweep makes up for it.
func (f *Farm) Release(ctx context.Context) (int, error) {
	if idle, err := f.nothingToRelease(ctx); err != nil || idle {
		return 0, err
	}
	var tickets []model.Ticket
	err := f.DB.InTx(ctx, func(tx *db.Tx) error {
		tickets = tickets[:0]
		slots, err := repo.Slots(ctx, tx)
		if err != nil || slots[model.Interactive] == 0 {
			return err
		}
		clocks, err := lockLanes(ctx, tx)
		if err != nil {
			return err
		}
		out, err := outstanding(ctx, tx)
		if err != nil {
			return err
		}
		for _, lane := range model.Lanes() {
			n := ticketsPerSlot*slots[lane] - out[lane]
			if n <= 0 {
				continue
			}
			var rows []released
			now := f.now()
			if err := tx.Select(ctx, &rows, releaseTasks, lane, now, n, now); err != nil {
				return err
			}
			if len(rows) == 0 {
				continue
			}
			slices.SortFunc(rows, func(a, b released) int {
				return cmp.Or(cmp.Compare(a.Tag, b.Tag), slices.Compare(a.ID[:], b.ID[:]))
			})
			for _, r := range rows {
				tickets = append(tickets, model.Ticket{TaskID: r.ID, Attempt: r.Attempt, Kind: r.Kind, Lane: lane})
			}
			if tag := rows[len(rows)-1].Tag; tag > clocks[lane] {
				if _, err := tx.Exec(ctx, `UPDATE lanes SET clock = ? WHERE lane = ?`, tag, lane); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("release: %w", err)
	}
	if len(tickets) == 0 {
		return 0, nil
	}
	if err := f.Tickets.Enqueue(ctx, tickets...); err != nil {
		return 0, fmt.Errorf("release: enqueue %d tickets (the sweep will): %w", len(tickets), err)
	}
	return len(tickets), nil
}

// nothingToRelease spares an idle farm the write lock.
func (f *Farm) nothingToRelease(ctx context.Context) (bool, error) {
	for _, lane := range model.Lanes() {
		var id uuid.UUID
		err := f.DB.Reader().Get(ctx, &id, `
SELECT id FROM tasks WHERE lane = ? AND state = 'queued' AND released_at IS NULL AND not_before <= ?
ORDER BY tag, id LIMIT 1`, lane, f.now())
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, db.ErrNoRows) {
			return false, fmt.Errorf("release: %w", err)
		}
	}
	return true, nil
}

// lockLanes reads the clocks and keeps other releasers out until the transaction
// ends: two of them would each fill the same budget.
func lockLanes(ctx context.Context, tx *db.Tx) (map[model.Lane]int64, error) {
	var rows []struct {
		Lane  model.Lane `db:"lane"`
		Clock int64      `db:"clock"`
	}
	if err := tx.Select(ctx, &rows, `SELECT lane, clock FROM lanes ORDER BY lane FOR UPDATE`); err != nil {
		return nil, err
	}
	clocks := make(map[model.Lane]int64, len(rows))
	for _, r := range rows {
		clocks[r.Lane] = r.Clock
	}
	return clocks, nil
}

const outstandingTasks = `
SELECT lane, count(*) AS n FROM (
    SELECT lane FROM tasks WHERE state = 'running'
    UNION ALL
    SELECT lane FROM tasks WHERE state = 'queued' AND released_at IS NOT NULL
) AS busy GROUP BY lane`

// outstanding counts the tasks that are released or running.
func outstanding(ctx context.Context, q db.Queryer) (map[model.Lane]int, error) {
	var rows []struct {
		Lane model.Lane `db:"lane"`
		N    int        `db:"n"`
	}
	if err := q.Select(ctx, &rows, outstandingTasks); err != nil {
		return nil, err
	}
	out := make(map[model.Lane]int, len(rows))
	for _, r := range rows {
		out[r.Lane] = r.N
	}
	return out, nil
}

// RunReleaser releases after each accept and finish of this process and every
// Config.ReleaseEvery, until ctx ends.
func (f *Farm) RunReleaser(ctx context.Context) {
	ticker := time.NewTicker(f.Config.ReleaseEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.nudge:
		case <-ticker.C:
		}
		_, err := f.Release(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			f.Log.WarnContext(ctx, "cannot release tasks; trying on", "error", err)
			failing = true
		case err == nil && failing:
			f.Log.InfoContext(ctx, "tasks are released again")
			failing = false
		}
	}
}

// sweepBatch is how many tickets one Sweep asks the queue for.
const sweepBatch = 1000

// Sweep takes back released tasks whose ticket the queue has lost, so that the
// next release hands them out again. It returns how many.
func (f *Farm) Sweep(ctx context.Context) (int, error) {
	tickets, err := repo.Tickets(ctx, f.DB.Reader(), f.now().Add(-f.Config.SweepAfter), sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	var lost []model.Ticket
	for _, t := range tickets {
		known, err := f.Tickets.Known(ctx, t)
		if err != nil {
			return 0, fmt.Errorf("sweep: ask the queue: %w", err)
		}
		if !known {
			lost = append(lost, t)
		}
	}
	if len(lost) == 0 {
		return 0, nil
	}
	slices.SortFunc(lost, func(a, b model.Ticket) int { return slices.Compare(a.TaskID[:], b.TaskID[:]) }) // the order of all locks
	taken := 0
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		taken = 0
		for _, t := range lost {
			// A compare-and-set: whoever claimed or swept it meanwhile was right.
			n, err := tx.Exec(ctx, `
UPDATE tasks SET released_at = NULL
WHERE id = ? AND attempt = ? AND state = 'queued' AND released_at IS NOT NULL`, t.TaskID, t.Attempt)
			if err != nil {
				return err
			}
			taken += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sweep: %w", err)
	}
	f.wake()
	return taken, nil
}
