package service_test

import (
	"context"
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

func TestPagesStaySteady(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		me := servicetest.Anon("me")
		want := map[uuid.UUID]bool{}
		for range 5 {
			for _, s := range h.Accept(t, me, 5).Sounds {
				want[s.ID] = true
			}
			h.Accept(t, servicetest.Anon("other"), 2)
			h.Clock.Advance(time.Millisecond)
		}
		var got []model.Sound
		cursor, pages := "", 0
		for {
			items, next, err := h.Library.Sounds(ctx, me, cursor, 7)
			require.NoError(t, err)
			got = append(got, items...)
			pages++
			if next == "" {
				break
			}
			cursor = next
			h.Accept(t, me, 3) // newer ones do not move the pages
			h.Clock.Advance(time.Millisecond)
		}
		assert.Equal(t, 4, pages)
		require.Len(t, got, 25)
		for i, s := range got {
			assert.True(t, want[s.ID])
			delete(want, s.ID)
			if i > 0 {
				assert.False(t, s.CreatedAt.After(got[i-1].CreatedAt), "the newest first")
			}
		}
		items, next, err := h.Library.Sounds(ctx, servicetest.Anon("nobody"), "", 100)
		require.NoError(t, err)
		assert.Empty(t, items)
		assert.Empty(t, next)

		h.Clock.Advance(25 * time.Hour)
		items, _, err = h.Library.Sounds(ctx, me, "", 100)
		require.NoError(t, err)
		assert.Empty(t, items, "what has expired is not listed")
	})
}

func TestSoundsRefuses(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		far := base64.RawURLEncoding.EncodeToString(append([]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 16)...))
		for _, tt := range []struct {
			cursor string
			limit  int
			fields int
		}{{"", 0, 1}, {"", 101, 1}, {"", -1, 1}, {"!", 5, 1}, {"YQ", 5, 1}, {far, 5, 1}, {"x", 0, 2}} {
			_, _, err := h.Library.Sounds(context.Background(), servicetest.Anon("a"), tt.cursor, tt.limit)
			var e *model.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, model.CodeInvalid, e.Code)
			assert.Len(t, e.Fields, tt.fields)
		}
	})
}

func TestRendered(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		me := servicetest.Anon("me")
		job := h.Accept(t, me, 2)
		good, bad := job.Sounds[0].ID, job.Sounds[1].ID
		code := func(c model.Caller, id uuid.UUID) model.Code {
			_, err := h.Library.Rendered(ctx, c, id)
			require.Error(t, err)
			return model.CodeOf(err)
		}
		assert.Equal(t, model.CodeNotReady, code(me, good))
		assert.Equal(t, model.CodeNotFound, code(servicetest.Anon("you"), good), "a stranger learns nothing")
		assert.Equal(t, model.CodeNotFound, code(model.Caller{}, good))
		assert.Equal(t, model.CodeNotFound, code(me, uuid.New()))

		worker := h.Worker(t, 2)
		claim := h.Next(t, worker)
		require.Equal(t, good, claim.Sound.ID)
		_, err := h.Farm.Commit(ctx, claim.Ticket, servicetest.Asset("d"))
		require.NoError(t, err)
		claim = h.Next(t, worker)
		require.NoError(t, h.Farm.Fail(ctx, claim.Ticket, &model.Failure{Code: "engine"}, false))

		sound, err := h.Library.Rendered(ctx, me, good)
		require.NoError(t, err)
		require.NotNil(t, sound.Asset)
		assert.Equal(t, "d", sound.Asset.Digest)
		assert.Equal(t, model.CodeNotFound, code(servicetest.Anon("you"), good))
		assert.Equal(t, model.CodeNotReady, code(me, bad))

		h.Clock.Advance(24 * time.Hour)
		assert.Equal(t, model.CodeGone, code(me, good))
	})
}

func TestRecipe(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		me := servicetest.Anon("me")
		id := h.Accept(t, me, 1).Sounds[0].ID
		before, err := h.Library.Recipe(ctx, me, id)
		require.NoError(t, err)
		assert.True(t, before.Current())
		_, err = h.Library.Recipe(ctx, servicetest.Anon("you"), id)
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err))

		claim := h.Next(t, h.Worker(t, 1))
		old := servicetest.Asset(before.Digest())
		old.Engine = "0"
		_, err = h.Farm.Commit(ctx, claim.Ticket, old)
		require.NoError(t, err)
		after, err := h.Library.Recipe(ctx, me, id)
		require.NoError(t, err)
		assert.Equal(t, "0", after.Engine)
		assert.Equal(t, before.Patch, after.Patch)
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("!")
	f.Add("AAYk_9hYAAABjQ1o8wB7yJk_5r0Lr0XN")
	library := service.NewLibrary(service.Deps{})
	f.Fuzz(func(t *testing.T, cursor string) {
		// The limit is wrong, so that no cursor reaches a database.
		_, _, err := library.Sounds(context.Background(), servicetest.Anon("a"), cursor, 0)
		assert.Equal(t, model.CodeInvalid, model.CodeOf(err))
	})
}
