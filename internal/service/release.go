package service

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/model"
)

// releaseTasks wants lane, now, now + Config.BackoffMax, limit, now. No wait is longer
// than that: what is due later was written by a process whose clock was wrong, and is
// due at once. The pick is materialized so that PostgreSQL runs, and locks, it exactly
// once.
const releaseTasks = `
WITH picked AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE lane = ? AND state = 'queued' AND released_at IS NULL AND (not_before <= ? OR not_before > ?)
    ORDER BY tag, id LIMIT ? FOR UPDATE SKIP LOCKED
)
UPDATE tasks SET attempt = attempt + 1, released_at = ?
WHERE id IN (SELECT id FROM picked)
RETURNING id, attempt, kind, tag, crashes`

type released struct {
	ID      uuid.UUID      `db:"id"`
	Attempt int            `db:"attempt"`
	Kind    model.TaskKind `db:"kind"`
	Tag     int64          `db:"tag"`
	Crashes int            `db:"crashes"`
}

// ticketsPerSlot is how many tickets are out for each slot: one being rendered,
// one waiting at hand, so that a worker never idles for the next release.
const ticketsPerSlot = 2

// room returns how many tickets a lane is to get: none while there is still half at hand
// of what could be, so that not every render takes a release of its own.
func room(slots, out int) int {
	n := ticketsPerSlot*slots - out
	if n <= slots/2 && out > slots {
		return 0
	}
	return max(0, n)
}

// Release hands out tickets for the tasks that are next, as many as the live
// workers can use, and returns how many. What is out in the bulk lane does not take
// from the interactive one: the queue serves that first, and keeps slots for it. Where
// the queue does not take the tickets, Sweep makes up for it.
func (f *Farm) Release(ctx context.Context) (int, error) {
	due, err := f.due(ctx)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	var tickets []model.Ticket
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		tickets = tickets[:0]
		clocks, err := lockLanes(ctx, tx)
		if err != nil {
			return err
		}
		slots, out, err := load(ctx, tx)
		if err != nil {
			return err
		}
		for _, lane := range due {
			n := room(slots[lane], out[lane])
			if n == 0 {
				continue
			}
			var rows []released
			now := f.now()
			if err := tx.Select(ctx, &rows, releaseTasks, lane, now, now.Add(f.Config.BackoffMax), n, now); err != nil {
				return err
			}
			if len(rows) == 0 {
				continue
			}
			slices.SortFunc(rows, func(a, b released) int {
				return cmp.Or(cmp.Compare(a.Tag, b.Tag), slices.Compare(a.ID[:], b.ID[:]))
			})
			for _, r := range rows {
				tickets = append(tickets, model.Ticket{TaskID: r.ID, Attempt: r.Attempt, Kind: r.Kind, Lane: lane, Alone: r.Crashes > 0})
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

// dueLanes wants now and now + Config.BackoffMax: the lanes that are not paused and in which
// a task waits for its release.
const dueLanes = `
SELECT lane FROM lanes
WHERE EXISTS (SELECT 1 FROM tasks WHERE tasks.lane = lanes.lane AND state = 'queued' AND released_at IS NULL AND (not_before <= ? OR not_before > ?))
AND NOT EXISTS (SELECT 1 FROM settings WHERE settings.key = 'lane:' || lanes.lane)`

// due returns the lanes in which something is to be released, the most urgent first. It
// spares a farm that is idle, or has enough at hand, the write lock.
func (f *Farm) due(ctx context.Context) ([]model.Lane, error) {
	var rows []laneLoad
	now := f.now()
	if err := f.DB.Reader().Select(ctx, &rows, farmLoadAndDue, now, now.Add(f.Config.BackoffMax)); err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	var waits []model.Lane
	rows = slices.DeleteFunc(rows, func(r laneLoad) bool {
		if r.N == isDue {
			waits = append(waits, r.Lane)
		}
		return r.N == isDue
	})
	if len(waits) == 0 {
		return nil, nil
	}
	slots, out := loadOf(rows)
	return slices.DeleteFunc(model.Lanes(), func(l model.Lane) bool {
		return !slices.Contains(waits, l) || room(slots[l], out[l]) == 0
	}), nil
}

// isDue stands for the number of a lane in which something waits for its release.
const isDue = -1

// farmLoadAndDue wants what dueLanes does: the rows of farmLoad, and one of isDue for each
// of dueLanes.
const farmLoadAndDue = farmLoad + `
UNION ALL
SELECT lane, -1 AS n FROM (` + dueLanes + `) AS due`

// laneLoad is a row of farmLoad.
type laneLoad struct {
	Lane model.Lane `db:"lane"`
	N    int        `db:"n"`
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

// farmLoad wants nothing: how many tasks of each lane are released or running, and, with
// an empty lane, how many slots each worker has.
const farmLoad = `
SELECT lane, count(*) AS n FROM (
    SELECT lane FROM tasks WHERE state = 'running'
    UNION ALL
    SELECT lane FROM tasks WHERE state = 'queued' AND released_at IS NOT NULL
) AS busy GROUP BY lane
UNION ALL
SELECT '' AS lane, slots AS n FROM workers`

// load returns the slots of all live workers, and how many tasks are out.
func load(ctx context.Context, q db.Queryer) (slots, out map[model.Lane]int, err error) {
	var rows []laneLoad
	if err := q.Select(ctx, &rows, farmLoad); err != nil {
		return nil, nil, err
	}
	slots, out = loadOf(rows)
	return slots, out, nil
}

func loadOf(rows []laneLoad) (slots, out map[model.Lane]int) {
	var workers []int
	out = make(map[model.Lane]int, len(model.Lanes()))
	for _, r := range rows {
		if r.Lane == "" {
			workers = append(workers, r.N)
		} else {
			out[r.Lane] = r.N
		}
	}
	return repo.LaneSlots(workers), out
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
	now := f.now()
	tickets, err := repo.Tickets(ctx, f.DB.Reader(), now.Add(-f.Config.SweepAfter), now.Add(f.Config.SweepAfter), sweepBatch)
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
