package api_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2, speed: 0.2})
		const own = "X-Requested-With"

		t.Run("over REST", func(t *testing.T) {
			t.Parallel()
			v, stranger := p.visitor(t), p.visitor(t)
			j := v.generate(long(1)).is(http.StatusAccepted).job()
			events := v.events(j.ID)
			first, ok := events.next()
			require.True(t, ok)
			require.Equal(t, "snapshot", first.Type)

			path := "/v1/jobs/" + j.ID
			stranger.do(http.MethodDelete, path, nil, own, "patchlab").fails(http.StatusNotFound, model.CodeNotFound)
			v.do(http.MethodDelete, path, nil).fails(http.StatusForbidden, model.CodeForbidden)
			v.do(http.MethodDelete, path+"?now=1", nil, own, "patchlab").fails(http.StatusUnprocessableEntity, model.CodeInvalid, "now")
			v.do(http.MethodDelete, "/v1/jobs/7", nil, own, "patchlab").fails(http.StatusNotFound, model.CodeNotFound)
			v.do(http.MethodDelete, "/v1/jobs/"+uuid.NewString(), nil, own, "patchlab").fails(http.StatusNotFound, model.CodeNotFound)
			require.NotEqual(t, "cancelled", v.get(path).is(http.StatusOK).job().State)

			got := v.do(http.MethodDelete, path, nil, own, "patchlab").is(http.StatusOK).job()
			require.Equal(t, "cancelled", got.State)
			require.Equal(t, "cancelled", got.Sounds[0].State)
			require.Equal(t, got, v.do(http.MethodDelete, path, nil, own, "patchlab").is(http.StatusOK).job(), "again")
			v.get("/v1/sounds/"+j.Sounds[0].ID+"/download").fails(http.StatusConflict, model.CodeNotReady)
			for {
				m, ok := events.next()
				require.True(t, ok, "the stream ends without a word")
				if m.Type == "cancelled" {
					require.Equal(t, "cancelled", m.Job.State)
					break
				}
			}
			_, ok = events.next()
			require.False(t, ok)
		})

		t.Run("one of several, and then all", func(t *testing.T) {
			t.Parallel()
			v, stranger := p.visitor(t), p.visitor(t)
			j := v.generate(`{"prompt":"pad","duration":10,"seed":1,"variations":2}`).is(http.StatusAccepted).job()
			other := v.generate(long(2)).is(http.StatusAccepted).job()
			path := "/v1/sounds/" + j.Sounds[1].ID + "/cancel"
			stranger.do(http.MethodPost, path, nil, own, "patchlab").fails(http.StatusNotFound, model.CodeNotFound)
			v.do(http.MethodPost, path, nil).fails(http.StatusForbidden, model.CodeForbidden)
			got := v.do(http.MethodPost, path, nil, own, "patchlab").is(http.StatusOK).job()
			require.NotEqual(t, "cancelled", got.State)
			require.Equal(t, "cancelled", got.Sounds[1].State)
			require.NotEqual(t, "cancelled", got.Sounds[0].State)

			stranger.do(http.MethodDelete, "/v1/jobs", nil, own, "patchlab").is(http.StatusOK)
			require.NotEqual(t, "cancelled", v.get("/v1/jobs/"+other.ID).is(http.StatusOK).job().State)
			v.do(http.MethodDelete, "/v1/jobs", nil).fails(http.StatusForbidden, model.CodeForbidden)
			v.do(http.MethodDelete, "/v1/jobs?all=1", nil, own, "patchlab").fails(http.StatusUnprocessableEntity, model.CodeInvalid, "all")
			v.do(http.MethodDelete, "/v1/jobs", nil, own, "patchlab").is(http.StatusOK)
			for _, id := range []string{j.ID, other.ID} {
				require.Equal(t, "cancelled", v.get("/v1/jobs/"+id).is(http.StatusOK).job().State)
			}
		})

		t.Run("over a socket", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			watched := v.generate(long(2)).is(http.StatusAccepted).job()
			unwatched := v.generate(long(3)).is(http.StatusAccepted).job()
			s := v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + watched.ID + `"}`)
			require.Equal(t, "snapshot", s.next().Type)
			s.send(`{"type":"cancel","job_id":"` + watched.ID + `"}`)
			all := s.until("cancelled")
			require.Equal(t, watched.ID, all[len(all)-1].JobID)
			s.send(`{"type":"cancel","job_id":"` + unwatched.ID + `"}`)
			m := s.next()
			require.Equal(t, "cancelled", m.Type)
			require.Equal(t, unwatched.ID, m.JobID)
			require.Equal(t, "cancelled", m.Job.State)
			s.send(`{"type":"cancel","job_id":"7"}`)
			require.Equal(t, "job_id", s.next().Problem.Errors[0].Field)
			s.send(`{"type":"cancel","job_id":"` + uuid.NewString() + `"}`)
			require.Equal(t, "not_found", s.next().Problem.Code)
			s.close()
		})
	})
}
