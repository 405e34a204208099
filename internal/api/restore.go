package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"patchlab/internal/model"
)

// deleteSound handles DELETE /v1/sounds/{id}.
func (a *API) deleteSound(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	if err := a.opt.Farm.DeleteSound(c.Request.Context(), caller(c), soundID); err != nil {
		return fmt.Errorf("delete sound: %w", err)
	}
	return a.nothing(c)
}

// undeleteSound handles POST /v1/sounds/{id}/restore.
func (a *API) undeleteSound(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	s, err := a.opt.Farm.UndeleteSound(c.Request.Context(), caller(c), soundID)
	if err != nil {
		return fmt.Errorf("bring back sound: %w", err)
	}
	return a.reply(c, http.StatusOK, newSound(&s))
}

// fetch sends a file. What was put away, or what the store has lost, is made again first.
func (a *API) fetch(c *gin.Context, find func(context.Context) (file, error), restore func(context.Context) (model.Job, error)) error {
	for again := false; ; again = true {
		var f file
		err := a.restored(c, func(ctx context.Context) (err error) {
			f, err = find(ctx)
			return err
		}, restore)
		if err != nil {
			return fmt.Errorf("find a file: %w", err)
		}
		err = a.send(c, f)
		if again || !errors.As(err, new(lostError)) {
			return err
		}
		if err := a.opt.Farm.DropAsset(c.Request.Context(), *f.asset); err != nil {
			return fmt.Errorf("forget a lost file: %w", err)
		}
	}
}

// restored finds something that has a file. Where that was put away it has it made again,
// and waits some seconds for it.
func (a *API) restored(c *gin.Context, find func(context.Context) error, restore func(context.Context) (model.Job, error)) error {
	ctx := c.Request.Context()
	err := find(ctx)
	if model.CodeOf(err) != model.CodeRestoring {
		return err
	}
	job, err := restore(ctx)
	if err != nil {
		return fmt.Errorf("have a file made again: %w", err)
	}
	c.Set(lastingKey, true)
	if _, err := a.await(ctx, job, a.opt.RestoreWait); err != nil {
		return err
	}
	return find(ctx)
}

// lostError says that the store does not have a file which it should have.
type lostError struct{ error }

// Unwrap returns what the store says.
func (e lostError) Unwrap() error { return e.error }

// lost marks an error of the store that says so.
func lost(err error) error {
	if model.CodeOf(err) == model.CodeGone {
		return lostError{err}
	}
	return err
}
