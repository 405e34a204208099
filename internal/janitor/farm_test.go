package janitor_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/janitor"
	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
	"patchlab/queue"
	"patchlab/storage"
)

// plant is a farm on real services, with workers that store a few bytes for each sound, and
// a clock that a test moves on.
type plant struct {
	backing.Services
	farm   *service.Farm
	keeper *service.Keeper
	lib    *service.Library
	worker uuid.UUID
	ahead  atomic.Int64 // ns
}

// Now implements service.Clock.
func (p *plant) Now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

func (p *plant) advance(d time.Duration) { p.ahead.Add(int64(d)) }

const (
	visit  = 2 * time.Hour    // the life of a visitor's sound
	grace  = 30 * time.Minute // for what was deleted
	audio  = 3 * time.Hour    // the life of the audio of users
	orphan = 48 * time.Hour   // the age of an orphan, and of an upload: the clock of a test jumps over them
)

func newPlant(t *testing.T, on backing.Services) *plant {
	t.Helper()
	p := &plant{Services: on}
	deps := service.Deps{
		DB: on.DB, Tickets: queue.NewClient(on.Redis), Publisher: nil, Clock: p, NewID: p.newID,
		Config: service.Config{AnonymousTTL: visit, DeleteGrace: grace, AssetTTL: audio, MaxQueued: 100_000},
	}
	p.farm, p.keeper, p.lib = service.NewFarm(deps), service.NewKeeper(deps), service.NewLibrary(deps)
	p.worker = uuid.Must(uuid.NewV7())
	require.NoError(t, p.farm.RegisterWorker(t.Context(), service.Worker{ID: p.worker, Slots: 64}))
	return p
}

// newID makes an id whose time is that of the plant's clock.
func (p *plant) newID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(p.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	return id, err
}

func (p *plant) janitor(cfg janitor.Config) *janitor.Janitor {
	cfg.Now, cfg.OrphansAge, cfg.UploadsAge = p.Now, orphan, orphan
	return janitor.New(p.farm, p.keeper, p.Store, queue.NewClient(p.Redis), live.NewStored(p.Redis), cfg)
}

// user makes an account.
func (p *plant) user(t *testing.T) model.Caller {
	t.Helper()
	id := uuid.New()
	require.NoError(t, p.DB.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO users (id, email, password_hash, created_at) VALUES (?, ?, 'x', ?)`, id, id.String(), p.Now())
		return err
	}))
	return model.Caller{UserID: &id}
}

// generate accepts a sound of one of a few seeds, so that some share their asset.
func (p *plant) generate(ctx context.Context, who model.Caller, seed uint32, key string) (model.Job, error) {
	short := 0.1
	job, _, err := p.farm.Generate(ctx, who, service.GenerateRequest{Prompt: "kick", Variations: 1, Seed: &seed, Duration: &short}, key, nil)
	return job, err
}

// pack accepts a pack of two sounds.
func (p *plant) pack(ctx context.Context, who model.Caller, seed uint32) (model.Pack, error) {
	short := 0.1
	return p.farm.CreatePack(ctx, who, service.PackRequest{
		Format: "wav", Seed: &seed, Sounds: []service.PackSound{{Prompt: "kick", Duration: &short}, {Prompt: "snare", Duration: &short}},
	}, "", nil)
}

// work does one task, if any is due, as a worker does; false where none is.
func (p *plant) work(ctx context.Context) (bool, error) {
	var next []struct {
		ID      uuid.UUID `db:"id"`
		Attempt int       `db:"attempt"`
	}
	if _, err := p.farm.Release(ctx); err != nil {
		return false, err
	}
	if err := p.DB.Reader().Select(ctx, &next, `
SELECT id, attempt FROM tasks WHERE state = 'queued' AND released_at IS NOT NULL ORDER BY tag, id LIMIT 8`); err != nil {
		return false, err
	}
	for _, n := range next {
		claim, ok, err := p.farm.Claim(ctx, model.Ticket{TaskID: n.ID, Attempt: n.Attempt}, p.worker)
		if err != nil {
			return false, err
		}
		if ok {
			return true, p.finish(ctx, claim)
		}
	}
	return false, nil
}

// finish stores the file of a task, or takes up one that is there, and commits.
func (p *plant) finish(ctx context.Context, claim service.Claim) error {
	digest, ext := fmt.Sprintf("%064x", claim.Sound.Patch.Seed), "wav"
	if claim.Pack != nil {
		var seeds []string
		for _, s := range claim.Pack.Sounds {
			seeds = append(seeds, fmt.Sprintf("%08x", s.Patch.Seed))
		}
		digest, ext = fmt.Sprintf("%064s", strings.Join(seeds, "")), "zip"
	}
	digest = strings.ReplaceAll(digest, " ", "0")
	for {
		found, err := p.farm.FindAsset(ctx, digest)
		if err != nil {
			return err
		}
		if found != nil {
			_, err := p.farm.Commit(ctx, claim.Ticket, *found)
			if errors.Is(err, service.ErrAssetGone) {
				continue
			}
			return ignoreFenced(err)
		}
		id, err := p.newID()
		if err != nil {
			return err
		}
		info, err := p.Store.Put(ctx, storage.NewKey(digest, id, ext), strings.NewReader(digest))
		if err != nil {
			return err
		}
		result, err := p.farm.Commit(ctx, claim.Ticket, model.Asset{
			Digest: digest, Format: ext, Key: info.Key, Size: info.Size, ETag: info.ETag, Engine: "1", Encoder: "1",
			Frames: 100, SampleRate: 48000, Channels: 1, Peaks: model.Peaks{-1, 1},
		})
		if errors.Is(err, service.ErrFenced) || err == nil && result.Adopted {
			return p.Store.Delete(ctx, info.Key)
		}
		return err
	}
}

func ignoreFenced(err error) error {
	if errors.Is(err, service.ErrFenced) {
		return nil
	}
	return err
}

// workAll works until nothing is due.
func (p *plant) workAll(t *testing.T) {
	t.Helper()
	for {
		did, err := p.work(t.Context())
		require.NoError(t, err)
		if !did {
			return
		}
	}
}

// count counts rows.
func (p *plant) count(t *testing.T, table string) int {
	t.Helper()
	var n int
	var err error
	q, ctx := p.DB.Reader(), t.Context()
	switch table {
	case "sounds":
		err = q.Get(ctx, &n, `SELECT count(*) FROM sounds`)
	case "loose sounds":
		err = q.Get(ctx, &n, `SELECT count(*) FROM sounds WHERE pack_id IS NULL`)
	case "packs":
		err = q.Get(ctx, &n, `SELECT count(*) FROM packs`)
	case "jobs":
		err = q.Get(ctx, &n, `SELECT count(*) FROM jobs`)
	case "assets":
		err = q.Get(ctx, &n, `SELECT count(*) FROM assets`)
	case "trash":
		err = q.Get(ctx, &n, `SELECT count(*) FROM blob_trash`)
	default:
		require.Fail(t, "no such count", table)
	}
	require.NoError(t, err)
	return n
}

// dump returns everything that a farm keeps.
func (p *plant) dump(t *testing.T) []string {
	t.Helper()
	var out []string
	add := func(table string, read func(into *[]string) error) {
		var rows []string
		require.NoError(t, read(&rows), table)
		for _, r := range rows {
			out = append(out, table+": "+r)
		}
	}
	q, ctx := p.DB.Reader(), t.Context()
	add("jobs", func(into *[]string) error {
		return q.Select(ctx, into, `SELECT CAST(id AS TEXT) || ' ' || state || ' ' || version || ' ' || remaining FROM jobs ORDER BY id`)
	})
	add("sounds", func(into *[]string) error {
		return q.Select(ctx, into, `
SELECT CAST(id AS TEXT) || ' ' || state || ' ' || COALESCE(CAST(asset_id AS TEXT), '-') || ' ' || COALESCE(CAST(deleted_at AS TEXT), '-')
    || ' ' || COALESCE(CAST(finished_at AS TEXT), '-') FROM sounds ORDER BY id`)
	})
	add("packs", func(into *[]string) error {
		return q.Select(ctx, into, `
SELECT CAST(id AS TEXT) || ' ' || COALESCE(CAST(asset_id AS TEXT), '-') || ' ' || COALESCE(CAST(deleted_at AS TEXT), '-') FROM packs ORDER BY id`)
	})
	add("tasks", func(into *[]string) error {
		return q.Select(ctx, into, `SELECT CAST(id AS TEXT) || ' ' || state || ' ' || attempt FROM tasks ORDER BY id`)
	})
	add("assets", func(into *[]string) error { return q.Select(ctx, into, `SELECT key FROM assets ORDER BY key`) })
	add("trash", func(into *[]string) error { return q.Select(ctx, into, `SELECT key FROM blob_trash ORDER BY key`) })
	add("keys", func(into *[]string) error {
		return q.Select(ctx, into, `SELECT owner || key FROM idempotency_keys ORDER BY owner, key`)
	})
	add("shares", func(into *[]string) error {
		return q.Select(ctx, into, `SELECT owner || ' ' || lane || ' ' || tag FROM fair_shares ORDER BY owner, lane`)
	})
	for _, key := range backing.Keys(t, p.Store) {
		out = append(out, "blob: "+key)
	}
	redis, err := p.Redis.Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, key := range redis {
		out = append(out, "redis: "+key)
	}
	return out
}

// whole checks that no sound or pack is without its blob, and no blob without its row.
func (p *plant) whole(t *testing.T) {
	t.Helper()
	var keys, trash []string
	q, ctx := p.DB.Reader(), t.Context()
	require.NoError(t, q.Select(ctx, &keys, `SELECT key FROM assets ORDER BY key`))
	require.NoError(t, q.Select(ctx, &trash, `SELECT key FROM blob_trash`))
	assert.Empty(t, trash)
	assert.ElementsMatch(t, keys, backing.Keys(t, p.Store))
	var loose int
	require.NoError(t, q.Get(ctx, &loose, `
SELECT count(*) FROM assets WHERE NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id)
AND NOT EXISTS (SELECT 1 FROM packs WHERE packs.asset_id = assets.id)`))
	assert.Zero(t, loose)
	var stuck int
	require.NoError(t, q.Get(ctx, &stuck, `SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')`))
	assert.Zero(t, stuck)
}
