package repo

import (
	"context"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
)

// What may go, as conditions: those who remove it and those who only look use the same.
const (
	// JobExpired wants now twice: an anonymous job whose time is over, or one that only
	// rendered audio again. A job of which someone has taken over a sound is no longer
	// anonymous.
	JobExpired = `jobs.expires_at IS NOT NULL AND jobs.expires_at <= ? AND (jobs.anon_key IS NOT NULL OR jobs.kind = 'restore')
AND jobs.state IN ('succeeded', 'failed', 'cancelled')
AND NOT EXISTS (
    SELECT 1 FROM sounds WHERE sounds.job_id = jobs.id
    AND (sounds.anon_key IS NULL OR sounds.expires_at IS NULL OR sounds.expires_at > ?)
)`
	// PackOver wants a time: a pack that was deleted by then.
	PackOver = `packs.deleted_at IS NOT NULL AND packs.deleted_at <= ?`
	// SoundOver wants a time: a sound that was deleted by then. One of a deleted pack goes
	// with that.
	SoundOver = `sounds.deleted_at IS NOT NULL AND sounds.deleted_at <= ?
AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.id = sounds.pack_id AND packs.deleted_at IS NOT NULL)`
	// AudioOver wants a time: a user's sound that was rendered by then, and is of no pack
	// that is being built.
	AudioOver = `sounds.owner_id IS NOT NULL AND sounds.asset_id IS NOT NULL AND sounds.finished_at <= ? AND sounds.state = 'succeeded'
AND NOT EXISTS (
    SELECT 1 FROM packs JOIN jobs ON jobs.id = packs.job_id WHERE packs.id = sounds.pack_id AND jobs.state IN ('queued', 'running')
)`
	// ZIPOver wants a time: a user's pack whose last build ended by then.
	ZIPOver = `packs.owner_id IS NOT NULL AND packs.asset_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM jobs WHERE jobs.id = packs.job_id AND jobs.state IN ('succeeded', 'failed', 'cancelled') AND jobs.finished_at <= ?
)`
)

// Queries of the keeper, constants so that a test can ask for their plans.
const (
	// PacksOver wants a time and a limit.
	PacksOver = `SELECT id FROM packs WHERE ` + PackOver + ` ORDER BY deleted_at LIMIT ?`
	// SoundsOver wants a time and a limit.
	SoundsOver = `SELECT id, job_id FROM sounds WHERE ` + SoundOver + ` ORDER BY deleted_at LIMIT ?`
	// ZIPsOver wants an id, a time and a limit.
	ZIPsOver = `SELECT id FROM packs WHERE id > ? AND ` + ZIPOver + ` ORDER BY id LIMIT ?`
	// MiscountedJobs wants an id and a limit: jobs after the id that have not ended although
	// nothing of them is left, or that count wrongly what is left.
	MiscountedJobs = `
SELECT id FROM jobs
WHERE id > ? AND state IN ('queued', 'running') AND (remaining = 0 OR remaining <> (
    SELECT count(*) FROM tasks WHERE tasks.job_id = jobs.id AND tasks.state IN ('queued', 'running')
))
ORDER BY id LIMIT ?`
	// LeftTasks wants a limit: jobs that have ended although something of them is left, once
	// for each task.
	LeftTasks = `
SELECT job_id FROM tasks WHERE state = 'running'
AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND jobs.state IN ('succeeded', 'failed', 'cancelled'))
UNION ALL
SELECT job_id FROM tasks WHERE state = 'queued'
AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job_id AND jobs.state IN ('succeeded', 'failed', 'cancelled'))
LIMIT ?`
)

// DeletedPacks returns up to limit packs that were deleted by a time, the first deleted
// first.
func DeletedPacks(ctx context.Context, q db.Queryer, by time.Time, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, PacksOver, by, limit)
	return ids, err
}

// DeletedSounds returns up to limit sounds, and their jobs, that were deleted by a time and
// by themselves, the first deleted first.
func DeletedSounds(ctx context.Context, q db.Queryer, by time.Time, limit int) (sounds, jobs []uuid.UUID, err error) {
	var rows []struct {
		ID    uuid.UUID `db:"id"`
		JobID uuid.UUID `db:"job_id"`
	}
	if err := q.Select(ctx, &rows, SoundsOver, by, limit); err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		sounds, jobs = append(sounds, r.ID), append(jobs, r.JobID)
	}
	return sounds, jobs, nil
}

// OldZIPs returns up to limit packs, above an id, of users whose last build ended by a time
// and that have their ZIP.
func OldZIPs(ctx context.Context, q db.Queryer, after uuid.UUID, by time.Time, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, ZIPsOver, after, by, limit)
	return ids, err
}

// Miscounted returns up to limit jobs, above an id, as MiscountedJobs says.
func Miscounted(ctx context.Context, q db.Queryer, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, MiscountedJobs, after, limit)
	return ids, err
}

// EndedWithTasks returns up to limit jobs as LeftTasks says.
func EndedWithTasks(ctx context.Context, q db.Queryer, limit int) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := q.Select(ctx, &ids, LeftTasks, limit)
	return ids, err
}

// Unended returns those of the jobs that exist and have not ended.
func Unended(ctx context.Context, q db.Queryer, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	found := make(map[uuid.UUID]bool, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var rows []uuid.UUID
	if err := q.Select(ctx, &rows, `SELECT id FROM jobs WHERE id IN (?) AND state IN ('queued', 'running')`, ids); err != nil {
		return nil, err
	}
	for _, id := range rows {
		found[id] = true
	}
	return found, nil
}
