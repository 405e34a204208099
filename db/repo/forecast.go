package repo

import (
	"context"
	"time"

	"patchlab/db"
)

// Bounds are the times by which things may go.
type Bounds struct {
	Now     time.Time
	Deleted time.Time // what was deleted by then
	Audio   time.Time // what was rendered by then
	Keys    time.Time // idempotency keys made by then
}

// What the janitor's verbs remove one after the other, as conditions. Those that come later
// leave out what is gone by then.
const (
	// expired wants now twice: the sounds that go with their jobs.
	expired = `sounds.job_id IN (SELECT jobs.id FROM jobs WHERE ` + JobExpired + `)`
	// packGone wants a time: the sounds of packs that were deleted by then.
	packGone = `EXISTS (SELECT 1 FROM packs WHERE packs.id = sounds.pack_id AND ` + PackOver + `)`
	// packExpired wants now twice: the packs that go with their jobs.
	packExpired = `packs.job_id IN (SELECT jobs.id FROM jobs WHERE ` + JobExpired + `)`
	// soundGone wants now twice, and twice the time of deletion.
	soundGone = `(` + expired + ` OR ` + packGone + ` OR ` + SoundOver + `)`
	// looseThen wants now twice, the time of deletion twice, that of audio, now twice, the
	// time of deletion, that of audio.
	looseThen = `
NOT EXISTS (
    SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id AND ` + soundGone + ` IS NOT TRUE AND (` + AudioOver + `) IS NOT TRUE
) AND NOT EXISTS (
    SELECT 1 FROM packs WHERE packs.asset_id = assets.id AND (` + packExpired + `) IS NOT TRUE
    AND (` + PackOver + `) IS NOT TRUE AND (` + ZIPOver + `) IS NOT TRUE
)`
	// keyGone wants a time, now twice, and the time of deletion twice: the keys that are too
	// old, without those that go with their jobs.
	keyGone = `created_at <= ? AND job_id NOT IN (SELECT jobs.id FROM jobs WHERE ` + JobExpired + `)
AND NOT (
    EXISTS (SELECT 1 FROM sounds WHERE sounds.job_id = idempotency_keys.job_id AND ` + SoundOver + `)
    AND NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.job_id = idempotency_keys.job_id AND (` + SoundOver + `) IS NOT TRUE)
)`
)

// Sample is how many of some things there are, and the first of them.
type Sample struct {
	Count int
	First []string
}

// Forecast is what the janitor's verbs would remove from the database, one after the other.
type Forecast struct {
	Expired, Packs, Sounds, Audio, ZIPs, Assets, Trash, IdempotencyKeys, Shares Sample
}

// Doomed returns what the janitor's verbs would remove, with up to first ids of each.
func Doomed(ctx context.Context, q db.Queryer, b Bounds, first int) (Forecast, error) {
	var f Forecast
	for _, look := range []func() error{
		func() error {
			return sample(&f.Expired,
				func(n *int) error { return q.Get(ctx, n, `SELECT count(*) FROM sounds WHERE `+expired, b.Now, b.Now) },
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM sounds WHERE `+expired+` ORDER BY id LIMIT ?`, b.Now, b.Now, first)
				})
		},
		func() error {
			return sample(&f.Packs,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM packs WHERE `+PackOver+` AND NOT `+packExpired, b.Deleted, b.Now, b.Now)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM packs WHERE `+PackOver+` AND NOT `+packExpired+` ORDER BY id LIMIT ?`,
						b.Deleted, b.Now, b.Now, first)
				})
		},
		func() error {
			return sample(&f.Sounds,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM sounds WHERE `+SoundOver+` AND NOT `+expired, b.Deleted, b.Now, b.Now)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM sounds WHERE `+SoundOver+` AND NOT `+expired+` ORDER BY id LIMIT ?`,
						b.Deleted, b.Now, b.Now, first)
				})
		},
		func() error {
			return sample(&f.Audio,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM sounds WHERE `+AudioOver+` AND `+soundGone+` IS NOT TRUE`,
						b.Audio, b.Now, b.Now, b.Deleted, b.Deleted)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM sounds WHERE `+AudioOver+` AND `+soundGone+` IS NOT TRUE ORDER BY id LIMIT ?`,
						b.Audio, b.Now, b.Now, b.Deleted, b.Deleted, first)
				})
		},
		func() error {
			return sample(&f.ZIPs,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM packs WHERE `+ZIPOver+` AND (`+PackOver+`) IS NOT TRUE`, b.Audio, b.Deleted)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM packs WHERE `+ZIPOver+` AND (`+PackOver+`) IS NOT TRUE ORDER BY id LIMIT ?`,
						b.Audio, b.Deleted, first)
				})
		},
		func() error {
			return sample(&f.Assets,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM assets WHERE `+looseThen,
						b.Now, b.Now, b.Deleted, b.Deleted, b.Audio, b.Now, b.Now, b.Deleted, b.Audio)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT id FROM assets WHERE `+looseThen+` ORDER BY id LIMIT ?`,
						b.Now, b.Now, b.Deleted, b.Deleted, b.Audio, b.Now, b.Now, b.Deleted, b.Audio, first)
				})
		},
		func() error {
			return sample(&f.Trash,
				func(n *int) error {
					return q.Get(ctx, n, `
SELECT count(*) FROM blob_trash WHERE after <= ? AND NOT EXISTS (SELECT 1 FROM assets WHERE assets.key = blob_trash.key)`, b.Now)
				},
				func(keys *[]string) (err error) {
					*keys, err = DueTrash(ctx, q, b.Now, first)
					return err
				})
		},
		func() error {
			return sample(&f.IdempotencyKeys,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM idempotency_keys WHERE `+keyGone, b.Keys, b.Now, b.Now, b.Deleted, b.Deleted)
				},
				func(ids *[]string) error {
					return q.Select(ctx, ids, `SELECT job_id FROM idempotency_keys WHERE `+keyGone+` ORDER BY job_id LIMIT ?`,
						b.Keys, b.Now, b.Now, b.Deleted, b.Deleted, first)
				})
		},
		func() error {
			return sample(&f.Shares,
				func(n *int) error {
					return q.Get(ctx, n, `SELECT count(*) FROM fair_shares JOIN lanes ON lanes.lane = fair_shares.lane WHERE tag <= clock`)
				},
				func(owners *[]string) error {
					return q.Select(ctx, owners, `
SELECT owner FROM fair_shares JOIN lanes ON lanes.lane = fair_shares.lane WHERE tag <= clock ORDER BY owner LIMIT ?`, first)
				})
		},
	} {
		if err := look(); err != nil {
			return Forecast{}, err
		}
	}
	return f, nil
}

// sample counts, and reads the first where there are any.
func sample(s *Sample, count func(*int) error, first func(*[]string) error) error {
	if err := count(&s.Count); err != nil || s.Count == 0 {
		return err
	}
	return first(&s.First)
}
