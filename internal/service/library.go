package service

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/db/repo"
	"patchlab/internal/format"
	"patchlab/internal/model"
)

// MaxPage is the largest page of a list.
const MaxPage = 100

// Library shows callers the sounds that are theirs.
type Library struct{ Deps }

// NewLibrary makes a Library.
func NewLibrary(deps Deps) *Library { return &Library{Deps: deps.withDefaults()} }

// Sounds returns a page of the caller's sounds, the newest first. cursor is ""
// or the next of the page before; limit is 1–100; next is "" at the end. Pages
// stay steady while sounds are added.
func (l *Library) Sounds(ctx context.Context, caller model.Caller, cursor string, limit int) (items []model.Sound, next string, err error) {
	after, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	// One more than asked for tells whether there is a next page.
	items, err = repo.Sounds(ctx, l.DB.Reader(), caller, l.now(), after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("list sounds: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		last := items[limit-1]
		next = encodeCursor(repo.Place{CreatedAt: last.CreatedAt, ID: last.ID})
	}
	return items, next, nil
}

// page returns where a page starts, nil for the first.
func page(cursor string, limit int) (*repo.Place, error) {
	var faults faults
	if limit < 1 || limit > MaxPage {
		faults.add("limit", "must be 1 to %d", MaxPage)
	}
	after, ok := decodeCursor(cursor)
	if !ok {
		faults.add("cursor", "must be the next_cursor of the page before, or absent")
	}
	if len(faults) > 0 {
		return nil, faults.err()
	}
	return after, nil
}

// Packs returns a page of the caller's packs, as Sounds does of sounds.
func (l *Library) Packs(ctx context.Context, caller model.Caller, cursor string, limit int) (items []model.Pack, next string, err error) {
	after, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	err = l.DB.Reader().View(ctx, func(q db.Queryer) error {
		items, err = repo.Packs(ctx, q, caller, l.now(), after, limit+1)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list packs: %w", err)
	}
	if len(items) > limit {
		items = items[:limit]
		last := items[limit-1]
		next = encodeCursor(repo.Place{CreatedAt: last.CreatedAt, ID: last.ID})
	}
	return items, next, nil
}

// Pack returns one pack of the caller with its sounds; another's is CodeNotFound.
func (l *Library) Pack(ctx context.Context, caller model.Caller, id uuid.UUID) (pack model.Pack, sounds []model.PackSound, err error) {
	err = l.DB.Reader().View(ctx, func(q db.Queryer) error {
		if pack, err = repo.Pack(ctx, q, id); err != nil {
			return err
		}
		if !mine(caller, pack.Owner) || pack.DeletedAt != nil {
			return repo.ErrNotFound
		}
		sounds, err = repo.PackList(ctx, q, id)
		return err
	})
	if errors.Is(err, repo.ErrNotFound) {
		return model.Pack{}, nil, noSuchPack()
	}
	if err != nil {
		return model.Pack{}, nil, fmt.Errorf("read pack %s: %w", id, err)
	}
	return pack, sounds, nil
}

// PackFile returns a pack of the caller that has its ZIP: CodeNotReady while it has none,
// CodeRestoring where it had one (Farm.RestorePack makes it again), CodeGone when it has
// expired.
func (l *Library) PackFile(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Pack, error) {
	pack, err := repo.Pack(ctx, l.DB.Reader(), id)
	if errors.Is(err, repo.ErrNotFound) || err == nil && (!mine(caller, pack.Owner) || pack.DeletedAt != nil) {
		return model.Pack{}, noSuchPack()
	}
	switch {
	case err != nil:
		return model.Pack{}, fmt.Errorf("read pack %s: %w", id, err)
	case pack.ExpiresAt != nil && !pack.ExpiresAt.After(l.now()):
		return model.Pack{}, model.Errorf(model.CodeGone, "this pack has expired")
	case pack.Asset != nil:
		return pack, nil
	case pack.Job.State == model.Succeeded, !pack.Job.State.Final() && pack.Job.RetryOf != nil:
		return model.Pack{}, restoring()
	case pack.Job.State.Final():
		return model.Pack{}, model.Errorf(model.CodeNotReady, "this pack was not finished, so it has no ZIP: build it again")
	}
	e := model.Errorf(model.CodeNotReady, "this pack is still being built")
	e.RetryAfter = time.Second
	return model.Pack{}, e
}

// A cursor is the time in µs and the id of the last item, in URL-safe base64.
const cursorBytes = 8 + 16

func encodeCursor(p repo.Place) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.CreatedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, p.ID[:]...))
}

func decodeCursor(s string) (*repo.Place, bool) {
	if s == "" {
		return nil, true
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != cursorBytes {
		return nil, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	if at.Year() < 1970 || at.Year() > 9999 {
		return nil, false // no database would take it
	}
	return &repo.Place{CreatedAt: at, ID: uuid.UUID(b[8:])}, true
}

// Sound returns one sound of the caller; another's is CodeNotFound.
func (l *Library) Sound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	return l.ownSound(ctx, caller, id)
}

// Rendered returns a sound of the caller that has its Asset, for download and
// waveform: CodeNotReady while it is not finished (and where it failed),
// CodeRestoring where its audio was put away (Farm.RestoreAudio renders it again),
// CodeGone when the sound has expired.
func (l *Library) Rendered(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	s, err := l.Sound(ctx, caller, id)
	if err != nil {
		return model.Sound{}, err
	}
	switch {
	case s.State == model.Failed:
		return model.Sound{}, model.Errorf(model.CodeNotReady, "this sound could not be rendered, so it has no audio")
	case s.State == model.Cancelled:
		return model.Sound{}, model.Errorf(model.CodeNotReady, "this sound was cancelled, so it has no audio")
	case s.State != model.Succeeded:
		e := model.Errorf(model.CodeNotReady, "this sound is not rendered yet")
		e.RetryAfter = time.Second
		return model.Sound{}, e
	case s.ExpiresAt != nil && !s.ExpiresAt.After(l.now()):
		return model.Sound{}, model.Errorf(model.CodeGone, "the audio of this sound has expired")
	case s.Asset == nil:
		return model.Sound{}, restoring()
	}
	return s, nil
}

// Recipe is all that determines the bytes of a sound, under a name that those may
// use who do not deal in files.
type Recipe = format.Recipe

// Recipe returns all that determines the bytes of a sound of the caller: with the
// versions that rendered it, or, where it is not rendered, those of this build.
func (l *Library) Recipe(ctx context.Context, caller model.Caller, id uuid.UUID) (Recipe, error) {
	s, err := l.Sound(ctx, caller, id)
	if err != nil {
		return Recipe{}, err
	}
	r := format.NewRecipe(s.Patch, s.Format)
	if s.Asset != nil {
		r.Engine, r.Encoder = s.Asset.Engine, s.Asset.Encoder
	}
	return r, nil
}
