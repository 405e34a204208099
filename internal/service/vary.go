package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/engine/vary"
	"patchlab/internal/model"
	"patchlab/internal/prompt"
)

// MaxLocked is the number of paths that a request for variations may lock.
const MaxLocked = 200

// VaryRequest asks for relatives of a sound.
type VaryRequest struct {
	SoundID  uuid.UUID
	Count    int      // 1–8
	Distance float64  // 0–1, see package vary
	Locked   []string // paths of parameters, or of groups of them, that stay
	Seed     *uint32  // drawn when nil
}

// Vary accepts a request for variations of a sound of the caller's, in whatever state
// that is: its patch is all they need. Another's sound is CodeNotFound. The idempotency
// key works as Generate's.
func (f *Farm) Vary(ctx context.Context, caller model.Caller, req VaryRequest, idemKey string, requestHash []byte) (job model.Job, existed bool, err error) {
	parent, err := f.ownSound(ctx, caller, req.SoundID)
	if err != nil {
		return model.Job{}, false, err
	}
	takes, err := f.relatives(&parent, req)
	if err != nil {
		return model.Job{}, false, err
	}
	job, existed, err = f.submit(ctx, caller, request{kind: model.JobVariation, lane: model.Interactive, takes: takes}, idemKey, requestHash)
	if db.IsForeignKey(err) {
		return model.Job{}, false, noSuchSound() // expired since it was read
	}
	return job, existed, err
}

// relatives checks a request and makes its takes; its error names every fault.
func (f *Farm) relatives(parent *model.Sound, req VaryRequest) ([]take, error) {
	if faults := req.check(parent); len(faults) > 0 {
		return nil, model.Invalid(faults...)
	}
	seed, err := f.seed(req.Seed)
	if err != nil {
		return nil, err
	}
	takes := make([]take, req.Count)
	var samples int64
	for i := range takes {
		relative, changes := vary.Patch(parent.Patch, vary.Options{
			Seed: prompt.TakeSeed(seed, i), Distance: req.Distance, Locked: req.Locked, MaxCost: f.Config.MaxCost,
		})
		explanation, err := explainVariation(parent, req.Distance, changes)
		if err != nil {
			return nil, err
		}
		takes[i] = take{
			prompt: parent.Prompt, name: variationName(parent.Name, i), parent: &parent.ID,
			patch: relative, explanation: explanation, cost: max(1, relative.Cost()),
		}
		if takes[i].cost > f.Config.MaxCost {
			return nil, model.Invalid(model.FieldError{Field: "id", Message: fmt.Sprintf(
				"this sound needs about %s of work itself, more than the %s that are allowed by now: generate it anew, shorter or with fewer layers or voices",
				time.Duration(takes[i].cost)*time.Microsecond, time.Duration(f.Config.MaxCost)*time.Microsecond,
			)})
		}
		samples += relative.Samples()
	}
	if samples > f.Config.MaxJobSamples {
		return nil, model.Invalid(model.FieldError{Field: "count", Message: fmt.Sprintf(
			"%d variations of this sound are up to %d samples, more than %d: ask for fewer", req.Count, samples, f.Config.MaxJobSamples,
		)})
	}
	return takes, nil
}

// check returns everything that is wrong with a request.
func (req *VaryRequest) check(parent *model.Sound) []model.FieldError {
	var faults []model.FieldError
	if req.Count < 1 || req.Count > MaxVariations {
		faults = append(faults, model.FieldError{Field: "count", Message: fmt.Sprintf("must be 1 to %d variations", MaxVariations)})
	}
	if !(req.Distance >= 0 && req.Distance <= 1) { // not a number too
		faults = append(faults, model.FieldError{Field: "distance", Message: "must be 0 (the same but for its seed) to 1 (anywhere)"})
	}
	if len(req.Locked) > MaxLocked {
		return append(faults, model.FieldError{Field: "locked", Message: fmt.Sprintf("must not have more than %d paths: lock groups, such as layers.0", MaxLocked)})
	}
	for i, path := range req.Locked {
		if !parent.Patch.Has(path) {
			faults = append(faults, model.FieldError{Field: fmt.Sprintf("locked.%d", i), Message: fmt.Sprintf(
				"%.60q is no parameter or group of this sound: give a path as in its patch, such as layers.0.filter or bus.reverb.mix", path,
			)})
		}
	}
	return faults
}

// variationExplanation is the schema Explanation of a variation. No word made it, so
// there are none.
type variationExplanation struct {
	prompt.Explanation
	Variation struct {
		Name     string        `json:"name"` // of the parent, which may be gone by the time that this is read
		Distance float64       `json:"distance"`
		Changes  []vary.Change `json:"changes"`
	} `json:"variation"`
}

func explainVariation(parent *model.Sound, distance float64, changes []vary.Change) ([]byte, error) {
	var e variationExplanation
	// The words were understood as well as they were then.
	if err := json.Unmarshal(parent.Explanation, &e.Explanation); err != nil {
		return nil, fmt.Errorf("read the explanation of sound %s: %w", parent.ID, err)
	}
	e.Words, e.Ignored = []prompt.Word{}, []prompt.Span{}
	e.Variation.Name, e.Variation.Distance, e.Variation.Changes = parent.Name, distance, changes
	if changes == nil {
		e.Variation.Changes = []vary.Change{}
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode the explanation: %w", err)
	}
	return b, nil
}

// variationNameLength is the length of the longest name of a variation, in characters.
const variationNameLength = 60

// variationName returns the parent's name with "-v1" and so on behind it, the parent's
// shortened where both together were too long.
func variationName(parent string, i int) string {
	suffix := fmt.Sprintf("-v%d", i+1)
	runes := []rune(parent)
	runes = runes[:min(len(runes), variationNameLength-len(suffix))]
	return strings.TrimRight(string(runes), "-. ") + suffix
}

// ownSound returns a sound of the caller; another's, or one that was deleted, is
// CodeNotFound.
func (d Deps) ownSound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	s, err := repo.Sound(ctx, d.DB.Reader(), id)
	if errors.Is(err, repo.ErrNotFound) || err == nil && (!mine(caller, s.Owner) || s.DeletedAt != nil) {
		return model.Sound{}, noSuchSound()
	}
	if err != nil {
		return model.Sound{}, fmt.Errorf("read sound %s: %w", id, err)
	}
	return s, nil
}

func noSuchSound() error { return model.Errorf(model.CodeNotFound, "there is no such sound") }
