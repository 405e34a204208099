package service_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// wanted returns a request for variations that is accepted.
func wanted(of uuid.UUID, count int) service.VaryRequest {
	return service.VaryRequest{SoundID: of, Count: count, Distance: 0.3, Seed: ptr(uint32(7))}
}

func TestVaryWritesAJob(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		parent := h.Accept(t, servicetest.Anon("a"), 1).Sounds[0]
		h.Clock.Advance(time.Minute)
		req := wanted(parent.ID, 3)
		req.Locked = []string{"layers.0.filter", "layers.0.pitch"}
		job, existed, err := h.Farm.Vary(ctx, servicetest.Anon("a"), req, "", nil)
		require.NoError(t, err)
		assert.False(t, existed)
		assert.Equal(t, model.JobVariation, job.Kind)
		assert.Equal(t, model.Interactive, job.Lane)
		require.Len(t, job.Sounds, 3)
		patches := map[string]bool{}
		for i, s := range job.Sounds {
			assert.Equal(t, "deep bass", s.Prompt)
			assert.Equal(t, "deep-bass-v"+string(rune('1'+i)), s.Name)
			require.NotNil(t, s.ParentID)
			assert.Equal(t, parent.ID, *s.ParentID)
			require.NotNil(t, s.ExpiresAt)
			assert.Equal(t, h.Clock.Now().Add(24*time.Hour), *s.ExpiresAt, "it lives as long as any sound")
			assert.Equal(t, parent.Patch.Output, s.Patch.Output)
			assert.Equal(t, parent.Patch.Layers[0].Filter, s.Patch.Layers[0].Filter)
			assert.Equal(t, parent.Patch.Layers[0].Pitch, s.Patch.Layers[0].Pitch)
			require.NoError(t, s.Patch.Validate())
			patches[string(s.Patch.Canonical())] = true

			var e struct {
				Words      []any
				Ignored    []any
				Confidence float64
				Variation  struct {
					Name     string
					Distance float64
					Changes  []struct {
						Path     string
						From, To any
						Unit     string
					}
				}
			}
			require.NoError(t, json.Unmarshal(s.Explanation, &e))
			assert.NotNil(t, e.Words)
			assert.NotNil(t, e.Ignored)
			assert.Positive(t, e.Confidence)
			assert.Equal(t, "deep-bass", e.Variation.Name)
			assert.InDelta(t, 0.3, e.Variation.Distance, 0)
			require.NotEmpty(t, e.Variation.Changes)
			made := parent.Patch.Clone()
			made.Seed = s.Patch.Seed
			for _, c := range e.Variation.Changes {
				require.NoError(t, made.Set(c.Path, c.To))
			}
			assert.Equal(t, string(s.Patch.Canonical()), string(made.Canonical()), "the explanation leaves nothing out")
		}
		assert.Len(t, patches, 3)
		assert.EqualValues(t, 7, job.Sounds[0].Patch.Seed, "the first has the seed asked for")

		again, _, err := h.Farm.Vary(ctx, servicetest.Anon("a"), req, "", nil)
		require.NoError(t, err)
		for i := range again.Sounds {
			assert.Equal(t, job.Sounds[i].Patch, again.Sounds[i].Patch, "the same request gives the same patches")
		}
		of, _, err := h.Farm.Vary(ctx, servicetest.Anon("a"), wanted(job.Sounds[1].ID, 1), "", nil)
		require.NoError(t, err)
		assert.Equal(t, "deep-bass-v2-v1", of.Sounds[0].Name, "a variation has variations")
	})
}

func TestVaryAtNoDistance(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		parent := h.Accept(t, servicetest.Anon("a"), 1).Sounds[0]
		req := wanted(parent.ID, 2)
		req.Distance, req.Seed = 0, nil
		job, _, err := h.Farm.Vary(context.Background(), servicetest.Anon("a"), req, "", nil)
		require.NoError(t, err)
		assert.NotEqual(t, job.Sounds[0].Patch.Seed, job.Sounds[1].Patch.Seed)
		req.Locked = []string{"seed"}
		same, _, err := h.Farm.Vary(context.Background(), servicetest.Anon("a"), req, "", nil)
		require.NoError(t, err)
		for i := range same.Sounds {
			assert.Equal(t, parent.Patch, same.Sounds[i].Patch)
			assert.JSONEq(t, `{"words":[],"ignored":[],"confidence":1,"variation":{"name":"deep-bass","distance":0,"changes":[]}}`, string(same.Sounds[i].Explanation))
			job.Sounds[i].Patch.Seed = parent.Patch.Seed
			assert.Equal(t, parent.Patch, job.Sounds[i].Patch)
		}
	})
}

func TestVaryNamesFit(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		req := servicetest.Request(1)
		req.Prompt = "bass " + strings.Repeat("ä", 54)
		job, _, err := h.Farm.Generate(context.Background(), servicetest.Anon("a"), req, "", nil)
		require.NoError(t, err)
		for range 3 {
			job, _, err = h.Farm.Vary(context.Background(), servicetest.Anon("a"), wanted(job.Sounds[0].ID, 8), "", nil)
			require.NoError(t, err)
			assert.Equal(t, 60, utf8.RuneCountInString(job.Sounds[7].Name))
			assert.True(t, strings.HasSuffix(job.Sounds[7].Name, "ä-v8"))
		}
	})
}

func TestVaryRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*service.VaryRequest)
		fields []string
	}{
		"none":             {func(r *service.VaryRequest) { r.Count = 0 }, []string{"count"}},
		"9":                {func(r *service.VaryRequest) { r.Count = 9 }, []string{"count"}},
		"below 0":          {func(r *service.VaryRequest) { r.Distance = -1 }, []string{"distance"}},
		"beyond 1":         {func(r *service.VaryRequest) { r.Distance = 2 }, []string{"distance"}},
		"not a number":     {func(r *service.VaryRequest) { r.Distance = math.NaN() }, []string{"distance"}},
		"no parameter":     {func(r *service.VaryRequest) { r.Locked = []string{"bus", "layers.0.colour", ""} }, []string{"locked.1", "locked.2"}},
		"no layer":         {func(r *service.VaryRequest) { r.Locked = []string{"layers.9"} }, []string{"locked.0"}},
		"a path of bytes":  {func(r *service.VaryRequest) { r.Locked = []string{strings.Repeat("\xff", 1000)} }, []string{"locked.0"}},
		"too many paths":   {func(r *service.VaryRequest) { r.Locked = make([]string, 201) }, []string{"locked"}},
		"everything wrong": {func(r *service.VaryRequest) { r.Count, r.Distance, r.Locked = 0, 2, []string{"x"} }, []string{"count", "distance", "locked.0"}},
	}
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		parent := h.Accept(t, servicetest.Anon("a"), 1).Sounds[0]
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				req := wanted(parent.ID, 2)
				tt.change(&req)
				_, _, err := h.Farm.Vary(context.Background(), servicetest.Anon("a"), req, "key", []byte("h"))
				var e *model.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, model.CodeInvalid, e.Code)
				var fields []string
				for _, f := range e.Fields {
					fields = append(fields, f.Field)
					assert.NotEmpty(t, f.Message)
					assert.LessOrEqual(t, len(f.Message), 500)
				}
				assert.Equal(t, tt.fields, fields)
			})
		}
		for name, tt := range map[string]struct {
			who model.Caller
			of  uuid.UUID
		}{
			"another's": {servicetest.Anon("b"), parent.ID},
			"nobody's":  {model.Caller{}, parent.ID},
			"absent":    {servicetest.Anon("a"), uuid.New()},
		} {
			_, _, err := h.Farm.Vary(context.Background(), tt.who, wanted(tt.of, 1), "key", []byte("h"))
			assert.Equal(t, model.CodeNotFound, model.CodeOf(err), name)
		}
		jobs, sounds, tasks, keys := count(t, h)
		assert.Equal(t, []int{1, 1, 1, 0}, []int{jobs, sounds, tasks, keys}, "nothing is written")
	})
}

// TestVaryKeepsTheLimits: those of generate.
func TestVaryKeepsTheLimits(t *testing.T) {
	each(t, service.Config{MaxQueued: 4}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		parent := h.Accept(t, servicetest.Anon("a"), 1).Sounds[0]
		_, _, err := h.Farm.Vary(ctx, servicetest.Anon("a"), wanted(parent.ID, 4), "", nil)
		require.Equal(t, model.CodeQuota, model.CodeOf(err))
		first, _, err := h.Farm.Vary(ctx, servicetest.Anon("a"), wanted(parent.ID, 2), "k", []byte("h"))
		require.NoError(t, err)
		again, existed, err := h.Farm.Vary(ctx, servicetest.Anon("a"), wanted(parent.ID, 2), "k", []byte("h"))
		require.NoError(t, err)
		assert.True(t, existed)
		assert.Equal(t, first.ID, again.ID)
		_, _, err = h.Farm.Vary(ctx, servicetest.Anon("a"), wanted(parent.ID, 1), "k", []byte("other"))
		assert.Equal(t, model.CodeKeyReused, model.CodeOf(err))

		// Another farm on the same database has narrower bounds by now.
		refuses := func(cfg service.Config, field string) {
			t.Helper()
			farm := service.NewFarm(service.Deps{DB: h.DB, Tickets: h.Queue, Publisher: h.News, Clock: h.Clock, Config: cfg})
			_, _, err := farm.Vary(ctx, servicetest.Anon("a"), wanted(parent.ID, 2), "", nil)
			var e *model.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Fields, 1)
			assert.Equal(t, field, e.Fields[0].Field)
		}
		refuses(service.Config{MaxCost: 1}, "id")
		refuses(service.Config{MaxJobSamples: parent.Patch.Samples()}, "count")
	})
}

// reading calls a function before it gives random bytes, all of them zero.
type reading func()

func (f reading) Read(p []byte) (int, error) {
	f()
	clear(p)
	return len(p), nil
}

// TestVaryWhatExpiresMeanwhile: the parent goes after it was read, before the job is
// written.
func TestVaryWhatExpiresMeanwhile(t *testing.T) {
	each(t, service.Config{}, func(t *testing.T, h *servicetest.Harness) {
		ctx := context.Background()
		parent := h.Accept(t, servicetest.Anon("a"), 1).Sounds[0]
		farm := service.NewFarm(service.Deps{DB: h.DB, Tickets: h.Queue, Publisher: h.News, Clock: h.Clock, Random: reading(func() {
			assert.NoError(t, h.DB.InTx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM sounds WHERE id = ?`, parent.ID)
				return err
			}))
		})})
		req := wanted(parent.ID, 1)
		req.Seed = nil
		_, _, err := farm.Vary(ctx, servicetest.Anon("a"), req, "k", []byte("h"))
		assert.Equal(t, model.CodeNotFound, model.CodeOf(err), "%v", err)
		jobs, sounds, tasks, keys := count(t, h)
		assert.Equal(t, []int{1, 0, 0, 0}, []int{jobs, sounds, tasks, keys}, "nothing is written")
	})
}
