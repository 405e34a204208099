package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/lib/pq" // counts what the farm has written
	"github.com/stretchr/testify/require"

	"patchlab/internal/format"
	"patchlab/internal/testenv"
	"patchlab/internal/testenv/backing"
	"patchlab/storage"
)

// kept is a program that is started again whenever it ends, as an init system or
// an orchestrator does.
type kept struct {
	name, addr string
	stop       context.CancelFunc
	done       chan struct{}

	mu     sync.Mutex
	cmd    *exec.Cmd
	starts int
}

func keep(t *testing.T, name string, env []string) *kept {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	ctx, stop := context.WithCancel(context.Background())
	k := &kept{name: name, addr: addr, stop: stop, done: make(chan struct{})}
	dir := t.TempDir()
	logFile := filepath.Join(dir, "log")
	go func() {
		defer close(k.done)
		for ctx.Err() == nil {
			log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return
			}
			k.mu.Lock()
			k.cmd = exec.Command(program(name))
			k.cmd.Dir, k.cmd.Stderr = dir, log
			k.cmd.Env = append([]string{"ADDR=" + addr, "RATE_LIMITS=off", "PATH=" + os.Getenv("PATH")}, env...)
			if err = ctx.Err(); err == nil { // stopped before this moment, it would never be killed
				err = k.cmd.Start()
				k.starts++
			}
			k.mu.Unlock()
			if err == nil {
				_ = k.cmd.Wait()
			}
			_ = log.Close()
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		k.kill()
		<-k.done
		if log, err := os.ReadFile(logFile); t.Failed() && err == nil {
			t.Logf("%s at %s:\n%s", name, addr, log[max(0, len(log)-6000):])
		}
	})
	return k
}

// kill ends the program at once; it is started again.
func (k *kept) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cmd != nil && k.cmd.Process != nil {
		_ = k.cmd.Process.Kill()
	}
}

// storm is a farm whose processes and servers die.
type storm struct {
	t        *testing.T
	postgres *testenv.Postgres
	redis    *testenv.Redis
	minio    *testenv.MinIO
	bucket   storage.S3Config
	fleet    []*kept
	client   *http.Client
}

func newStorm(t *testing.T, programs ...string) *storm {
	t.Helper()
	s := &storm{t: t, postgres: testenv.StartPostgres(t), redis: testenv.StartRedis(t), minio: testenv.StartMinIO(t)}
	s.bucket = backing.Bucket(t, s.minio)
	env := append(environment(s.postgres.URL(""), s.redis.URL(), s.minio.Endpoint(), s.bucket.Bucket),
		"RENDER_MAX_SPEED=4", "WORKER_CONCURRENCY=2")
	for _, name := range programs {
		s.fleet = append(s.fleet, keep(t, name, env))
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
	require.Eventually(t, func() bool { // the first answer sets the cookie
		code, _ := s.call(http.MethodGet, s.api(0)+"/v1/sounds", "", "")
		return code == http.StatusOK
	}, 60*time.Second, 50*time.Millisecond, "the farm does not start")
	return s
}

// api returns the address of one of the API processes.
func (s *storm) api(n int) string {
	var apis []string
	for _, k := range s.fleet {
		if k.name == "api" {
			apis = append(apis, "http://"+k.addr)
		}
	}
	return apis[n%len(apis)]
}

// call sends a request; 0 = nobody answered.
func (s *storm) call(method, address, body, key string) (int, []byte) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Requested-With", "patchlab")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return 0, nil
	}
	data, err := io.ReadAll(res.Body)
	if cerr := res.Body.Close(); err != nil || cerr != nil {
		return 0, nil
	}
	return res.StatusCode, data
}

// insist asks until it has an answer that is not "later", each time of the next API.
func (s *storm) insist(n int, method, path, body, key string, until time.Time) (int, []byte) {
	for try := n; ; try++ {
		code, data := s.call(method, s.api(try)+path, body, key)
		if code != 0 && code != http.StatusServiceUnavailable || time.Now().After(until) {
			return code, data
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// counts is what the database and the bucket hold.
func (s *storm) counts() (map[string]int, string) {
	s.t.Helper()
	db, err := sql.Open("postgres", s.postgres.URL(""))
	require.NoError(s.t, err)
	defer func() { _ = db.Close() }()
	out := map[string]int{}
	for name, query := range map[string]string{
		"jobs":                  `SELECT count(*) FROM jobs`,
		"jobs succeeded":        `SELECT count(*) FROM jobs WHERE state = 'succeeded'`,
		"jobs not final":        `SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')`,
		"sounds":                `SELECT count(*) FROM sounds`,
		"sounds with an asset":  `SELECT count(*) FROM sounds WHERE asset_id IS NOT NULL AND state = 'succeeded'`,
		"tasks":                 `SELECT count(*) FROM tasks`,
		"assets":                `SELECT count(*) FROM assets`,
		"assets nobody has":     `SELECT count(*) FROM assets WHERE NOT EXISTS (SELECT 1 FROM sounds WHERE sounds.asset_id = assets.id)`,
		"renders begun again":   `SELECT COALESCE(sum(attempt - 1), 0) FROM tasks WHERE attempt > 1`,
		"failures counted":      `SELECT COALESCE(sum(failures), 0) FROM tasks`,
		"sounds wrongly shared": `SELECT count(*) - count(DISTINCT asset_id) FROM sounds WHERE asset_id IS NOT NULL`,
	} {
		var n int
		require.NoError(s.t, db.QueryRowContext(s.t.Context(), query).Scan(&n), name)
		out[name] = n
	}
	store, err := storage.NewS3(s.bucket)
	require.NoError(s.t, err)
	defer func() { _ = store.Close() }()
	out["blobs"] = len(backing.Keys(s.t, store))
	var table strings.Builder
	for _, name := range []string{
		"jobs", "jobs succeeded", "jobs not final", "sounds", "sounds with an asset", "tasks", "assets", "assets nobody has",
		"sounds wrongly shared", "blobs", "renders begun again", "failures counted",
	} {
		fmt.Fprintf(&table, "  %-22s %4d\n", name, out[name])
	}
	return out, table.String()
}

// Every process and every server is killed in turn while 200 sounds are asked for.
// Each is accepted once, made once, and verifies.
func TestEveryProcessAndServerIsKilledInTurn(t *testing.T) {
	t.Parallel()
	s := newStorm(t, "api", "api", "worker", "worker", "janitor")
	const jobs, clients = 200, 8
	_, before := s.counts()

	ids := make([]string, jobs)
	work := make(chan int)
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			for n := range work {
				body := fmt.Sprintf(`{"prompt":"kick","seed":%d,"duration":0.5,"sample_rate":22050}`, n+1)
				code, data := s.insist(n, http.MethodPost, "/v1/sounds/generate", body, fmt.Sprintf("storm-%d", n), time.Now().Add(90*time.Second))
				var out struct{ Job job }
				if code != http.StatusAccepted && code != http.StatusCreated || json.Unmarshal(data, &out) != nil {
					t.Errorf("request %d: %d %s", n, code, data)
					continue
				}
				ids[n] = out.Job.ID
			}
		})
	}
	var storming sync.WaitGroup
	began := time.Now()
	storming.Go(func() {
		const pause = 1500 * time.Millisecond
		for _, k := range s.fleet {
			time.Sleep(pause)
			k.kill()
			t.Logf("%5.1f s  kill -9 %s", time.Since(began).Seconds(), k.name)
		}
		for _, server := range []struct {
			name  string
			kill  func()
			start func() error
		}{
			{"redis-server (comes back empty)", s.redis.Kill, s.redis.Start},
			{"postgres", s.postgres.Kill, s.postgres.Start},
			{"minio", s.minio.Kill, s.minio.Start},
		} {
			time.Sleep(pause)
			server.kill()
			t.Logf("%5.1f s  kill -9 %s", time.Since(began).Seconds(), server.name)
			time.Sleep(time.Second)
			if err := server.start(); err != nil {
				t.Errorf("start %s: %v", server.name, err)
			}
		}
	})
	for n := range jobs {
		work <- n
		time.Sleep(75 * time.Millisecond)
	}
	close(work)
	asking.Wait()
	storming.Wait()
	t.Logf("%5.1f s  the last of %d is accepted", time.Since(began).Seconds(), jobs)
	require.False(t, t.Failed())

	var final sync.WaitGroup
	slots := make(chan struct{}, clients)
	verified := make([]bool, jobs)
	for n, id := range ids {
		final.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			verified[n] = s.ends(n, id)
		})
	}
	final.Wait()
	t.Logf("%5.1f s  all are final, and their files verified", time.Since(began).Seconds())
	after, table := s.counts()
	t.Logf("before:\n%safter:\n%s", before, table)
	for n := range verified {
		require.True(t, verified[n], "sound %d", n)
	}
	for _, name := range []string{"jobs", "jobs succeeded", "sounds", "sounds with an asset", "tasks", "assets"} {
		require.Equal(t, jobs, after[name], name)
	}
	for _, name := range []string{"jobs not final", "assets nobody has", "sounds wrongly shared"} {
		require.Zero(t, after[name], name)
	}
	// What a killed worker had stored and not committed is for the sweep, a day later.
	require.GreaterOrEqual(t, after["blobs"], jobs)
	require.LessOrEqual(t, after["blobs"], jobs+8)
}

// ends waits until a job has succeeded, downloads its sound and verifies it.
func (s *storm) ends(n int, id string) bool {
	until := time.Now().Add(120 * time.Second)
	for {
		code, data := s.insist(n, http.MethodGet, "/v1/jobs/"+id, "", "", until)
		var out struct{ Job job }
		if code != http.StatusOK || json.Unmarshal(data, &out) != nil {
			s.t.Errorf("job %d: %d %s", n, code, data)
			return false
		}
		switch {
		case out.Job.State == "succeeded":
			code, file := s.insist(n, http.MethodGet, *out.Job.Sounds[0].DownloadURL, "", "", until)
			if code != http.StatusOK {
				s.t.Errorf("file %d: %d", n, code)
				return false
			}
			if _, err := format.Verify(s.t.Context(), bytes.NewReader(file), int64(len(file))); err != nil {
				s.t.Errorf("file %d: %v", n, err)
				return false
			}
			return true
		case out.Job.State == "failed" || time.Now().After(until):
			s.t.Errorf("job %d is %s: %s", n, out.Job.State, data)
			return false
		}
		time.Sleep(100 * time.Millisecond)
	}
}
