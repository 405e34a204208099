package service

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/db/repo"
)

type planStep struct {
	ID      int    `db:"id"`
	Parent  int    `db:"parent"`
	NotUsed int    `db:"notused"`
	Detail  string `db:"detail"`
}

// TestPlans holds the hot queries to their indexes: each must search (not scan)
// its big table, and a page must come in order without sorting.
func TestPlans(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t, db.SQLite)
	now, id := time.Now().UTC(), uuid.New()
	const explain = `EXPLAIN QUERY PLAN `
	tests := map[string]struct {
		run  func(tx *db.Tx, steps *[]planStep) error
		want string // part of one line of the plan
	}{
		"page of a user": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.UserPage, id, now, now, id, 20)
		}, "SEARCH s USING INDEX sounds_own (owner_id=? AND (created_at,id)<(?,?))"},
		"page of a visitor": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.AnonPage, "k", now, now, id, 20)
		}, "SEARCH s USING INDEX sounds_visitor (anon_key=? AND (created_at,id)<(?,?))"},
		"a job": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.JobWithSounds, id)
		}, "SEARCH s USING INDEX sqlite_autoindex_sounds_2 (job_id=?)"},
		"release": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+releaseTasks, "interactive", now, now.Add(time.Minute), 8, now)
		}, "SEARCH tasks USING INDEX tasks_queue (lane=?)"},
		"position": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.QueuedBefore, "interactive", 5, id)
		}, "SEARCH tasks USING COVERING INDEX tasks_queue (lane=? AND (tag,id)<(?,?))"},
		"rate": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.RecentRenders, 50)
		}, "USING INDEX tasks_finished"},
		"sweep": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.StaleTickets, now, now.Add(time.Minute), 50)
		}, "SEARCH tasks USING INDEX tasks_released"},
		"outstanding": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+farmLoad)
		}, "USING INDEX tasks_running"},
		"due": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+farmLoadAndDue, now, now.Add(time.Minute))
		}, "SEARCH tasks EXISTS USING INDEX tasks_queue (lane=?)"},
		"quota": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+unfinishedOfOwner, "o")
		}, "INDEX tasks_owner (owner=?)"},
		"unfinished jobs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.OpenJobs, "o")
		}, "INDEX tasks_owner (owner=?)"},
		"expiry": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+expiredJobs, now, now, 100)
		}, "SEARCH jobs USING INDEX jobs_expiry (expires_at>? AND expires_at<?)"},
		"loose assets": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.LooseAssets, id, 100)
		}, "USING COVERING INDEX sounds_asset (asset_id=?)"},
		"deleted packs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.PacksOver, now, 100)
		}, "SEARCH packs USING INDEX packs_deleted (deleted_at>? AND deleted_at<?)"},
		"deleted sounds": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.SoundsOver, now, 100)
		}, "SEARCH sounds USING INDEX sounds_deleted (deleted_at>? AND deleted_at<?)"},
		"old audio": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+oldAudio, now, 100)
		}, "SEARCH sounds USING INDEX sounds_audio (finished_at<?)"},
		"old ZIPs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.ZIPsOver, id, now, 100)
		}, "SEARCH packs USING INDEX sqlite_autoindex_packs_1 (id>?)"},
		"audio that comes back": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+restoringJob, id)
		}, "SEARCH tasks USING INDEX tasks_sound (sound_id=?)"},
		"stuck jobs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.MiscountedJobs, id, 100)
		}, "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id>?)"},
		"tasks of ended jobs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.LeftTasks, 100)
		}, "USING INDEX tasks_queue"},
		"queued": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.QueuedTasks)
		}, "USING INDEX tasks_queue"},
		"running": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.RunningTasks)
		}, "USING INDEX tasks_running"},
		"rendered lately": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.RenderedSince, now)
		}, "SEARCH t USING INDEX tasks_finished (finished_at>?)"},
		"failed lately": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.FailedSince, now)
		}, "SEARCH tasks USING INDEX tasks_dead (finished_at>?)"},
		"dead": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.DeadTasks, now, id, "", "", 20)
		}, "SEARCH t USING INDEX tasks_dead ((finished_at,id)<(?,?))"},
		"everybody's jobs": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.JobsPage, "", "", "", "", now, id, 20)
		}, "SEARCH jobs USING INDEX jobs_created ((created_at,id)<(?,?))"},
		"audit": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.AuditPage, now, id, 20)
		}, "SEARCH audit_events USING INDEX audit_events_created ((created_at,id)<(?,?))"},
		"abandoned": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.AbandonedTasks)
		}, "USING INDEX tasks_running"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var steps []planStep
			require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error { return tt.run(tx, &steps) }))
			var plan []string
			for _, s := range steps {
				plan = append(plan, s.Detail)
				assert.NotContains(t, s.Detail, "USE TEMP B-TREE FOR ORDER BY")
				for _, big := range []string{"tasks", "s", "sounds", "jobs", "assets", "packs", "p"} {
					assert.NotEqual(t, "SCAN "+big, s.Detail)
				}
			}
			assert.Contains(t, strings.Join(plan, "\n"), tt.want)
		})
	}
}

// Of a million jobs those that have not ended are found by their tasks, and then put in
// order: they are few.
func TestPlanOfUnfinishedJobs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	d := dbtest.New(t, db.SQLite)
	var steps []planStep
	require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
		return tx.Select(ctx, &steps, `EXPLAIN QUERY PLAN `+repo.UnfinishedJobsPage, "running", "running", "", "", time.Now().UTC(), uuid.New(), 20)
	}))
	var plan []string
	for _, s := range steps {
		plan = append(plan, s.Detail)
	}
	assert.Contains(t, plan, "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)")
	assert.Contains(t, plan, "SCAN tasks USING INDEX tasks_owner", "which holds what has not ended")
}
