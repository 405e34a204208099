package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// Bounds of a request.
const (
	MaxVariations = 8
	MaxKeyLength  = 200 // characters of an idempotency key
)

// GenerateRequest asks for the takes of one prompt. Absent fields are left to
// the words and to the defaults of the parameter table.
type GenerateRequest struct {
	Prompt     string                     // 1–500 characters
	Variations int                        // takes, 1–8
	Seed       *uint32                    // drawn when nil
	Duration   *float64                   // s, 0.05–30
	SampleRate *int                       // Hz: 22050, 44100, 48000, 96000
	BitDepth   *int                       // 16, 24, 32
	Channels   *int                       // 1, 2
	Overrides  map[string]json.RawMessage // patch values by path, after the words
}

// request is what a caller asks for, checked: the sounds of one job.
type request struct {
	kind  model.JobKind
	lane  model.Lane
	takes []take
	pack  *model.Pack // that the sounds make up; nil for none
}

// take is one sound to be, with its explanation as JSON.
type take struct {
	prompt, name string
	parent       *uuid.UUID // the sound that it was made from
	patch        patch.Patch
	explanation  []byte
	cost         int64
}

// errKeyTaken means that another request with the same idempotency key was faster.
var errKeyTaken = errors.New("service: the idempotency key was taken meanwhile")

// Generate accepts a request. With an idempotency key (not "") the same request
// hash gives the job of the first call, existed = true. It needs the database
// only: with the queue down the job waits.
func (f *Farm) Generate(ctx context.Context, caller model.Caller, req GenerateRequest, idemKey string, requestHash []byte) (job model.Job, existed bool, err error) {
	takes, err := f.build(ctx, req)
	if err != nil {
		return model.Job{}, false, err
	}
	return f.submit(ctx, caller, request{kind: model.JobGenerate, lane: model.Interactive, takes: takes}, idemKey, requestHash)
}

// submit accepts a request and returns its job, where it stands in the queue.
func (f *Farm) submit(ctx context.Context, caller model.Caller, req request, idemKey string, requestHash []byte) (job model.Job, existed bool, err error) {
	if len(idemKey) > MaxKeyLength {
		return model.Job{}, false, model.Invalid(model.FieldError{Field: "Idempotency-Key", Message: fmt.Sprintf("is longer than %d characters", MaxKeyLength)})
	}
	accepted, existed, err := f.accept(ctx, caller, req, idemKey, requestHash)
	if err != nil {
		return model.Job{}, false, err
	}
	if existed {
		job, err = f.JobByID(ctx, accepted.ID, 0)
		return job, true, err
	}
	f.wake()
	if err := f.place(ctx, &accepted); err != nil {
		// It is accepted: whoever was told otherwise would ask again, and have it twice.
		f.Log.WarnContext(ctx, "the place of a job cannot be read", "job", accepted.ID, "err", err)
	}
	return accepted, false, nil
}

// build checks a request and interprets its takes; its error names every fault.
func (f *Farm) build(ctx context.Context, req GenerateRequest) ([]take, error) {
	seed, err := f.seed(req.Seed)
	if err != nil {
		return nil, err
	}
	var faults []model.FieldError
	n := req.Variations
	if n < 1 || n > MaxVariations {
		faults = append(faults, model.FieldError{Field: "variations", Message: fmt.Sprintf("must be 1 to %d takes", MaxVariations)})
		n = 1 // the rest is checked on one take
	}
	overrides := prompt.Overrides{
		Duration: req.Duration, SampleRate: req.SampleRate, BitDepth: req.BitDepth, Channels: req.Channels, Patch: req.Overrides,
	}
	takes := make([]take, n)
	var samples int64
	for i := range takes {
		in, err := f.Interpreter.Build(ctx, req.Prompt, seed, i, overrides)
		if err != nil {
			var invalid *model.Error
			if errors.As(err, &invalid) && invalid.Code == model.CodeInvalid {
				return nil, model.Invalid(append(faults, invalid.Fields...)...)
			}
			return nil, fmt.Errorf("interpret: %w", err)
		}
		explanation, err := json.Marshal(in.Explanation())
		if err != nil {
			return nil, fmt.Errorf("encode the explanation: %w", err)
		}
		takes[i] = take{
			prompt: strings.TrimSpace(req.Prompt), name: soundName(req.Prompt, i, n),
			patch: in.Patch, explanation: explanation, cost: max(1, in.Patch.Cost()),
		}
		samples += in.Patch.Samples()
		if i == 0 && takes[0].cost > f.Config.MaxCost {
			faults = append(faults, tooCostly(takes[0].cost, f.Config.MaxCost, req))
		}
	}
	if samples > f.Config.MaxJobSamples {
		faults = append(faults, tooManySamples(samples, f.Config.MaxJobSamples, n, takes[0].patch))
	}
	if len(faults) > 0 {
		return nil, model.Invalid(faults...)
	}
	return takes, nil
}

func (f *Farm) seed(given *uint32) (uint32, error) {
	if given != nil {
		return *given, nil
	}
	return f.uint32()
}

// tooManySamples names the field that mends it most easily.
func tooManySamples(samples, most int64, takes int, p patch.Patch) model.FieldError {
	out := p.Output
	field := "duration"
	if takes > 1 {
		field = "variations"
	}
	return model.FieldError{Field: field, Message: fmt.Sprintf(
		"%d × %.4g s at %d Hz in %d channel(s) is %d samples, more than %d: ask for fewer takes, a shorter duration, a lower sample_rate or 1 channel",
		takes, float64(p.Frames())/float64(out.SampleRate), out.SampleRate, out.Channels, samples, most,
	)}
}

func tooCostly(cost, most int64, req GenerateRequest) model.FieldError {
	field := "duration"
	if len(req.Overrides) > 0 {
		field = "overrides"
	}
	return model.FieldError{Field: field, Message: fmt.Sprintf(
		"one take would need about %s of work, more than %s: ask for a shorter duration, a lower sample_rate, fewer layers or fewer unison voices",
		time.Duration(cost)*time.Microsecond, time.Duration(most)*time.Microsecond,
	)}
}

// accept writes a job with its sounds and tasks in one transaction.
func (f *Farm) accept(ctx context.Context, caller model.Caller, req request, idemKey string, hash []byte) (job model.Job, existed bool, err error) {
	for {
		err = f.DB.InTx(ctx, func(tx *db.Tx) error {
			job, existed, err = f.acceptTx(ctx, tx, caller, req, idemKey, hash)
			return err
		})
		// The other request has committed by now, so the next round finds its job;
		// unless that was removed at once, and then this one takes its place.
		if !errors.Is(err, errKeyTaken) {
			return job, existed, err
		}
	}
}

// acceptTx returns the job as it was accepted or, of one that existed, its id alone.
func (f *Farm) acceptTx(ctx context.Context, tx *db.Tx, caller model.Caller, req request, idemKey string, hash []byte) (model.Job, bool, error) {
	now := f.now()
	owner := caller.Owner()
	if idemKey != "" {
		id, found, err := f.replay(ctx, tx, owner, idemKey, hash, now)
		if err != nil || found {
			return model.Job{ID: id}, found, err
		}
	}
	var anonKey *string
	var expires *time.Time
	if caller.UserID == nil {
		anonKey = &caller.AnonKey
		at := now.Add(f.Config.AnonymousTTL)
		expires = &at
	}
	jobID, err := f.id()
	if err != nil {
		return model.Job{}, false, err
	}
	job := model.Job{
		ID: jobID, Owner: caller, Kind: req.kind, State: model.Queued, Lane: req.lane, Version: 1,
		Total: len(req.takes), Remaining: len(req.takes), CreatedAt: now,
	}
	if req.pack != nil {
		packID, err := f.id()
		if err != nil {
			return model.Job{}, false, err
		}
		job.PackID = &packID
	}
	if _, err := tx.Exec(ctx, `
INSERT INTO jobs (id, owner_id, anon_key, kind, lane, state, version, pack_id, total, remaining, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, 'queued', 1, ?, ?, ?, ?, ?)`,
		jobID, caller.UserID, anonKey, req.kind, req.lane, job.PackID, job.Total, job.Remaining, now, expires); err != nil {
		return model.Job{}, false, err
	}
	if req.pack != nil {
		if _, err := tx.Exec(ctx, `
INSERT INTO packs (id, owner_id, anon_key, job_id, name, theme, format, total, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			job.PackID, caller.UserID, anonKey, jobID, req.pack.Name, req.pack.Theme, req.pack.Format, job.Total, now, expires); err != nil {
			return model.Job{}, false, err
		}
	}
	if idemKey != "" {
		n, err := tx.Exec(ctx, `
INSERT INTO idempotency_keys (owner, key, request_hash, job_id, created_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (owner, key) DO NOTHING`, owner, idemKey, notNil(hash), jobID, now)
		if err != nil {
			return model.Job{}, false, err
		}
		if n == 0 {
			return model.Job{}, false, errKeyTaken
		}
	}
	var cost int64
	for _, t := range req.takes {
		cost += t.cost
	}
	tag, err := f.reserve(ctx, tx, owner, req.lane, cost)
	if err != nil {
		return model.Job{}, false, err
	}
	if err := f.checkQuota(ctx, tx, owner, len(req.takes)); err != nil {
		return model.Job{}, false, err
	}
	for i, t := range req.takes {
		tag += t.cost
		soundID, err := f.id()
		if err != nil {
			return model.Job{}, false, err
		}
		taskID, err := f.id()
		if err != nil {
			return model.Job{}, false, err
		}
		sound := model.Sound{
			ID: soundID, Owner: caller, JobID: jobID, TaskID: taskID, Position: i, ParentID: t.parent, PackID: job.PackID, Prompt: t.prompt,
			Name: t.name, State: model.Queued, Patch: t.patch, Format: format.WAV,
			Explanation: t.explanation, CreatedAt: now, ExpiresAt: expires,
		}
		if req.pack == nil {
			job.Sounds = append(job.Sounds, sound)
		}
		if _, err := tx.Exec(ctx, `
INSERT INTO sounds (id, owner_id, anon_key, job_id, position, parent_id, pack_id, prompt, name, state, patch, format, explanation, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)`,
			sound.ID, caller.UserID, anonKey, jobID, i, t.parent, job.PackID, sound.Prompt, sound.Name,
			string(t.patch.Canonical()), sound.Format, string(t.explanation), now, expires); err != nil {
			return model.Job{}, false, err
		}
		if _, err := tx.Exec(ctx, `
INSERT INTO tasks (id, job_id, sound_id, kind, lane, owner, state, not_before, tag, cost, created_at)
VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)`,
			taskID, jobID, soundID, model.TaskRender, req.lane, owner, now, tag, t.cost, now); err != nil {
			return model.Job{}, false, err
		}
	}
	return job, false, nil
}

// replay looks for the job of an idempotency key, and removes a key that is too old.
func (f *Farm) replay(ctx context.Context, tx *db.Tx, owner, key string, hash []byte, now time.Time) (uuid.UUID, bool, error) {
	var row struct {
		Hash      []byte    `db:"request_hash"`
		JobID     uuid.UUID `db:"job_id"`
		CreatedAt time.Time `db:"created_at"`
	}
	err := tx.Get(ctx, &row, `SELECT request_hash, job_id, created_at FROM idempotency_keys WHERE owner = ? AND key = ?`, owner, key)
	oldest := now.Add(-f.Config.IdempotencyTTL)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return uuid.Nil, false, nil
	case err != nil:
		return uuid.Nil, false, err
	case !row.CreatedAt.After(oldest):
		// Only if it is that old still: another may have taken it meanwhile.
		_, err := tx.Exec(ctx, `DELETE FROM idempotency_keys WHERE owner = ? AND key = ? AND created_at <= ?`, owner, key, oldest)
		return uuid.Nil, false, err
	case !bytes.Equal(row.Hash, hash):
		return uuid.Nil, false, model.Errorf(model.CodeKeyReused,
			"this Idempotency-Key was used for another request: send the same body, or use a new key")
	}
	return row.JobID, true, nil
}

// reserve moves an owner's mark in a lane by the cost of new tasks and returns
// where they start: start-time fair queueing. An owner who has queued nothing
// starts at the lane's clock, one who has much waiting starts after it; so tags of
// all owners rise at the same pace, whatever each has queued. The row that it
// locks also keeps two requests of one owner from passing the quota together.
func (f *Farm) reserve(ctx context.Context, tx *db.Tx, owner string, lane model.Lane, cost int64) (int64, error) {
	var tag int64
	err := tx.Get(ctx, &tag, `
INSERT INTO fair_shares (owner, lane, tag) SELECT ?, lane, clock + ? FROM lanes WHERE lane = ?
ON CONFLICT (owner, lane) DO UPDATE
SET tag = CASE WHEN fair_shares.tag + ? > excluded.tag THEN fair_shares.tag + ? ELSE excluded.tag END
RETURNING tag`, owner, cost, lane, cost, cost)
	return tag - cost, err
}

const unfinishedOfOwner = `SELECT count(*) FROM tasks WHERE owner = ? AND state IN ('queued', 'running')`

func (f *Farm) checkQuota(ctx context.Context, tx *db.Tx, owner string, more int) error {
	var queued int
	if err := tx.Get(ctx, &queued, unfinishedOfOwner, owner); err != nil {
		return err
	}
	if queued+more > f.Config.MaxQueued {
		e := model.Errorf(model.CodeQuota, "you have %d unfinished renders of at most %d: wait for some to finish", queued, f.Config.MaxQueued)
		e.RetryAfter = quotaRetry
		return e
	}
	return nil
}

// quotaRetry is how long to wait before asking again when too much is queued.
const quotaRetry = 10 * time.Second

// soundName is the name of a take.
func soundName(words string, take, takes int) string {
	if takes > 1 {
		return fmt.Sprintf("%s-%d", format.NameOf(words), take+1)
	}
	return format.NameOf(words)
}

// notNil makes an absent hash an empty one, which the databases tell from NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (d Deps) id() (uuid.UUID, error) {
	id, err := d.NewID()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}
