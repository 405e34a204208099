package service

import (
	"context"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

// Library shows callers the sounds that are theirs.
type Library struct{ Deps }

// NewLibrary makes a Library.
func NewLibrary(deps Deps) *Library { return &Library{Deps: deps.withDefaults()} }

// Sounds returns a page of the caller's sounds, the newest first. cursor is ""
// or the next of the page before; limit is 1–100; next is "" at the end.
func (l *Library) Sounds(ctx context.Context, caller model.Caller, cursor string, limit int) (items []model.Sound, next string, err error) {
	return nil, "", errSkeleton
}

// Sound returns one sound of the caller; another's is CodeNotFound.
func (l *Library) Sound(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	return model.Sound{}, errSkeleton
}

// Rendered returns a sound of the caller that has its Asset, for download and
// waveform: CodeNotReady while it is not finished (and where it failed),
// CodeGone when it has expired.
func (l *Library) Rendered(ctx context.Context, caller model.Caller, id uuid.UUID) (model.Sound, error) {
	return model.Sound{}, errSkeleton
}
