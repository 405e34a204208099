package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/db/dbtest"
	"patchlab/internal/testenv"
)

const opsToken = "open-sesame-for-tests"

// bench is a farm that operators tune.
type bench struct {
	t      *testing.T
	api    *process
	worker func() *process // kills the first worker, and starts it again
	redis  func()          // empties Redis
	each   int             // workers
}

type farmState struct {
	Queues []struct {
		Lane                       string
		Paused                     bool
		Waiting, Released, Running int
	}
	Running []struct{ Worker string }
	Workers []struct {
		ID, Name string
		Slots    int
		Drained  bool
	}
	Settings []struct{ Key string }
}

// ops sends a request of an operator, and returns the state of the farm.
func (b *bench) ops(method, path, body string) farmState {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.api.url+"/v1/admin/"+path, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Bearer "+opsToken)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(b.t, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, res.Body.Close())
	require.Equal(b.t, http.StatusOK, res.StatusCode, "%s %s: %s", method, path, data)
	var s farmState
	require.NoError(b.t, json.Unmarshal(data, &s))
	return s
}

func (b *bench) state() farmState { return b.ops(http.MethodGet, "overview", "") }

// until waits until the farm is as it should be.
func (b *bench) until(what string, ok func(farmState) bool) {
	b.t.Helper()
	var last farmState
	require.Eventually(b.t, func() bool { last = b.state(); return ok(last) }, 30*time.Second, 50*time.Millisecond, "%s", what)
}

// stays watches for two seconds that the farm is as it should be.
func (b *bench) stays(what string, ok func(farmState) bool) {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		s := b.state()
		require.True(b.t, ok(s), "%s: %+v", what, s)
	}
}

// running counts what workers have in hand, of one name or of all.
func running(s farmState, name string) int {
	n := 0
	for _, r := range s.Running {
		if name == "" || r.Worker == name {
			n++
		}
	}
	return n
}

// TestOperatorsTurnEveryKnobWhileAllRuns: pause, concurrency, drain; each holds at once,
// for what is taken next, and over a kill -9 of the worker and an emptied Redis.
func TestOperatorsTurnEveryKnobWhileAllRuns(t *testing.T) {
	t.Parallel()
	// A sound takes some 0.8 s.
	env := []string{"ADMIN_TOKEN=" + opsToken, "RENDER_MAX_SPEED=1.25", "WORKER_CONCURRENCY=2"}
	for name, start := range map[string]func(t *testing.T) *bench{
		"one process": func(t *testing.T) *bench {
			data := t.TempDir()
			env := append([]string{"WORKER_NAME=w1"}, env...)
			b := &bench{t: t, api: serve(t, data, env...), redis: func() {}, each: 1}
			b.worker = func() *process {
				b.api.kill()
				b.api = serve(t, data, env...)
				return b.api
			}
			return b
		},
		"separate processes": func(t *testing.T) *bench {
			redis := testenv.StartRedis(t)
			env := append([]string{"DATABASE_URL=" + dbtest.EmptyPostgresURL(t), "REDIS_URL=" + redis.URL(), "DATA_DIR=" + t.TempDir()}, env...)
			b := &bench{t: t, api: fleet(t, env, "api", "janitor")[0], each: 2}
			first := fleet(t, append(env, "WORKER_NAME=w1"), "worker")[0]
			fleet(t, append(env, "WORKER_NAME=w2"), "worker")
			b.worker = func() *process {
				first.kill()
				first = fleet(t, append(env, "WORKER_NAME=w1"), "worker")[0]
				return first
			}
			b.redis = func() {
				redis.Kill()
				require.NoError(t, redis.Start())
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			v := newVisitor(t)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.api.url+"/v1/packs",
				strings.NewReader(`{"theme":"drums","count":400,"seed":7,"sample_rate":22050}`))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Requested-With", "patchlab")
			var accepted struct{ Job job }
			require.Equal(t, http.StatusAccepted, v.do(req, &accepted))
			b.until("each worker renders one of a pack", func(s farmState) bool { return running(s, "") == b.each })

			b.ops(http.MethodPost, "queues/bulk/pause", "")
			b.until("what ran has ended", func(s farmState) bool { return s.Queues[1].Paused && running(s, "") == 0 })
			b.stays("paused", func(s farmState) bool { return running(s, "") == 0 })
			code, sound := v.generate(b.api, `{"prompt":"kick","duration":0.2}`, "Prefer", "wait=20")
			require.Equal(t, http.StatusCreated, code, "the other queue goes on: %v", sound)
			b.redis()
			b.worker()
			b.until("the worker is back", func(s farmState) bool { return len(s.Workers) >= b.each })
			b.stays("paused over a restart", func(s farmState) bool { return s.Queues[1].Paused && running(s, "") == 0 })
			b.ops(http.MethodPost, "queues/bulk/resume", "")
			b.until("it goes on", func(s farmState) bool { return !s.Queues[1].Paused && running(s, "") >= b.each })

			// Bulk work gets all but a quarter of the slots.
			b.ops(http.MethodPut, "concurrency", `{"concurrency":4}`)
			b.until("three at each worker", func(s farmState) bool { return running(s, "") == 3*b.each })
			b.ops(http.MethodPut, "concurrency", `{"concurrency":1}`)
			b.until("one at each worker", func(s farmState) bool { return running(s, "") == b.each })
			b.stays("one at each worker at most", func(s farmState) bool { return running(s, "") <= b.each })
			b.worker()
			b.until("as it was set", func(s farmState) bool {
				return len(s.Workers) == b.each && s.Workers[0].Slots == 1 && running(s, "") == b.each
			})

			drained := b.state().Workers[0]
			b.ops(http.MethodPost, "workers/"+drained.ID+"/drain", "")
			b.until("it is drained", func(s farmState) bool { return s.Workers[0].Slots == 0 && running(s, drained.Name) == 0 })
			b.stays("it takes nothing", func(s farmState) bool { return running(s, drained.Name) == 0 })
			b.ops(http.MethodPost, "workers/"+drained.ID+"/wake", "")
			b.until("it is awake", func(s farmState) bool { return s.Workers[0].Slots == 1 && running(s, drained.Name) == 1 })

			b.ops(http.MethodPut, "concurrency", `{"concurrency":null}`)
			require.Empty(t, b.state().Settings)
			var events struct {
				Items []struct{ Action, Actor string }
			}
			req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, b.api.url+"/v1/admin/audit?limit=100", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+opsToken)
			require.Equal(t, http.StatusOK, v.do(req, &events))
			var actions []string
			for _, e := range events.Items {
				require.Equal(t, "ops", e.Actor)
				actions = append(actions, e.Action)
			}
			require.Equal(t, []string{
				"workers.concurrency", "worker.wake", "worker.drain", "workers.concurrency", "workers.concurrency", "lane.resume", "lane.pause",
			}, actions)
			require.NotContains(t, b.api.logged(), opsToken)
		})
	}
}
