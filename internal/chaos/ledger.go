package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
)

// ledger is what the farm's records say, as counts.
type ledger struct {
	Jobs          int `db:"jobs"`
	Open          int `db:"open"`
	Succeeded     int `db:"succeeded"`
	Failed        int `db:"failed"`
	Cancelled     int `db:"cancelled"`
	OpenTasks     int `db:"open_tasks"`
	OpenSounds    int `db:"open_sounds"`
	Sounds        int `db:"sounds"`
	Due           int `db:"due"`
	Rendered      int `db:"rendered"`
	Bare          int `db:"bare"`
	Early         int `db:"early"`
	Renders       int `db:"renders"`
	Patches       int `db:"patches"`
	Used          int `db:"used"`
	Pairs         int `db:"pairs"`
	Assets        int `db:"assets"`
	Loose         int `db:"loose"`
	Packs         int `db:"packs"`
	Zips          int `db:"zips"`
	Doubles       int `db:"doubles"`
	Attempts      int `db:"attempts"`
	Again         int `db:"again"`
	Failures      int `db:"failures"`
	FailedRenders int `db:"failed_renders"`
	Crashes       int `db:"crashes"`
	Reused        int `db:"reused"`
}

const readLedger = `
SELECT
(SELECT count(*) FROM jobs) AS jobs,
(SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')) AS open,
(SELECT count(*) FROM jobs WHERE state = 'succeeded') AS succeeded,
(SELECT count(*) FROM jobs WHERE state = 'failed') AS failed,
(SELECT count(*) FROM jobs WHERE state = 'cancelled') AS cancelled,
(SELECT count(*) FROM tasks WHERE state IN ('queued', 'running')) AS open_tasks,
(SELECT count(*) FROM sounds WHERE state IN ('queued', 'running')) AS open_sounds,
(SELECT count(*) FROM sounds) AS sounds,
(SELECT CAST(COALESCE(sum(total), 0) AS BIGINT) FROM jobs) AS due,
(SELECT count(*) FROM sounds WHERE state = 'succeeded') AS rendered,
(SELECT count(*) FROM sounds WHERE state = 'succeeded' AND asset_id IS NULL) AS bare,
(SELECT count(*) FROM sounds WHERE state <> 'succeeded' AND asset_id IS NOT NULL) AS early,
(SELECT count(*) FROM tasks WHERE sound_id IS NOT NULL) AS renders,
(SELECT count(DISTINCT CAST(patch AS TEXT)) FROM sounds WHERE state = 'succeeded') AS patches,
(SELECT count(DISTINCT asset_id) FROM sounds) AS used,
(SELECT count(*) FROM (SELECT DISTINCT CAST(patch AS TEXT), asset_id FROM sounds WHERE state = 'succeeded') AS p) AS pairs,
(SELECT count(*) FROM assets) AS assets,
(SELECT count(*) FROM assets WHERE NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id)
    AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.asset_id = assets.id)) AS loose,
(SELECT count(*) FROM packs) AS packs,
(SELECT count(*) FROM packs JOIN jobs ON jobs.id = packs.job_id WHERE jobs.state = 'succeeded' AND packs.asset_id IS NOT NULL) AS zips,
(SELECT count(*) FROM (SELECT job_id FROM tasks WHERE kind = 'assemble' GROUP BY job_id HAVING count(*) > 1) AS d) AS doubles,
(SELECT CAST(COALESCE(sum(attempt), 0) AS BIGINT) FROM tasks) AS attempts,
(SELECT count(*) FROM tasks WHERE attempt > 1) AS again,
(SELECT CAST(COALESCE(sum(failures), 0) AS BIGINT) FROM tasks) AS failures,
(SELECT count(*) FROM tasks WHERE state = 'failed') AS failed_renders,
(SELECT CAST(COALESCE(sum(crashes), 0) AS BIGINT) FROM tasks) AS crashes,
(SELECT count(*) FROM tasks WHERE reused) AS reused`

// String implements fmt.Stringer with a table.
func (l ledger) String() string {
	var b strings.Builder
	for _, row := range []struct {
		name string
		n    int
	}{
		{"jobs", l.Jobs},
		{"  succeeded", l.Succeeded},
		{"  failed", l.Failed},
		{"  cancelled", l.Cancelled},
		{"sounds", l.Sounds},
		{"  rendered", l.Rendered},
		{"assets", l.Assets},
		{"packs with a ZIP", l.Zips},
		{"attempts", l.Attempts},
		{"tasks begun again", l.Again},
		{"failures charged", l.Failures},
		{"  of them crashes", l.Crashes},
		{"tasks that reused an asset", l.Reused},
	} {
		fmt.Fprintf(&b, "  %-28s %6d\n", row.name, row.n)
	}
	return b.String()
}

// count reads the ledger.
func count(ctx context.Context, d *db.DB) (ledger, error) {
	var l ledger
	if err := d.Reader().Get(ctx, &l, readLedger); err != nil {
		return l, fmt.Errorf("count: %w", err)
	}
	return l, nil
}

// check holds the records to their promises. want is how many jobs and sounds were
// accepted.
func (l ledger) check(v *verdict, jobs, sounds int) {
	v.equal("jobs in the database, of those that were accepted", l.Jobs, jobs)
	v.equal("jobs that are not final", l.Open, 0)
	v.equal("tasks that are not final", l.OpenTasks, 0)
	v.equal("sounds that are not final", l.OpenSounds, 0)
	v.equal("sounds", l.Sounds, sounds)
	v.equal("sounds, by the totals of their jobs", l.Sounds, l.Due)
	v.equal("render tasks, one for each sound", l.Renders, l.Sounds)
	v.equal("sounds that are ready without an asset", l.Bare, 0)
	v.equal("sounds that are not ready and have an asset", l.Early, 0)
	v.equal("assets of sounds, one for each recipe", l.Used, l.Patches)
	v.equal("pairs of a recipe and an asset", l.Pairs, l.Patches)
	v.equal("assets without a sound or a pack", l.Loose, 0)
	v.equal("packs put together by two tasks", l.Doubles, 0)
	v.equal("assets in all", l.Assets, l.Used+l.Zips)
}

// verdict gathers the promises that were broken.
type verdict struct{ broken []string }

func (v *verdict) add(format string, args ...any) {
	v.broken = append(v.broken, fmt.Sprintf(format, args...))
}

func (v *verdict) equal(what string, got, want int) {
	if got != want {
		v.add("%s: %d, want %d", what, got, want)
	}
}

// failedTask is a task that ended badly.
type failedTask struct {
	ID    uuid.UUID `db:"id"`
	JobID uuid.UUID `db:"job_id"`
	Error []byte    `db:"error"`
}

const readFailed = `SELECT id, job_id, error FROM tasks WHERE state = 'failed' ORDER BY id`

// jobRow is a job as the records have it.
type jobRow struct {
	ID     string `db:"id"`
	State  string `db:"state"`
	Total  int    `db:"total"`
	Failed int    `db:"failed_count"`
}

const readJobs = `SELECT CAST(id AS TEXT) AS id, state, total, failed_count FROM jobs`

// soundRow is a sound that is ready.
type soundRow struct {
	ID    string `db:"id"`
	JobID string `db:"job_id"`
	Size  int64  `db:"size"`
	ETag  string `db:"etag"`
}

const readSounds = `
SELECT CAST(sounds.id AS TEXT) AS id, CAST(job_id AS TEXT) AS job_id, size, etag
FROM sounds JOIN assets ON assets.id = sounds.asset_id ORDER BY sounds.id`

const readKeys = `SELECT key, size FROM assets ORDER BY key`

// untilFinal waits until every job of the farm is.
func untilFinal(ctx context.Context, d *db.DB, patience time.Duration) error {
	began := time.Now()
	for {
		var open int
		err := d.Reader().Get(ctx, &open, `SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')`)
		if err == nil && open == 0 {
			return nil
		}
		if time.Since(began) > patience {
			return errors.Join(fmt.Errorf("%d jobs are not final %s after the storm", open, patience), err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for the jobs: %w", ctx.Err())
		}
	}
}
