package repo

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/internal/model"
)

const packColumns = `
SELECT p.id, p.owner_id, p.anon_key, p.job_id, p.name, p.theme, p.format, p.total, p.created_at, p.expires_at, p.deleted_at,
       a.id AS a_id, a.digest AS a_digest, a.key AS a_key, a.size AS a_size, a.etag AS a_etag
FROM packs p LEFT JOIN assets a ON a.id = p.asset_id
`

type packRow struct {
	ID        uuid.UUID  `db:"id"`
	OwnerID   *uuid.UUID `db:"owner_id"`
	AnonKey   *string    `db:"anon_key"`
	JobID     uuid.UUID  `db:"job_id"`
	Name      string     `db:"name"`
	Theme     string     `db:"theme"`
	Format    string     `db:"format"`
	Total     int        `db:"total"`
	CreatedAt time.Time  `db:"created_at"`
	ExpiresAt *time.Time `db:"expires_at"`
	DeletedAt *time.Time `db:"deleted_at"`

	AssetID *uuid.UUID `db:"a_id"`
	Digest  *string    `db:"a_digest"`
	Key     *string    `db:"a_key"`
	Size    *int64     `db:"a_size"`
	ETag    *string    `db:"a_etag"`
}

func (r packRow) model() model.Pack {
	p := model.Pack{
		ID: r.ID, Owner: caller(r.OwnerID, r.AnonKey), Job: model.Job{ID: r.JobID}, Name: r.Name, Theme: r.Theme,
		Format: r.Format, Total: r.Total, Counts: map[model.State]int{},
		CreatedAt: r.CreatedAt.UTC(), ExpiresAt: utc(r.ExpiresAt), DeletedAt: utc(r.DeletedAt),
	}
	if r.AssetID != nil {
		p.Asset = &model.Asset{ID: *r.AssetID, Digest: *r.Digest, Format: "zip", Key: *r.Key, Size: *r.Size, ETag: *r.ETag}
	}
	return p
}

// Pack returns a pack with its job and the counts of its sounds, also one that was deleted.
func Pack(ctx context.Context, q db.Queryer, id uuid.UUID) (model.Pack, error) {
	var r packRow
	if err := q.Get(ctx, &r, packColumns+`WHERE p.id = ?`, id); err != nil {
		return model.Pack{}, notFound(err)
	}
	packs, err := withJobs(ctx, q, []packRow{r})
	if err != nil {
		return model.Pack{}, err
	}
	return packs[0], nil
}

// Queries of a page, constants so that a test can ask for their plans.
const (
	// UserPacks wants owner_id, now, created_at, id, limit.
	UserPacks = packColumns + `
WHERE p.owner_id = ? AND p.deleted_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > ?) AND (p.created_at, p.id) < (?, ?)
ORDER BY p.created_at DESC, p.id DESC LIMIT ?`
	// AnonPacks wants anon_key, now, created_at, id, limit.
	AnonPacks = packColumns + `
WHERE p.anon_key = ? AND p.deleted_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > ?) AND (p.created_at, p.id) < (?, ?)
ORDER BY p.created_at DESC, p.id DESC LIMIT ?`
)

// Packs returns up to limit packs of a caller that have not expired and are not deleted,
// the newest first, after a place (nil = from the newest).
func Packs(ctx context.Context, q db.Queryer, c model.Caller, now time.Time, after *Place, limit int) ([]model.Pack, error) {
	if after == nil {
		after = &endOfTime
	}
	var rows []packRow
	var err error
	if c.UserID != nil {
		err = q.Select(ctx, &rows, UserPacks, *c.UserID, now, after.CreatedAt, after.ID, limit)
	} else {
		err = q.Select(ctx, &rows, AnonPacks, c.AnonKey, now, after.CreatedAt, after.ID, limit)
	}
	if err != nil {
		return nil, err
	}
	return withJobs(ctx, q, rows)
}

// withJobs adds to packs their jobs and the counts of their sounds.
func withJobs(ctx context.Context, q db.Queryer, rows []packRow) ([]model.Pack, error) {
	packs := make([]model.Pack, len(rows))
	if len(rows) == 0 {
		return packs, nil
	}
	jobIDs, packIDs := make([]uuid.UUID, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		packs[i] = r.model()
		jobIDs[i], packIDs[i] = r.JobID, r.ID
	}
	var jobRows []jobRow
	if err := q.Select(ctx, &jobRows, jobColumns+`WHERE id IN (?)`, jobIDs); err != nil {
		return nil, err
	}
	jobs := make(map[uuid.UUID]model.Job, len(jobRows))
	for _, r := range jobRows {
		job, err := r.model()
		if err != nil {
			return nil, err
		}
		jobs[job.ID] = job
	}
	var counts []struct {
		PackID uuid.UUID   `db:"pack_id"`
		State  model.State `db:"state"`
		N      int         `db:"n"`
	}
	if err := q.Select(ctx, &counts, `
SELECT pack_id, state, count(*) AS n FROM sounds WHERE pack_id IN (?) AND deleted_at IS NULL GROUP BY pack_id, state`, packIDs); err != nil {
		return nil, err
	}
	for i := range packs {
		p := &packs[i]
		p.Job = jobs[p.Job.ID]
		for _, c := range counts {
			if c.PackID == p.ID {
				p.Counts[c.State] = c.N
			}
		}
	}
	return packs, nil
}

// PackList returns the sounds of a pack in order, as far as a list needs them.
func PackList(ctx context.Context, q db.Queryer, packID uuid.UUID) ([]model.PackSound, error) {
	var rows []struct {
		ID         uuid.UUID   `db:"id"`
		Position   int         `db:"position"`
		Name       string      `db:"name"`
		Prompt     string      `db:"prompt"`
		State      model.State `db:"state"`
		Error      []byte      `db:"error"`
		Size       *int64      `db:"size"`
		Frames     *int64      `db:"frames"`
		SampleRate *int64      `db:"sample_rate"`
		Peaks      []byte      `db:"peaks"`
		Source     string      `db:"source"`
	}
	if err := q.Select(ctx, &rows, `
SELECT s.id, s.position, s.name, s.prompt, s.state, s.error, a.size, a.frames, a.sample_rate, a.peaks,
       COALESCE(s.patch->'layers'->0->>'source', 'synth') AS source
FROM sounds s LEFT JOIN assets a ON a.id = s.asset_id
WHERE s.pack_id = ? AND s.deleted_at IS NULL ORDER BY s.position`, packID); err != nil {
		return nil, err
	}
	sounds := make([]model.PackSound, len(rows))
	for i, r := range rows {
		failure, err := decodeFailure(r.Error)
		if err != nil {
			return nil, fmt.Errorf("sound %s: %w", r.ID, err)
		}
		s := model.PackSound{ID: r.ID, Position: r.Position, Name: r.Name, Prompt: r.Prompt, State: r.State, Source: r.Source, Error: failure}
		if r.Size != nil {
			s.Peaks = decodePeaks(r.Peaks).Coarser(model.PackPeakBuckets)
			s.Size, s.Length = *r.Size, time.Duration(*r.Frames*int64(time.Second) / *r.SampleRate)
		}
		sounds[i] = s
	}
	return sounds, nil
}

// PackMembers returns the sounds of a pack in order, with their assets.
func PackMembers(ctx context.Context, q db.Queryer, packID uuid.UUID) ([]model.Sound, error) {
	var rows []soundRow
	if err := q.Select(ctx, &rows, soundColumns+`WHERE s.pack_id = ? AND s.deleted_at IS NULL ORDER BY s.position`, packID); err != nil {
		return nil, err
	}
	return soundModels(rows)
}
