package live_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/live"
	"patchlab/internal/model"
)

// TestAPackIsToldInSteps watches a pack of three hundred sounds: each end is told once to
// who was there, snapshots hold no sounds, and no sound is read twice.
func TestAPackIsToldInSteps(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		const n = 300
		db := newJobs()
		job := db.create(n)
		packID := uuid.New()
		db.change(job.ID, func(j *model.Job) { j.PackID, j.Kind, j.Total, j.State = &packID, model.JobPack, n, model.Running })
		pub := live.NewPublisher(rdb, quiet)
		h := startHub(t, rdb, db, live.HubConfig{PackEvery: 20 * time.Millisecond})
		first := subscribe(t, h, job.ID, false)
		msg := next(t, first)
		require.Equal(t, live.Snapshot, msg.Type)
		require.Empty(t, msg.Job.Sounds)

		ctx := context.Background()
		end := func(i int) {
			v := db.change(job.ID, func(j *model.Job) {
				j.Sounds[i].State, j.Sounds[i].Ended = model.Succeeded, j.Version+1
				j.Remaining--
			})
			require.NoError(t, pub.JobChanged(ctx, job.ID, v))
		}
		told := map[uuid.UUID]int{}
		watched := make(chan live.Message, 1)
		go func() {
			defer close(watched)
			for {
				m, err := first.Next(ctx)
				if err != nil {
					return
				}
				switch m.Type {
				case live.Take:
					told[m.Sound.ID]++
				case live.Complete:
					watched <- m
					return
				default:
					assert.Empty(t, m.Progress, "nothing runs")
				}
			}
		}()
		for i := range n / 2 {
			end(i)
			time.Sleep(time.Millisecond)
		}
		// Who comes later is told of what ends from then on.
		late := subscribe(t, h, job.ID, false)
		require.Equal(t, live.Snapshot, next(t, late).Type)
		for i := n / 2; i < n; i++ {
			end(i)
			time.Sleep(time.Millisecond)
		}
		// What comes too late of a sound that has ended is not news.
		require.NoError(t, pub.Progress(ctx, model.Progress{JobID: job.ID, SoundID: job.Sounds[0].ID, Attempt: 1, Frames: 9, Percent: 50}))
		v := db.change(job.ID, func(j *model.Job) { j.Stage, j.Remaining = model.StageAssembling, 1 })
		require.NoError(t, pub.JobChanged(ctx, job.ID, v))
		v = db.change(job.ID, func(j *model.Job) { j.State, j.Remaining = model.Succeeded, 0 })
		require.NoError(t, pub.JobChanged(ctx, job.ID, v))

		select {
		case m := <-watched:
			require.Equal(t, model.Succeeded, m.Job.State)
		case <-time.After(10 * time.Second):
			require.Fail(t, "the end is not told")
		}
		require.Len(t, told, n)
		for id, times := range told {
			require.Equal(t, 1, times, id)
		}
		takes := 0
		for m := next(t, late); m.Type != live.Complete; m = next(t, late) {
			if m.Type == live.Take {
				takes++
			}
		}
		require.InDelta(t, n/2, takes, 30, "some of the first half may have been on their way")
		db.mu.Lock()
		defer db.mu.Unlock()
		require.Less(t, db.read, n+n/2, "each sound is read about once")
	})
}
