package db_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
)

// Queries are prepared after their first run, also those of a transaction, whose
// connection may be the only one; and prepared they give what they gave before.
func TestPreparedQueries(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		raise := func() int64 {
			var clock int64
			require.NoError(t, d.InTx(ctx, func(tx *db.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE lanes SET clock = clock + ? WHERE lane = ?`, 2, "bulk"); err != nil {
					return err
				}
				return tx.Get(ctx, &clock, `SELECT clock FROM lanes WHERE lane = ?`, "bulk")
			}))
			return clock
		}
		for i := range int64(5) {
			assert.Equal(t, 2*(i+1), raise())
			var lanes []string
			require.NoError(t, d.Reader().Select(ctx, &lanes, `SELECT lane FROM lanes WHERE clock > ? ORDER BY lane`, i))
			assert.Equal(t, []string{"bulk"}, lanes)
			require.NoError(t, d.Reader().View(ctx, func(q db.Queryer) error {
				return q.Select(ctx, &lanes, `SELECT lane FROM lanes WHERE clock < ? ORDER BY lane DESC`, 1+2*(i+1))
			}))
			assert.Equal(t, []string{"interactive", "bulk"}, lanes)
			var missing string
			require.ErrorIs(t, d.Reader().Get(ctx, &missing, `SELECT lane FROM lanes WHERE lane = ?`, "none"), db.ErrNoRows)
			// A list may be another statement each time.
			require.NoError(t, d.Reader().Select(ctx, &lanes, `SELECT lane FROM lanes WHERE lane IN (?)`, []string{"bulk", "none"}[:1+i%2]))
			assert.Equal(t, []string{"bulk"}, lanes)
			// What is wrong is told each time.
			require.Error(t, d.Reader().Get(ctx, &missing, `SELECT nothing FROM lanes WHERE lane = ?`, "bulk"))
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 5 {
					raise()
				}
			})
		}
		all.Wait()
		assert.Equal(t, int64(2*(5+8*5+1)), raise())
	})
}
