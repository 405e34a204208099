package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// operator is a client with the operators' token.
type operator struct {
	v     *visitor
	token string
}

func (p *plant) operator(t testing.TB) operator { return operator{p.nobody(t), adminToken} }

func (o operator) get(path string) answer { return o.send(http.MethodGet, path, "") }

func (o operator) send(method, path, body string) answer {
	o.v.t.Helper()
	header := []string{"Authorization", "Bearer " + o.token}
	if body == "" {
		return o.v.do(method, "/v1/admin/"+path, nil, header...)
	}
	return o.v.do(method, "/v1/admin/"+path, strings.NewReader(body), append(header, "Content-Type", "application/json")...)
}

// into decodes an answer.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(a.body, &v))
	return v
}

type overview struct {
	Queues []struct {
		Lane             string
		Paused           bool
		Waiting, Running int
	}
	Running []struct {
		SoundID  string `json:"sound_id"`
		Kind     string
		Owner    string   `json:"owner"`
		Worker   string   `json:"worker"`
		Progress *float64 `json:"progress"`
		Age      float64  `json:"age_seconds"`
	}
	Workers []struct {
		ID, Name    string
		Slots       int
		Concurrency *int
		Drained     bool
		Memory      int64 `json:"memory_bytes"`
	}
	Settings []struct{ Key, By string }
}

func (o operator) overview() overview {
	return into[overview](o.v.t, o.get("overview").is(http.StatusOK))
}

type page struct {
	Items      []map[string]any
	NextCursor *string `json:"next_cursor"`
}

// operate uses every verb of the operators once, and leaves things as they were.
func operate(t *testing.T, p *plant) {
	o := p.operator(t)
	o.send(http.MethodPost, "queues/bulk/pause", "").is(http.StatusOK)
	require.True(t, o.overview().Queues[1].Paused)
	o.send(http.MethodPost, "queues/bulk/resume", "").is(http.StatusOK)
	require.False(t, o.overview().Queues[1].Paused)

	o.send(http.MethodPut, "concurrency", `{"concurrency":7}`).is(http.StatusOK)
	o.send(http.MethodPut, "concurrency", `{"concurrency":null}`).is(http.StatusOK)
	worker := "workers/" + o.overview().Workers[0].ID
	o.send(http.MethodPut, worker+"/concurrency", `{"concurrency":3}`).is(http.StatusOK)
	require.Equal(t, 3, *o.overview().Workers[0].Concurrency)
	o.send(http.MethodPut, worker+"/concurrency", `{"concurrency":null}`).is(http.StatusOK)
	o.send(http.MethodPost, worker+"/drain", "").is(http.StatusOK)
	require.True(t, o.overview().Workers[0].Drained)
	o.send(http.MethodPost, worker+"/wake", "").is(http.StatusOK)
	require.Empty(t, o.overview().Settings)

	v := p.visitor(t)
	// A pack waits where it is paused, so that there is something to cancel.
	o.send(http.MethodPost, "queues/bulk/pause", "").is(http.StatusOK)
	defer func() { o.send(http.MethodPost, "queues/bulk/resume", "").is(http.StatusOK) }()
	first, second := v.post("/v1/packs", drums).is(http.StatusAccepted).pack(), v.post("/v1/packs", drums).is(http.StatusAccepted).pack()
	jobs := into[page](t, o.get("jobs?state=queued&kind=pack&limit=1").is(http.StatusOK))
	require.Len(t, jobs.Items, 1)
	require.NotNil(t, jobs.NextCursor)
	owner, _ := jobs.Items[0]["owner"].(string)
	require.True(t, strings.HasPrefix(owner, "anon:"))
	o.send(http.MethodPost, "jobs/"+first.Job.ID+"/cancel", "").is(http.StatusOK)
	require.Equal(t, "cancelled", v.get("/v1/jobs/"+first.Job.ID).is(http.StatusOK).job().State)
	again := into[struct{ Job job }](t, o.send(http.MethodPost, "jobs/"+first.Job.ID+"/requeue", "").is(http.StatusAccepted))
	require.Equal(t, "queued", again.Job.State)
	o.send(http.MethodPost, "jobs/"+again.Job.ID+"/requeue", "").fails(http.StatusConflict, model.CodeConflict)
	cancelled := into[struct{ Cancelled int }](t, o.send(http.MethodPost, "owners/cancel", fmt.Sprintf(`{"owner":%q}`, owner)).is(http.StatusOK))
	require.Equal(t, 2, cancelled.Cancelled)
	require.Equal(t, "cancelled", v.get("/v1/jobs/"+second.Job.ID).is(http.StatusOK).job().State)

	o.get("dead").is(http.StatusOK)
	o.send(http.MethodPost, "dead/requeue", `{"code":"none_such"}`).is(http.StatusOK)
	events := into[page](t, o.get("audit?limit=100").is(http.StatusOK))
	var actions []string
	for _, e := range events.Items {
		actions = append(actions, e["action"].(string))
	}
	require.Equal(t, []string{
		"owner.cancel", "job.requeue", "job.cancel", "lane.pause", "worker.wake", "worker.drain", "worker.concurrency", "worker.concurrency",
		"workers.concurrency", "workers.concurrency", "lane.resume", "lane.pause",
	}, actions)
}

func TestOperatorsNeedTheToken(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		for _, token := range []string{"", "a-token", adminToken + "x", strings.ToUpper(adminToken)} {
			o := operator{p.nobody(t), token}
			a := o.get("overview").fails(http.StatusUnauthorized, model.CodeUnauthorized)
			require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
			o.send(http.MethodPost, "queues/bulk/pause", "").fails(http.StatusUnauthorized, model.CodeUnauthorized)
		}
		p.nobody(t).get("/v1/admin/overview", "Authorization", "Basic "+adminToken).fails(http.StatusUnauthorized, model.CodeUnauthorized)
		require.False(t, p.operator(t).overview().Queues[1].Paused)
		require.NotContains(t, p.log.String(), adminToken)

		shut := start(t, on, setup{change: func(o *api.Options) { o.AdminToken = "" }})
		for _, token := range []string{"", adminToken} {
			operator{shut.nobody(t), token}.get("overview").fails(http.StatusNotFound, model.CodeNotFound)
		}
	})
}

// Whatever is wrong is named, and nothing is changed.
func TestOperatorsBadInput(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2, speed: 0.2})
		o, v := p.operator(t), p.visitor(t)
		running := v.generate(long(1)).is(http.StatusAccepted).job()
		var worker string
		require.Eventually(t, func() bool {
			all := o.overview()
			if len(all.Workers) == 1 && len(all.Running) == 1 {
				worker = "workers/" + all.Workers[0].ID
			}
			return worker != ""
		}, 20*time.Second, 20*time.Millisecond)
		done := v.rendered()

		const invalid, missing, conflict = http.StatusUnprocessableEntity, http.StatusNotFound, http.StatusConflict
		unknown := uuid.NewString()
		for _, tt := range []struct {
			method, path, body string
			status             int
			code               model.Code
			field              string
		}{
			{http.MethodPut, "concurrency", `{"concurrency":-1}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{"concurrency":0}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{"concurrency":10000}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{"concurrency":1.5}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{"concurrency":"x"}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "concurrency", `{"concurrency":2,"workers":1}`, invalid, model.CodeInvalid, "workers"},
			{http.MethodPut, "concurrency", `7`, http.StatusBadRequest, model.CodeBadRequest, ""},
			{http.MethodPut, worker + "/concurrency", `{"concurrency":-1}`, invalid, model.CodeInvalid, "concurrency"},
			{http.MethodPut, "workers/" + unknown + "/concurrency", `{"concurrency":1}`, missing, model.CodeNotFound, ""},
			{http.MethodPost, "workers/" + unknown + "/drain", "", missing, model.CodeNotFound, ""},
			{http.MethodPost, "workers/7/wake", "", missing, model.CodeNotFound, ""},
			{http.MethodPost, "queues/slow/pause", "", missing, model.CodeNotFound, ""},
			{http.MethodPost, "queues/bulk/pause?now=1", "", invalid, model.CodeInvalid, "now"},
			{http.MethodPost, "jobs/" + running.ID + "/requeue", "", conflict, model.CodeConflict, ""},
			{http.MethodPost, "jobs/" + done.JobID + "/requeue", "", conflict, model.CodeConflict, ""},
			{http.MethodPost, "jobs/" + unknown + "/requeue", "", missing, model.CodeNotFound, ""},
			{http.MethodPost, "jobs/" + unknown + "/cancel", "", missing, model.CodeNotFound, ""},
			{http.MethodPost, "owners/cancel", `{"owner":"everybody"}`, invalid, model.CodeInvalid, "owner"},
			{http.MethodPost, "owners/cancel", `{}`, invalid, model.CodeInvalid, "owner"},
			{http.MethodPost, "dead/requeue", `{}`, invalid, model.CodeInvalid, "task_ids"},
			{http.MethodPost, "dead/requeue", `{"task_ids":[]}`, invalid, model.CodeInvalid, "task_ids"},
			{http.MethodPost, "dead/requeue", `{"task_ids":["7"]}`, invalid, model.CodeInvalid, "task_ids"},
			{http.MethodPost, "dead/requeue", `{"task_ids":["` + unknown + `"],"code":"x"}`, invalid, model.CodeInvalid, "task_ids"},
			{http.MethodGet, "jobs?state=lost", "", invalid, model.CodeInvalid, "state"},
			{http.MethodGet, "jobs?kind=song", "", invalid, model.CodeInvalid, "kind"},
			{http.MethodGet, "jobs?owner=me", "", invalid, model.CodeInvalid, "owner"},
			{http.MethodGet, "jobs?limit=0", "", invalid, model.CodeInvalid, "limit"},
			{http.MethodGet, "dead?cursor=rubbish", "", invalid, model.CodeInvalid, "cursor"},
			{http.MethodGet, "dead?code=%00", "", invalid, model.CodeInvalid, "code"},
			{http.MethodGet, "dead?code=%ff", "", invalid, model.CodeInvalid, "code"},
			{http.MethodPost, "dead/requeue", `{"code":"no\u0000thing"}`, invalid, model.CodeInvalid, "code"},
			{http.MethodGet, "audit?limit=101", "", invalid, model.CodeInvalid, "limit"},
		} {
			before := p.rows(t)
			var fields []string
			if tt.field != "" {
				fields = append(fields, tt.field)
			}
			o.send(tt.method, tt.path, tt.body).fails(tt.status, tt.code, fields...)
			require.Equal(t, before, p.rows(t), tt.path)
		}
		// A task that runs, and one that is not there, are listed as such.
		var taskID string
		require.NoError(t, p.DB.Reader().Get(t.Context(), &taskID, `SELECT id FROM tasks WHERE state = 'running'`))
		answer := into[struct {
			Requeued int
			Items    []struct{ Error *model.Failure }
		}](t, o.send(http.MethodPost, "dead/requeue", fmt.Sprintf(`{"task_ids":[%q,%q]}`, taskID, unknown)).is(http.StatusOK))
		require.Zero(t, answer.Requeued)
		require.Equal(t, "conflict", answer.Items[0].Error.Code)
		require.Equal(t, "not_found", answer.Items[1].Error.Code)

		all := o.overview()
		require.Empty(t, all.Settings)
		require.Empty(t, into[page](t, o.get("audit").is(http.StatusOK)).Items)
		require.Len(t, all.Running, 1)
		require.Equal(t, running.Sounds[0].ID, all.Running[0].SoundID)
		require.Equal(t, "test", all.Running[0].Worker)
		require.Positive(t, all.Running[0].Age)
		require.Eventually(t, func() bool { return o.overview().Workers[0].Memory > 0 }, 20*time.Second, 50*time.Millisecond, "told with a beat")
		v.do(http.MethodDelete, "/v1/jobs/"+running.ID, nil, "X-Requested-With", "patchlab").is(http.StatusOK)
	})
}

// What brings audio back is among what runs.
func TestOperatorsSeeARestoration(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1, speed: 0.5})
		o, v := p.operator(t), p.visitor(t)
		s := v.generate(long(1), "Prefer", "wait=30").is(http.StatusCreated).job().Sounds[0]
		p.lose(t)
		var download sync.WaitGroup
		download.Go(func() { v.get(*s.DownloadURL) })
		require.Eventually(t, func() bool {
			running := o.overview().Running
			return len(running) == 1 && running[0].Kind == "restore" && running[0].SoundID == s.ID
		}, 20*time.Second, 20*time.Millisecond)
		download.Wait()
	})
}
