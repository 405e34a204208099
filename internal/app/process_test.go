package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bin holds the programs, built once for all tests: they are about processes,
// which are killed and started again.
var bin string

// program returns the path of one of them.
func program(name string) string { return filepath.Join(bin, name) }

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "patchlab-app-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bin = dir
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "patchlab/cmd/...", "patchlab/internal/testenv/up")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running program.
type process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	url  string
	done chan struct{}
	err  error // of Wait

	mu  sync.Mutex
	log bytes.Buffer
}

// serve starts `patchlab serve` on data and waits until it listens.
func serve(t *testing.T, data string, env ...string) *process {
	t.Helper()
	return start(t, data, env...).await()
}

// start starts `patchlab serve` on data.
func start(t *testing.T, data string, env ...string) *process {
	t.Helper()
	return launch(t, "patchlab", []string{"serve"}, append([]string{"DATA_DIR=" + data}, env...)...)
}

// await waits until the process listens.
func (p *process) await() *process {
	p.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		if p.url = p.listening(); p.url != "" {
			return p
		}
		select {
		case <-p.done:
			p.t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.logged())
		case <-deadline:
			p.t.Fatalf("%s does not listen\n%s", p.name, p.logged())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ended waits until the process has ended by itself, and returns its exit code.
func (p *process) ended() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(60 * time.Second):
		p.t.Fatalf("%s runs all the same\n%s", p.name, p.logged())
	}
	return p.cmd.ProcessState.ExitCode()
}

// launch starts a program that ends with the test.
func launch(t testing.TB, name string, args []string, env ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, done: make(chan struct{}), cmd: exec.Command(program(name), args...)}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"ADDR=127.0.0.1:0", "RATE_LIMITS=off", "PATH=" + os.Getenv("PATH")}, env...)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadString('\n')
			p.mu.Lock()
			p.log.WriteString(line)
			p.mu.Unlock()
			if err != nil {
				break
			}
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// listening returns the URL of the log line that says so.
func (p *process) listening() string {
	for line := range strings.SplitSeq(p.logged(), "\n") {
		var entry struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.URL
		}
	}
	return ""
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// terminate asks the process to stop, and returns its exit code.
func (p *process) terminate() int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Fatalf("%s does not stop\n%s", p.name, p.logged())
	}
	return p.cmd.ProcessState.ExitCode()
}

// visitor is somebody with a browser.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t: t, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

type job struct {
	ID          string
	State       string
	FailedCount int `json:"failed_count"`
	Attempts    int
	Sounds      []struct {
		ID, State   string
		DownloadURL *string `json:"download_url"`
	}
}

// generate posts a request and returns the status and the job.
func (v *visitor) generate(p *process, body string, header ...string) (int, job) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, p.url+"/v1/sounds/generate", strings.NewReader(body))
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Requested-With", "patchlab")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	var out struct{ Job job }
	code := v.do(req, &out)
	return code, out.Job
}

func (v *visitor) do(req *http.Request, out any) int {
	v.t.Helper()
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	defer func() { require.NoError(v.t, res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, json.Unmarshal(body, out), "%s", body)
	return res.StatusCode
}

func (v *visitor) job(p *process, id string) job {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, p.url+"/v1/jobs/"+id, nil)
	require.NoError(v.t, err)
	var out struct{ Job job }
	require.Equal(v.t, http.StatusOK, v.do(req, &out))
	return out.Job
}

// finished waits until a job is final.
func (v *visitor) finished(p *process, id string) job {
	v.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		j := v.job(p, id)
		if j.State == "succeeded" || j.State == "failed" {
			return j
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("the job is still %s\n%s", j.State, p.logged())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// download saves a sound and returns the file's name.
func (v *visitor) download(p *process, url string) string {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, p.url+url, nil)
	require.NoError(v.t, err)
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	defer func() { require.NoError(v.t, res.Body.Close()) }()
	require.Equal(v.t, http.StatusOK, res.StatusCode)
	name := filepath.Join(v.t.TempDir(), "sound.wav")
	f, err := os.Create(name)
	require.NoError(v.t, err)
	_, err = io.Copy(f, res.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, f.Close())
	return name
}

// patchlab runs an offline command and returns its exit code and what it said.
func patchlab(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program("patchlab"), args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// blobs counts the files in the asset store.
func blobs(t *testing.T, data string) int {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(data, "assets"), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

func TestTheFarmAndTheCommandLineGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	v := newVisitor(t)
	code, j := v.generate(p, `{"prompt":"deep wobble bass, two seconds","seed":7}`, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code, p.logged())
	farm := v.download(p, *j.Sounds[0].DownloadURL)

	offline := filepath.Join(t.TempDir(), "a.wav")
	exit, said := patchlab(t, "render", "deep wobble bass, two seconds", "--seed", "7", "-o", offline)
	require.Equal(t, 0, exit, said)
	want, err := os.ReadFile(offline)
	require.NoError(t, err)
	got, err := os.ReadFile(farm)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the farm's file differs from the command line's")

	exit, said = patchlab(t, "verify", farm)
	require.Equal(t, 0, exit, said)
	got[len(got)/2] ^= 1
	changed := filepath.Join(t.TempDir(), "b.wav")
	require.NoError(t, os.WriteFile(changed, got, 0o600))
	exit, said = patchlab(t, "verify", changed)
	require.Equal(t, 1, exit, said)
	exit, _ = patchlab(t, "verify")
	require.Equal(t, 2, exit)
}

// The process dies again and again while eight takes of ten seconds are rendered.
func TestKilledMidRenderTheJobStillCompletes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, data, "RENDER_MAX_SPEED=8")
	v := newVisitor(t)
	code, j := v.generate(p, `{"prompt":"dark pad","seed":7,"variations":8,"duration":10}`, "Idempotency-Key", "once")
	require.Equal(t, http.StatusAccepted, code)
	p.kill()
	for _, after := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond, 900 * time.Millisecond} {
		p = serve(t, data, "RENDER_MAX_SPEED=8")
		time.Sleep(after)
		p.kill()
	}
	p = serve(t, data)
	code, again := v.generate(p, `{"prompt":"dark pad","seed":7,"variations":8,"duration":10}`, "Idempotency-Key", "once")
	require.Contains(t, []int{http.StatusAccepted, http.StatusCreated}, code)
	require.Equal(t, j.ID, again.ID, "the key still stands for the job")
	done := v.finished(p, j.ID)
	require.Equal(t, "succeeded", done.State)
	require.Zero(t, done.FailedCount)
	require.Len(t, done.Sounds, 8)
	for _, s := range done.Sounds {
		require.Equal(t, "succeeded", s.State)
	}
	exit, said := patchlab(t, "verify", v.download(p, *done.Sounds[7].DownloadURL))
	require.Equal(t, 0, exit, said)
	require.Equal(t, 0, p.terminate(), p.logged())
}

func TestStoppingHandsWorkBack(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, data, "RENDER_MAX_SPEED=1", "DRAIN_GRACE=0s")
	v := newVisitor(t)
	code, j := v.generate(p, `{"prompt":"pad","duration":20}`)
	require.Equal(t, http.StatusAccepted, code)
	require.Eventually(t, func() bool { return v.job(p, j.ID).State == "running" }, 10*time.Second, 20*time.Millisecond)
	began := time.Now()
	require.Equal(t, 0, p.terminate(), p.logged())
	require.Less(t, time.Since(began), 15*time.Second)

	p = serve(t, data)
	require.Equal(t, "succeeded", v.finished(p, j.ID).State)
	require.Equal(t, 1, blobs(t, data), "nothing half-written is left")
}

func TestOneFolderOneProcess(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve(t, data)
	second := start(t, data)
	require.Equal(t, 1, second.ended())
	require.Contains(t, second.logged(), "in use by another patchlab")
}

func TestTheSameRecipeIsRenderedOnce(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, data)
	etags := map[string]bool{}
	for range 3 {
		v := newVisitor(t) // somebody else each time
		code, j := v.generate(p, `{"prompt":"kick","seed":1}`, "Prefer", "wait=20")
		require.Equal(t, http.StatusCreated, code, p.logged())
		file, err := os.ReadFile(v.download(p, *j.Sounds[0].DownloadURL))
		require.NoError(t, err)
		etags[string(file)] = true
	}
	require.Len(t, etags, 1)
	require.Equal(t, 1, blobs(t, data))
}

func TestTheLogIsJSONAndHoldsNoWordsAndNoCookies(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	v := newVisitor(t)
	v.generate(p, `{"prompt":"zanzibar kick","seed":1}`, "Prefer", "wait=20")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v1/interpret?prompt=zanzibar+kick", nil)
	require.NoError(t, err)
	var answer map[string]any
	require.Equal(t, http.StatusOK, v.do(req, &answer))
	var cookie string
	for _, c := range v.client.Jar.Cookies(req.URL) {
		cookie = c.Value
	}
	require.NotEmpty(t, cookie)
	require.Equal(t, 0, p.terminate())
	for line := range strings.SplitSeq(strings.TrimSpace(p.logged()), "\n") {
		require.True(t, json.Valid([]byte(line)), "%s", line)
		require.NotContains(t, line, "zanzibar")
		require.NotContains(t, line, cookie)
	}
}

func TestWrongStartsSayWhy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	busy := serve(t, t.TempDir())
	for name, tc := range map[string]struct {
		env  []string
		want []string
	}{
		"every fault at once": {[]string{"WORKER_CONCURRENCY=0", "LOG_LEVEL=loud"}, []string{"WORKER_CONCURRENCY", "LOG_LEVEL"}},
		"no folder":           {[]string{"DATA_DIR=" + file}, []string{"data folder"}},
		"address in use":      {[]string{"ADDR=" + strings.TrimPrefix(busy.url, "http://")}, []string{"set ADDR to another address"}},
		"a shared database":   {[]string{"DATABASE_URL=postgres://localhost/x?sslmode=disable"}, []string{"DATABASE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), tc.env...)
			require.Equal(t, 1, p.ended())
			for _, want := range tc.want {
				require.Contains(t, p.logged(), want)
			}
		})
	}
}
