package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/engine/patch"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// MaxPackSounds is the number of sounds of the largest pack.
const MaxPackSounds = prompt.MaxPlan

// PackSound is one sound of the plan of a pack.
type PackSound struct {
	Prompt   string   // 1–500 characters
	Name     string   // of its file, without an ending; made from the prompt where ""
	Seed     *uint32  // drawn from the pack's when nil
	Duration *float64 // s, 0.05–30; left to the words when nil
}

// PackRequest asks for a pack: of a theme and a count, or of a plan.
type PackRequest struct {
	Name       string      // made from the theme, or the first prompt, where ""
	Theme      string      // 1–500 characters; with Sounds it is a note of what they came from, or ""
	Count      int         // 1–500 of the theme; 0 with Sounds
	Sounds     []PackSound // 1–500
	Seed       *uint32     // drawn when nil
	Format     string      // format.WAV
	SampleRate *int        // Hz: 22050, 44100, 48000, 96000
	BitDepth   *int        // 16, 24, 32
	Channels   *int        // 1, 2
}

// PlanPack returns the name and the sounds of the pack that a theme makes.
func (f *Farm) PlanPack(_ context.Context, theme string, count int) (name string, sounds []PackSound, err error) {
	prompts, err := prompt.Plan(theme, count)
	if err != nil {
		return "", nil, fmt.Errorf("plan a pack: %w", err)
	}
	sounds = make([]PackSound, len(prompts))
	for i, name := range format.NamesOf(prompts, map[string]bool{}) {
		sounds[i] = PackSound{Prompt: prompts[i], Name: name}
	}
	return format.NameOf(theme), sounds, nil
}

// CreatePack accepts a pack as a job in the bulk lane. With an idempotency key (not "")
// the same request hash gives the pack of the first call.
func (f *Farm) CreatePack(ctx context.Context, caller model.Caller, req PackRequest, idemKey string, requestHash []byte) (model.Pack, error) {
	pack, takes, err := f.buildPack(ctx, req)
	if err != nil {
		return model.Pack{}, err
	}
	job, _, err := f.submit(ctx, caller, request{kind: model.JobPack, lane: model.Bulk, takes: takes, pack: &pack}, idemKey, requestHash)
	if err != nil {
		return model.Pack{}, err
	}
	if job.PackID == nil {
		return model.Pack{}, model.Errorf(model.CodeKeyReused, "this Idempotency-Key was used for another request: use a new key")
	}
	return f.readPack(ctx, *job.PackID)
}

// readPack reads a pack where it was just written: a replica may not have it yet. One that
// was deleted is CodeNotFound.
func (f *Farm) readPack(ctx context.Context, id uuid.UUID) (pack model.Pack, err error) {
	err = f.DB.InTx(ctx, func(tx *db.Tx) error {
		pack, err = repo.Pack(ctx, tx, id)
		if err == nil && pack.DeletedAt != nil {
			err = repo.ErrNotFound
		}
		return err
	})
	if errors.Is(err, repo.ErrNotFound) {
		return model.Pack{}, noSuchPack()
	}
	if err != nil {
		return model.Pack{}, fmt.Errorf("read pack %s: %w", id, err)
	}
	return pack, nil
}

func noSuchPack() error { return model.Errorf(model.CodeNotFound, "there is no such pack") }

// buildPack checks a request and interprets its sounds; its error names every fault.
func (f *Farm) buildPack(ctx context.Context, req PackRequest) (model.Pack, []take, error) {
	var faults faults
	sounds := req.Sounds
	switch {
	case len(sounds) > 0 && req.Count > 0:
		faults.add("count", "is for a theme: leave it out, or leave sounds out")
	case len(sounds) == 0:
		_, planned, err := f.PlanPack(ctx, req.Theme, req.Count)
		if err := faults.take(err); err != nil {
			return model.Pack{}, nil, err
		}
		sounds = planned
	case len(sounds) > MaxPackSounds:
		faults.add("sounds", "has %d sounds: send at most %d", len(sounds), MaxPackSounds)
	}
	if len(req.Sounds) > 0 && strings.TrimSpace(req.Theme) != "" {
		if err := faults.take(prompt.CheckTheme(req.Theme)); err != nil {
			return model.Pack{}, nil, err
		}
	}
	if req.Format != format.WAV {
		faults.add("format", "must be wav")
	}
	if req.Name != "" {
		if wrong := format.CheckName(req.Name); wrong != "" {
			faults.add("name", "%s", wrong)
		}
	}
	if len(faults) > 0 {
		return model.Pack{}, nil, faults.err()
	}
	seed, err := f.seed(req.Seed)
	if err != nil {
		return model.Pack{}, nil, err
	}
	takes, err := f.packTakes(ctx, req, sounds, seed, &faults)
	if err != nil {
		return model.Pack{}, nil, err
	}
	if len(faults) > 0 {
		return model.Pack{}, nil, faults.err()
	}
	name := req.Name
	if name == "" {
		name = packName(req.Theme, sounds)
	}
	return model.Pack{Name: name, Theme: strings.TrimSpace(req.Theme), Format: req.Format}, takes, nil
}

func packName(theme string, sounds []PackSound) string {
	if strings.TrimSpace(theme) == "" {
		theme = sounds[0].Prompt
	}
	return format.NameOf(theme)
}

// packTakes interprets the sounds of a pack.
func (f *Farm) packTakes(ctx context.Context, req PackRequest, sounds []PackSound, seed uint32, faults *faults) ([]take, error) {
	takes := make([]take, len(sounds))
	named := make(map[string]int, len(sounds)) // by the key of the name
	var bytes int64
	for i, s := range sounds {
		field := fmt.Sprintf("sounds.%d.", i)
		own, index := seed, i
		if s.Seed != nil {
			own, index = *s.Seed, 0
		}
		in, err := f.Interpreter.Build(ctx, s.Prompt, own, index, prompt.Overrides{
			Duration: s.Duration, SampleRate: req.SampleRate, BitDepth: req.BitDepth, Channels: req.Channels,
		})
		if err != nil {
			if err := faults.takeSound(field, err); err != nil {
				return nil, fmt.Errorf("interpret: %w", err)
			}
			continue
		}
		explanation, err := json.Marshal(in.Explanation())
		if err != nil {
			return nil, fmt.Errorf("encode the explanation: %w", err)
		}
		takes[i] = take{
			prompt: strings.TrimSpace(s.Prompt), name: s.Name, patch: in.Patch, explanation: explanation, cost: max(1, in.Patch.Cost()),
		}
		if s.Name != "" {
			key := format.NameKey(s.Name)
			if wrong := format.CheckName(s.Name); wrong != "" {
				faults.add(field+"name", "%s", wrong)
			} else if first, taken := named[key]; taken {
				faults.add(field+"name", "is that of sounds.%d too: give each file a name of its own", first)
			} else {
				named[key] = i
			}
		}
		if takes[i].cost > f.Config.MaxCost {
			faults.add(field+"prompt", "would need about %s of work, more than %s: ask for a shorter duration",
				time.Duration(takes[i].cost)*time.Microsecond, time.Duration(f.Config.MaxCost)*time.Microsecond)
		}
		if n := in.Patch.Samples(); n > f.Config.MaxJobSamples {
			faults.add(field+"duration", "makes %d samples, more than %d: ask for a shorter duration, a lower sample_rate or 1 channel", n, f.Config.MaxJobSamples)
		}
		bytes += in.Patch.Samples() * int64(in.Patch.Output.BitDepth/8)
	}
	if bytes > format.MaxPackBytes {
		faults.add("sounds", "make about %d MB of audio, more than the %d MB of a pack: ask for fewer or shorter sounds, 16 bits or 1 channel",
			bytes>>20, int64(format.MaxPackBytes>>20))
	}
	nameTakes(takes, named)
	return takes, nil
}

// nameTakes gives those takes a name of their own that have none yet.
func nameTakes(takes []take, named map[string]int) {
	taken := make(map[string]bool, len(takes))
	for key := range named {
		taken[key] = true
	}
	for i := range takes {
		if takes[i].name == "" {
			takes[i].name = format.NamesOf([]string{takes[i].prompt}, taken)[0]
		}
	}
}

// faults collects the wrong fields of a request.
type faults []model.FieldError

// mostFaults is how many are told: of five hundred that are wrong alike some say enough.
const mostFaults = 20

func (f *faults) add(field, message string, args ...any) {
	if len(*f) < mostFaults {
		*f = append(*f, model.FieldError{Field: field, Message: fmt.Sprintf(message, args...)})
	}
}

// take takes up the fields of an error of CodeInvalid, and returns any other.
func (f *faults) take(err error) error {
	return f.takeEach(err, func(field model.FieldError) { f.add(field.Field, "%s", field.Message) })
}

// takeSound is take of one sound, with its fields under a prefix. The output format is that
// of all sounds: what is wrong with it is told once, by the name that it was sent with.
func (f *faults) takeSound(prefix string, err error) error {
	return f.takeEach(err, func(field model.FieldError) {
		name := prefix + field.Field
		if slices.Contains([]string{"sample_rate", "bit_depth", "channels"}, field.Field) {
			name = field.Field
		}
		if !slices.ContainsFunc(*f, func(known model.FieldError) bool { return known.Field == name }) {
			f.add(name, "%s", field.Message)
		}
	})
}

func (f *faults) takeEach(err error, take func(model.FieldError)) error {
	var invalid *model.Error
	if !errors.As(err, &invalid) || invalid.Code != model.CodeInvalid {
		return err
	}
	for _, field := range invalid.Fields {
		take(field)
	}
	return nil
}

func (f *faults) err() error { return model.Invalid(*f...) }

// PackBuild is what the ZIP of a pack is made of.
type PackBuild struct {
	Name   string
	Sounds []model.Sound // in order; those that succeeded have their Asset
}

func packBuild(ctx context.Context, q db.Queryer, packID uuid.UUID) (*PackBuild, error) {
	pack, err := repo.Pack(ctx, q, packID)
	if err != nil {
		return nil, err
	}
	sounds, err := repo.PackMembers(ctx, q, packID)
	if err != nil {
		return nil, err
	}
	return &PackBuild{Name: pack.Name, Sounds: sounds}, nil
}

// assemble inserts the task that makes the ZIP of a pack, unless no sound of it was
// rendered, in this job or before.
func (f *Farm) assemble(ctx context.Context, tx *db.Tx, job *lockedJob, owner string) (bool, error) {
	var sum struct {
		Sounds int   `db:"sounds"`
		Bytes  int64 `db:"bytes"`
	}
	if err := tx.Get(ctx, &sum, `
SELECT count(*) AS sounds, COALESCE(sum(a.size), 0) AS bytes
FROM sounds s JOIN assets a ON a.id = s.asset_id WHERE s.pack_id = ? AND s.state = 'succeeded' AND s.deleted_at IS NULL`, job.PackID); err != nil {
		return false, err
	}
	if sum.Sounds == 0 {
		return false, nil
	}
	if err := f.insertAssembly(ctx, tx, job.ID, job.Lane, owner, sum.Bytes); err != nil {
		return false, err
	}
	job.Stage, job.Remaining = model.StageAssembling, 1
	return true, nil
}

// A pack is copied and hashed at about packRate bytes for each µs of CPU.
const packRate = 200

func (f *Farm) insertAssembly(ctx context.Context, tx *db.Tx, jobID uuid.UUID, lane model.Lane, owner string, bytes int64) error {
	id, err := f.id()
	if err != nil {
		return err
	}
	cost := 1 + bytes/packRate
	tag, err := f.reserve(ctx, tx, owner, lane, cost)
	if err != nil {
		return err
	}
	now := f.now()
	_, err = tx.Exec(ctx, `
INSERT INTO tasks (id, job_id, sound_id, kind, lane, owner, state, not_before, tag, cost, created_at)
VALUES (?, ?, NULL, ?, ?, ?, 'queued', ?, ?, ?, ?)`, id, jobID, model.TaskAssemble, lane, owner, now, tag+cost, cost, now)
	return err
}

// insertRetry inserts a task for a sound that was tried before; it wants the sound once
// more at the end. What has crashed a worker and did not end well is suspected also when
// it is tried again.
const insertRetry = `
INSERT INTO tasks (id, job_id, sound_id, kind, lane, owner, state, not_before, tag, cost, created_at, crashes)
VALUES (?, ?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?,
        (SELECT COALESCE(max(crashes), 0) FROM tasks WHERE sound_id = ? AND state IN ('failed', 'cancelled')))`

// lockPack wants the id.
const lockPack = `SELECT job_id, asset_id, expires_at, deleted_at FROM packs WHERE id = ? FOR UPDATE`

type lockedPack struct {
	JobID     uuid.UUID  `db:"job_id"`
	AssetID   *uuid.UUID `db:"asset_id"`
	DeletedAt *time.Time `db:"deleted_at"`
	ExpiresAt *time.Time `db:"expires_at"`
}

// RebuildPack renders those sounds of a pack again that failed, were cancelled or whose
// audio was put away, as a new job, and then makes its ZIP anew; the others stay as they
// are. A pack that is being built, or that lacks nothing, is CodeConflict; another's
// CodeNotFound.
func (f *Farm) RebuildPack(ctx context.Context, caller model.Caller, packID uuid.UUID) (model.Pack, error) {
	pack, err := f.readPack(ctx, packID)
	if err == nil && !mine(caller, pack.Owner) {
		err = noSuchPack()
	}
	if err != nil {
		return model.Pack{}, err
	}
	err = f.DB.InTx(ctx, func(tx *db.Tx) error { return f.rebuildTx(ctx, tx, caller, packID) })
	if err != nil {
		return model.Pack{}, fmt.Errorf("rebuild pack %s: %w", packID, err)
	}
	f.wake()
	return f.readPack(ctx, packID)
}

// lockIdlePack locks a pack and its last job, which comes first, as in the commit of a ZIP.
// idle says that nothing is being built.
func lockIdlePack(ctx context.Context, tx *db.Tx, packID uuid.UUID) (pack lockedPack, job lockedJob, idle bool, err error) {
	var jobID uuid.UUID
	if err := tx.Get(ctx, &jobID, `SELECT job_id FROM packs WHERE id = ?`, packID); err != nil {
		return pack, job, false, absentPack(err)
	}
	if err := tx.Get(ctx, &job, lockJob, jobID); err != nil {
		return pack, job, false, absentPack(err)
	}
	if err := tx.Get(ctx, &pack, lockPack, packID); err != nil {
		return pack, job, false, absentPack(err)
	}
	return pack, job, job.State.Final() && pack.JobID == jobID, nil
}

func (f *Farm) rebuildTx(ctx context.Context, tx *db.Tx, caller model.Caller, packID uuid.UUID) error {
	pack, old, idle, err := lockIdlePack(ctx, tx, packID)
	switch {
	case err != nil:
		return err
	case pack.DeletedAt != nil:
		return noSuchPack()
	case !idle:
		return model.Errorf(model.CodeConflict, "this pack is being built: wait for its end, or cancel it")
	}
	var left []struct {
		ID    uuid.UUID   `db:"id"`
		State model.State `db:"state"`
		Patch []byte      `db:"patch"`
	}
	if err := tx.Select(ctx, &left, `
SELECT id, state, patch FROM sounds
WHERE pack_id = ? AND deleted_at IS NULL AND (state IN ('failed', 'cancelled') OR state = 'succeeded' AND asset_id IS NULL)
ORDER BY position`, packID); err != nil {
		return err
	}
	if len(left) == 0 && old.State == model.Succeeded && pack.AssetID != nil {
		return model.Errorf(model.CodeConflict, "this pack lacks nothing: there is no sound to render again")
	}
	now, owner := f.now(), caller.Owner()
	job := lockedJob{Lane: model.Bulk, Remaining: max(1, len(left)), PackID: &packID}
	if job.ID, err = f.id(); err != nil {
		return err
	}
	if len(left) == 0 {
		job.Stage = model.StageAssembling
	}
	var anonKey *string
	if caller.UserID == nil {
		anonKey = &caller.AnonKey
	}
	if _, err := tx.Exec(ctx, `
INSERT INTO jobs (id, owner_id, anon_key, kind, lane, state, version, stage, pack_id, total, remaining, retry_of, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, 'queued', 1, ?, ?, ?, ?, ?, ?, ?)`,
		job.ID, caller.UserID, anonKey, model.JobPack, job.Lane, job.Stage, packID, len(left), job.Remaining, old.ID, now, pack.ExpiresAt); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE packs SET job_id = ? WHERE id = ?`, job.ID, packID); err != nil {
		return err
	}
	if len(left) == 0 {
		var ready struct {
			Sounds int   `db:"sounds"`
			Bytes  int64 `db:"bytes"`
		}
		if err := tx.Get(ctx, &ready, `
SELECT count(*) AS sounds, COALESCE(sum(a.size), 0) AS bytes
FROM sounds s JOIN assets a ON a.id = s.asset_id WHERE s.pack_id = ? AND s.deleted_at IS NULL`, packID); err != nil {
			return err
		}
		if ready.Sounds == 0 {
			return model.Errorf(model.CodeConflict, "this pack has no sounds any more: bring one back, or delete the pack")
		}
		return f.insertAssembly(ctx, tx, job.ID, job.Lane, owner, ready.Bytes)
	}
	costs := make([]int64, len(left))
	var cost int64
	for i, s := range left {
		p, err := patch.Decode(s.Patch)
		if err != nil {
			return fmt.Errorf("sound %s: decode its patch: %w", s.ID, err)
		}
		costs[i] = max(1, p.Cost())
		cost += costs[i]
	}
	tag, err := f.reserve(ctx, tx, owner, job.Lane, cost)
	if err != nil {
		return err
	}
	if err := f.checkQuota(ctx, tx, owner, len(left)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
UPDATE sounds SET job_id = ?, state = 'queued', error = NULL, finished_at = NULL, ended_version = 0
WHERE pack_id = ? AND deleted_at IS NULL AND state IN ('failed', 'cancelled')`, job.ID, packID); err != nil {
		return err
	}
	for i, s := range left {
		tag += costs[i]
		kind := model.TaskRender
		if s.State == model.Succeeded {
			kind = model.TaskRestore
		}
		id, err := f.id()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertRetry, id, job.ID, s.ID, kind, job.Lane, owner, now, tag, costs[i], now, s.ID); err != nil {
			return err
		}
	}
	return nil
}

func absentPack(err error) error {
	if errors.Is(err, db.ErrNoRows) {
		return noSuchPack() // removed since
	}
	return err
}
