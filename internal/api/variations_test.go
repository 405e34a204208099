package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// vary posts a request for variations as the browser app does.
func (v *visitor) vary(id, body string, header ...string) answer {
	v.t.Helper()
	header = append([]string{"X-Requested-With", "patchlab", "Content-Type", "application/json"}, header...)
	return v.do(http.MethodPost, "/v1/sounds/"+id+"/variations", strings.NewReader(body), header...)
}

// TestVariations follows them from the request to the file.
func TestVariations(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2})
		v := p.visitor(t)
		parent := v.rendered()

		a := v.vary(parent.ID, `{"count":3,"distance":0.2,"seed":9,"locked":["layers.0.pitch","bus"]}`, "Prefer", "wait=30").is(http.StatusCreated)
		var done struct {
			Job    struct{ ID, Kind string }
			Sounds []struct {
				sound
				ParentID    string `json:"parent_id"`
				Explanation struct {
					Variation struct {
						Name     string
						Distance float64
						Changes  []json.RawMessage
					}
				}
			}
		}
		a.into(&done)
		require.Equal(t, "variation", done.Job.Kind)
		require.Equal(t, "/v1/jobs/"+done.Job.ID, a.header.Get("Location"))
		require.Equal(t, "wait=30", a.header.Get("Preference-Applied"))
		require.Len(t, done.Sounds, 3)
		files := map[string]bool{}
		for i, s := range done.Sounds {
			require.Equal(t, "succeeded", s.State)
			require.Equal(t, parent.ID, s.ParentID)
			require.Equal(t, parent.Prompt, s.Prompt)
			require.Equal(t, fmt.Sprintf("kick-v%d", i+1), s.Name)
			require.Equal(t, "kick", s.Explanation.Variation.Name)
			require.InDelta(t, 0.2, s.Explanation.Variation.Distance, 0)
			require.NotEmpty(t, s.Explanation.Variation.Changes)
			require.InDelta(t, *parent.Duration, *s.Duration, 0)
			files[v.get(*s.DownloadURL).is(http.StatusOK).header.Get("ETag")] = true
		}
		require.Len(t, files, 3, "each is another sound")

		j := v.vary(parent.ID, `{}`).is(http.StatusAccepted).job()
		require.Len(t, j.Sounds, 4, "four, where no count is given")
		rows := p.rows(t)
		first := v.vary(parent.ID, `{"count":1,"seed":1}`, "Idempotency-Key", "k").is(http.StatusAccepted).job()
		require.Equal(t, first.ID, v.vary(parent.ID, `{"seed" : 1, "count":1}`, "Idempotency-Key", "k").job().ID)
		require.Equal(t, rows+4, p.rows(t), "a job, a sound, a task and a key")
		v.vary(parent.ID, `{"count":2,"seed":1}`, "Idempotency-Key", "k").fails(http.StatusUnprocessableEntity, model.CodeKeyReused)
		v.vary(first.Sounds[0].ID, `{"count":1,"seed":1}`, "Idempotency-Key", "k").fails(http.StatusUnprocessableEntity, model.CodeKeyReused)
		v.generate(short, "Idempotency-Key", "k").fails(http.StatusUnprocessableEntity, model.CodeKeyReused)

		// The very same sound once more, and nothing is rendered for it.
		again := v.vary(parent.ID, `{"count":1,"distance":0,"locked":["seed"]}`, "Prefer", "wait=30").is(http.StatusCreated).job().Sounds[0]
		require.Equal(t, v.get(*parent.DownloadURL).body, v.get(*again.DownloadURL).body)
	})
}

// TestBadVariations asks for what must not be accepted.
func TestBadVariations(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		mine := v.generate(short).is(http.StatusAccepted).job().Sounds[0].ID
		before := p.rows(t)
		const bad, invalid = http.StatusBadRequest, http.StatusUnprocessableEntity
		paths := strings.TrimSuffix(strings.Repeat(`"bus",`, 201), ",")
		for name, c := range map[string]struct {
			body   string
			status int
			code   model.Code
			fields []string
		}{
			"count 0":              {`{"count":0}`, invalid, model.CodeInvalid, []string{"count"}},
			"count 9":              {`{"count":9}`, invalid, model.CodeInvalid, []string{"count"}},
			"count 1.5":            {`{"count":1.5}`, invalid, model.CodeInvalid, []string{"count"}},
			"count as a text":      {`{"count":"4"}`, invalid, model.CodeInvalid, []string{"count"}},
			"distance -1":          {`{"distance":-1}`, invalid, model.CodeInvalid, []string{"distance"}},
			"distance 2":           {`{"distance":2}`, invalid, model.CodeInvalid, []string{"distance"}},
			"distance 1e999":       {`{"distance":1e999}`, invalid, model.CodeInvalid, []string{"distance"}},
			"distance NaN":         {`{"distance":NaN}`, bad, model.CodeBadRequest, nil},
			"distance NaN, quoted": {`{"distance":"NaN"}`, invalid, model.CodeInvalid, []string{"distance"}},
			"seed -1":              {`{"seed":-1}`, invalid, model.CodeInvalid, []string{"seed"}},
			"a lock of nothing":    {`{"locked":["bus","layers.0.colour"]}`, invalid, model.CodeInvalid, []string{"locked.1"}},
			"a lock of a star":     {`{"locked":["layers.*.filter"]}`, invalid, model.CodeInvalid, []string{"locked.0"}},
			"an empty lock":        {`{"locked":[""]}`, invalid, model.CodeInvalid, []string{"locked.0"}},
			"a lock of no text":    {`{"locked":[1]}`, invalid, model.CodeInvalid, []string{"locked"}},
			"a lock of null":       {`{"locked":[null]}`, invalid, model.CodeInvalid, []string{"locked"}},
			"locks as a text":      {`{"locked":"bus"}`, invalid, model.CodeInvalid, []string{"locked"}},
			"locks of bad UTF-8":   {"{\"locked\":[\"\xff\"]}", invalid, model.CodeInvalid, []string{"locked"}},
			"201 locks":            {`{"locked":[` + paths + `]}`, invalid, model.CodeInvalid, []string{"locked"}},
			"unknown field":        {`{"variations":2}`, invalid, model.CodeInvalid, []string{"variations"}},
			"field twice":          {`{"count":2,"count":3}`, invalid, model.CodeInvalid, []string{"count"}},
			"several at once":      {`{"count":"x","distance":[],"colour":1}`, invalid, model.CodeInvalid, []string{"colour", "count", "distance"}},
			"several of the farm":  {`{"count":0,"distance":2,"locked":["x"]}`, invalid, model.CodeInvalid, []string{"count", "distance", "locked.0"}},
			"a list":               {`[]`, bad, model.CodeBadRequest, nil},
			"no body":              {``, bad, model.CodeBadRequest, nil},
		} {
			t.Run(name, func(t *testing.T) {
				v.as(t).vary(mine, c.body).fails(c.status, c.code, c.fields...)
				require.Equal(t, before, p.rows(t), "something was written")
			})
		}
		for _, id := range []string{uuid.NewString(), "x", mine + "x"} {
			v.vary(id, `{}`).fails(http.StatusNotFound, model.CodeNotFound)
		}
		p.visitor(t).vary(mine, `{}`).fails(http.StatusNotFound, model.CodeNotFound)
		v.vary(mine, `{}`, "Content-Type", "text/plain").fails(http.StatusUnsupportedMediaType, model.CodeUnsupported)
		v.vary(mine, `{}`, "Idempotency-Key", "a b").fails(invalid, model.CodeInvalid, "Idempotency-Key")
		v.do(http.MethodPost, "/v1/sounds/"+mine+"/variations?count=2", strings.NewReader(`{}`), "X-Requested-With", "patchlab", "Content-Type", "application/json").
			fails(invalid, model.CodeInvalid, "count")
		require.Equal(t, before, p.rows(t), "something was written")
	})
}
