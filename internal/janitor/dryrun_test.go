package janitor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/janitor"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
	"patchlab/storage"
)

// TestDryRun: it changes nothing, and says what the real run then does.
func TestDryRun(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		ctx := t.Context()
		ann, bob := p.user(t), model.Caller{AnonKey: "bob"}
		j := p.janitor(janitor.Config{})
		// compare looks, runs, and compares; it returns what was removed.
		compare := func() map[string]int {
			t.Helper()
			before := p.dump(t)
			findings, err := j.DryRun(ctx)
			require.NoError(t, err)
			require.Equal(t, before, p.dump(t), "it changes nothing")
			counts, err := j.RunOnce(ctx)
			require.NoError(t, err)
			removed := map[string]int{}
			for _, f := range findings {
				assert.Equal(t, counts[f.Chore], f.Count, f.Chore)
				if f.Chore != janitor.Uploads && f.Chore != janitor.Archived { // they have no names
					assert.Len(t, f.First, min(f.Count, 3), f.Chore)
				}
				for _, first := range f.First {
					assert.NotEmpty(t, first)
				}
				removed[f.Chore] = f.Count
			}
			for _, chore := range j.Chores() {
				_, looked := removed[chore]
				assert.Equal(t, !slices.Contains([]string{janitor.Reap, janitor.Sweep, janitor.Repair}, chore), looked, "%s: what removes can look", chore)
			}
			return removed
		}
		for _, n := range compare() {
			require.Zero(t, n)
		}

		// Some of each: sounds of a visitor and of a user, deleted ones, packs, shared assets.
		var mine, theirs []model.Job
		for i := range uint32(6) {
			job, err := p.generate(ctx, ann, i%4, fmt.Sprint("ann", i))
			require.NoError(t, err)
			mine = append(mine, job)
			job, err = p.generate(ctx, bob, i, fmt.Sprint("bob", i))
			require.NoError(t, err)
			theirs = append(theirs, job)
		}
		var packs []model.Pack
		for i := range uint32(3) {
			pack, err := p.pack(ctx, ann, 100+i)
			require.NoError(t, err)
			packs = append(packs, pack)
			_, err = p.pack(ctx, bob, 200+i)
			require.NoError(t, err)
		}
		p.workAll(t)
		_, err := p.generate(ctx, bob, 99, "waits")
		require.NoError(t, err)
		require.NoError(t, p.farm.DeleteSound(ctx, ann, mine[0].Sounds[0].ID))
		require.NoError(t, p.farm.DeleteSound(ctx, bob, theirs[1].Sounds[0].ID))
		require.NoError(t, p.farm.DeletePack(ctx, ann, packs[0].ID))
		inPack, _, err := p.lib.Pack(ctx, ann, packs[1].ID)
		require.NoError(t, err)
		_, listed, err := p.lib.Pack(ctx, ann, inPack.ID)
		require.NoError(t, err)
		require.NoError(t, p.farm.DeleteSound(ctx, ann, listed[0].ID))
		// Orphans, an upload that was cut off, progress without an end.
		for range 5 {
			id, err := p.newID()
			require.NoError(t, err)
			_, err = p.Store.Put(ctx, storage.NewKey(fmt.Sprintf("%064x", 7), id, "wav"), strings.NewReader("x"))
			require.NoError(t, err)
		}
		for _, job := range []uuid.UUID{mine[0].ID, uuid.New()} {
			require.NoError(t, p.Redis.HSet(ctx, "live:progress:"+job.String(), "a", "b").Err())
		}
		require.NoError(t, p.Redis.HSet(ctx, "live:progress:"+mine[1].ID.String(), "a", "b").Err())
		require.NoError(t, p.Redis.Expire(ctx, "live:progress:"+mine[1].ID.String(), time.Hour).Err())

		seen := map[string]int{}
		for range 12 { // from the grace over the lives to the age of orphans
			for chore, n := range compare() {
				seen[chore] += n
			}
			p.advance(40 * time.Minute)
			if p.ahead.Load() > int64(6*time.Hour) {
				p.advance(24 * time.Hour)
			}
		}
		for _, chore := range []string{
			janitor.Expire, janitor.Packs, janitor.Sounds, janitor.Audio, janitor.ZIPs, janitor.Assets, janitor.Trash, janitor.Orphans,
			janitor.Idempotency, janitor.Shares, janitor.Stale,
		} {
			assert.Positive(t, seen[chore], chore)
		}
		assert.Equal(t, 5, seen[janitor.Orphans])
		assert.Equal(t, 2, seen[janitor.Stale])
	})
}
