package repo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/engine/patch"
	"patchlab/internal/model"
)

type jobRow struct {
	ID          uuid.UUID  `db:"id"`
	OwnerID     *uuid.UUID `db:"owner_id"`
	AnonKey     *string    `db:"anon_key"`
	Kind        string     `db:"kind"`
	Lane        string     `db:"lane"`
	State       string     `db:"state"`
	Version     int64      `db:"version"`
	Remaining   int        `db:"remaining"`
	FailedCount int        `db:"failed_count"`
	RetryOf     *uuid.UUID `db:"retry_of"`
	Stage       string     `db:"stage"`
	PackID      *uuid.UUID `db:"pack_id"`
	Total       int        `db:"total"`
	Error       []byte     `db:"error"`
	CreatedAt   time.Time  `db:"created_at"`
	StartedAt   *time.Time `db:"started_at"`
	FinishedAt  *time.Time `db:"finished_at"`
	Attempts    int        `db:"attempts"`
}

func (r jobRow) model() (model.Job, error) {
	failure, err := decodeFailure(r.Error)
	if err != nil {
		return model.Job{}, fmt.Errorf("job %s: %w", r.ID, err)
	}
	return model.Job{
		ID: r.ID, Owner: caller(r.OwnerID, r.AnonKey), Kind: model.JobKind(r.Kind), State: model.State(r.State),
		Lane: model.Lane(r.Lane), Version: r.Version, Remaining: r.Remaining, FailedCount: r.FailedCount,
		Error: failure, RetryOf: r.RetryOf, Attempts: r.Attempts, Stage: r.Stage, PackID: r.PackID, Total: r.Total,
		CreatedAt: r.CreatedAt.UTC(), StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt),
	}, nil
}

// soundRow is a sound with its task and, where it has one, its asset.
type soundRow struct {
	ID          uuid.UUID  `db:"id"`
	OwnerID     *uuid.UUID `db:"owner_id"`
	AnonKey     *string    `db:"anon_key"`
	JobID       uuid.UUID  `db:"job_id"`
	TaskID      *uuid.UUID `db:"task_id"`
	Position    int        `db:"position"`
	ParentID    *uuid.UUID `db:"parent_id"`
	PackID      *uuid.UUID `db:"pack_id"`
	Ended       int64      `db:"ended_version"`
	Prompt      string     `db:"prompt"`
	Name        string     `db:"name"`
	State       string     `db:"state"`
	Patch       []byte     `db:"patch"`
	Format      string     `db:"format"`
	Explanation []byte     `db:"explanation"`
	Error       []byte     `db:"error"`
	CreatedAt   time.Time  `db:"created_at"`
	FinishedAt  *time.Time `db:"finished_at"`
	ExpiresAt   *time.Time `db:"expires_at"`
	DeletedAt   *time.Time `db:"deleted_at"`

	AssetID    *uuid.UUID `db:"a_id"`
	Digest     *string    `db:"a_digest"`
	AFormat    *string    `db:"a_format"`
	Key        *string    `db:"a_key"`
	Size       *int64     `db:"a_size"`
	ETag       *string    `db:"a_etag"`
	Engine     *string    `db:"a_engine"`
	Encoder    *string    `db:"a_encoder"`
	Frames     *int64     `db:"a_frames"`
	SampleRate *int       `db:"a_sample_rate"`
	Channels   *int       `db:"a_channels"`
	Peaks      []byte     `db:"a_peaks"`
	ACreatedAt *time.Time `db:"a_created_at"`
}

func (r soundRow) model() (model.Sound, error) {
	failure, err := decodeFailure(r.Error)
	if err != nil {
		return model.Sound{}, fmt.Errorf("sound %s: %w", r.ID, err)
	}
	p, err := patch.Decode(r.Patch)
	if err != nil {
		return model.Sound{}, fmt.Errorf("sound %s: decode its patch: %w", r.ID, err)
	}
	s := model.Sound{
		ID: r.ID, Owner: caller(r.OwnerID, r.AnonKey), JobID: r.JobID, Position: r.Position, ParentID: r.ParentID,
		PackID: r.PackID, Ended: r.Ended, Prompt: r.Prompt, Name: r.Name, State: model.State(r.State), Patch: p, Format: r.Format,
		Explanation: r.Explanation, Error: failure,
		CreatedAt: r.CreatedAt.UTC(), FinishedAt: utc(r.FinishedAt), ExpiresAt: utc(r.ExpiresAt), DeletedAt: utc(r.DeletedAt),
	}
	if r.TaskID != nil {
		s.TaskID = *r.TaskID
	}
	if r.AssetID != nil {
		a := assetRow{
			ID: *r.AssetID, Digest: *r.Digest, Format: *r.AFormat, Key: *r.Key, Size: *r.Size, ETag: *r.ETag,
			Engine: *r.Engine, Encoder: *r.Encoder, Frames: *r.Frames, SampleRate: *r.SampleRate,
			Channels: *r.Channels, Peaks: r.Peaks, CreatedAt: *r.ACreatedAt,
		}.model()
		s.Asset = &a
	}
	return s, nil
}

type assetRow struct {
	ID         uuid.UUID `db:"id"`
	Digest     string    `db:"digest"`
	Format     string    `db:"format"`
	Key        string    `db:"key"`
	Size       int64     `db:"size"`
	ETag       string    `db:"etag"`
	Engine     string    `db:"engine"`
	Encoder    string    `db:"encoder"`
	Frames     int64     `db:"frames"`
	SampleRate int       `db:"sample_rate"`
	Channels   int       `db:"channels"`
	Peaks      []byte    `db:"peaks"`
	CreatedAt  time.Time `db:"created_at"`
}

func (r assetRow) model() model.Asset {
	return model.Asset{
		ID: r.ID, Digest: r.Digest, Format: r.Format, Key: r.Key, Size: r.Size, ETag: r.ETag, Engine: r.Engine,
		Encoder: r.Encoder, Frames: r.Frames, SampleRate: r.SampleRate, Channels: r.Channels,
		Peaks: decodePeaks(r.Peaks), CreatedAt: r.CreatedAt.UTC(),
	}
}

// EncodePeaks turns peaks into bytes for the database.
func EncodePeaks(p model.Peaks) []byte {
	b := make([]byte, len(p))
	for i, v := range p {
		b[i] = byte(v)
	}
	return b
}

func decodePeaks(b []byte) model.Peaks {
	p := make(model.Peaks, len(b))
	for i, v := range b {
		p[i] = int8(v)
	}
	return p
}

func decodeFailure(b []byte) (*model.Failure, error) {
	if len(b) == 0 {
		return nil, nil //nolint:nilnil // no failure is no error
	}
	var f model.Failure
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("decode its error: %w", err)
	}
	return &f, nil
}

func caller(ownerID *uuid.UUID, anonKey *string) model.Caller {
	c := model.Caller{UserID: ownerID}
	if anonKey != nil {
		c.AnonKey = *anonKey
	}
	return c
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
