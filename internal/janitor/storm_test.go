package janitor_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/janitor"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// made counts what the writers of a storm have made.
type made struct {
	sounds, packs atomic.Int64
	deleted       bool // by last
}

// TestSeveralJanitorsAtOnce runs four of them beside writers that create, delete, bring
// back, render again and share what they made, while the clock jumps. Each thing goes once,
// nothing goes that is in use, and nothing stays that is not.
func TestSeveralJanitorsAtOnce(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := newPlant(t, on)
		users := []model.Caller{p.user(t), p.user(t), {AnonKey: "bob"}, {AnonKey: "eve"}}
		janitors := make([]*janitor.Janitor, 4)
		storm, over := context.WithTimeout(t.Context(), 6*time.Second)
		defer over()
		var all, writers sync.WaitGroup
		for i := range janitors {
			janitors[i] = p.janitor(janitor.Config{Lost: 50 * time.Millisecond, Expiry: 20 * time.Millisecond, Upkeep: 40 * time.Millisecond, OrphansEach: 60 * time.Millisecond})
			all.Go(func() { janitors[i].Run(storm) })
		}
		var m made
		for i := range 4 {
			writers.Go(func() { p.write(storm, t, users, rand.New(rand.NewPCG(1, uint64(i))), &m) })
			writers.Go(func() {
				for storm.Err() == nil {
					did, err := p.work(context.WithoutCancel(storm)) // a task that was begun is ended
					assert.NoError(t, err)
					if !did {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		writers.Go(func() { // less than the age of an orphan in all
			for storm.Err() == nil {
				time.Sleep(100 * time.Millisecond)
				p.advance(20 * time.Minute)
			}
		})
		writers.Wait()
		all.Wait()

		// Whatever was under way ends; then all ages pass, in steps in which one janitor is
		// enough.
		p.workAll(t)
		m.last(t, p, users[0])
		for _, d := range []time.Duration{0, grace, visit, audio, 2 * time.Hour, orphan} {
			p.advance(d)
			_, err := janitors[0].RunOnce(t.Context())
			require.NoError(t, err)
			p.workAll(t)
		}
		p.advance(2 * time.Hour)
		_, err := janitors[0].RunOnce(t.Context())
		require.NoError(t, err)
		p.whole(t)

		totals := map[string]int{}
		for _, j := range janitors {
			for chore, n := range j.Totals() {
				totals[chore] += n
			}
		}
		t.Logf("made %d sounds and %d packs; the janitors: %v", m.sounds.Load(), m.packs.Load(), totals)
		assert.Equal(t, int(m.sounds.Load()), p.count(t, "sounds")+totals[janitor.Expire]+totals[janitor.Sounds]+2*totals[janitor.Packs], "every sound goes once")
		for _, chore := range []string{janitor.Expire, janitor.Sounds, janitor.Packs, janitor.Audio, janitor.ZIPs, janitor.Assets, janitor.Trash} {
			assert.Positive(t, totals[chore], chore)
		}
		assert.Equal(t, totals[janitor.Assets], totals[janitor.Trash], "a blob for each asset")
		assert.Zero(t, totals[janitor.Repair])
	})
}

// last makes one of each kind, so that there is something for each verb however slow the
// machine is.
func (m *made) last(t *testing.T, p *plant, who model.Caller) {
	t.Helper()
	ctx := t.Context()
	for range 2 {
		job, err := p.generate(ctx, who, 1, "")
		require.NoError(t, err)
		pack, err := p.pack(ctx, who, 1)
		require.NoError(t, err)
		m.sounds.Add(3)
		m.packs.Add(1)
		p.workAll(t)
		if m.deleted {
			continue
		}
		m.deleted = true
		require.NoError(t, p.farm.DeleteSound(ctx, who, job.Sounds[0].ID))
		require.NoError(t, p.farm.DeletePack(ctx, who, pack.ID))
	}
	_, err := p.generate(ctx, model.Caller{AnonKey: "last"}, 1, "")
	require.NoError(t, err)
	m.sounds.Add(1)
	p.workAll(t)
}

// write does one thing after the other, with whatever it finds.
func (p *plant) write(storm context.Context, t *testing.T, users []model.Caller, random *rand.Rand, m *made) {
	ctx := context.WithoutCancel(storm) // what was begun is ended
	// fine are the answers to somebody who comes too late.
	fine := func(err error) {
		if err != nil {
			assert.Contains(t, []model.Code{model.CodeNotFound, model.CodeConflict, model.CodeNotReady}, model.CodeOf(err), "%v", err)
		}
	}
	type thing struct {
		id   uuid.UUID
		who  model.Caller
		pack bool
	}
	var mine []thing
	for storm.Err() == nil {
		who := users[random.IntN(len(users))]
		seed := uint32(random.IntN(12))
		switch random.IntN(10) {
		case 0, 1, 2, 3:
			job, err := p.generate(ctx, who, seed, "")
			if assert.NoError(t, err) {
				m.sounds.Add(1)
				mine = append(mine, thing{job.Sounds[0].ID, who, false})
			}
		case 4:
			pack, err := p.pack(ctx, who, seed)
			if assert.NoError(t, err) {
				m.packs.Add(1)
				m.sounds.Add(2)
				mine = append(mine, thing{pack.ID, who, true})
			}
		default:
			if len(mine) == 0 {
				continue
			}
			i := random.IntN(len(mine))
			it := mine[i]
			switch what := random.IntN(4); {
			case what == 0 && it.pack:
				fine(p.farm.DeletePack(ctx, it.who, it.id))
			case what == 0:
				fine(p.farm.DeleteSound(ctx, it.who, it.id))
			case what == 1 && it.pack:
				_, err := p.farm.UndeletePack(ctx, it.who, it.id)
				fine(err)
			case what == 1:
				_, err := p.farm.UndeleteSound(ctx, it.who, it.id)
				fine(err)
			case what == 2 && it.pack:
				_, err := p.farm.RestorePack(ctx, it.who, it.id)
				fine(err)
			case what == 2:
				_, err := p.farm.RestoreAudio(ctx, it.who, it.id)
				fine(err)
			default:
				mine = slices.Delete(mine, i, i+1)
			}
		}
	}
}
