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
		"release": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+releaseTasks, "interactive", now, 8, now)
		}, "SEARCH tasks USING INDEX tasks_queue (lane=?)"},
		"position": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.QueuedBefore, "interactive", 5, id)
		}, "SEARCH tasks USING COVERING INDEX tasks_queue (lane=? AND (tag,id)<(?,?))"},
		"rate": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.RecentRenders, 50)
		}, "USING INDEX tasks_finished"},
		"sweep": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.StaleTickets, now, 50)
		}, "SEARCH tasks USING INDEX tasks_released"},
		"outstanding": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+outstandingTasks)
		}, "USING INDEX tasks_running"},
		"quota": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+unfinishedOfOwner, "o")
		}, "INDEX tasks_owner (owner=?)"},
		"expiry": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+expiredJobs, now, now, 100)
		}, "SEARCH jobs USING INDEX jobs_expiry (expires_at>? AND expires_at<?)"},
		"loose assets": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.LooseAssets, id, 100)
		}, "USING COVERING INDEX sounds_asset (asset_id=?)"},
		"queued": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.QueuedTasks)
		}, "USING INDEX tasks_queue"},
		"running": {func(tx *db.Tx, s *[]planStep) error {
			return tx.Select(ctx, s, explain+repo.RunningTasks)
		}, "USING INDEX tasks_running"},
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
				for _, big := range []string{"tasks", "s", "sounds", "jobs", "assets"} {
					assert.NotEqual(t, "SCAN "+big, s.Detail)
				}
			}
			assert.Contains(t, strings.Join(plan, "\n"), tt.want)
		})
	}
}
