package app_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/db/dbtest"
	"patchlab/internal/testenv"
	"patchlab/internal/testenv/backing"
)

// servers returns the environment of separate processes on a database, a Redis and
// a bucket of the test's own.
func servers(t testing.TB) []string {
	t.Helper()
	return environment(dbtest.EmptyPostgresURL(t), testenv.StartRedis(t).URL(), testenv.SharedMinIO(t).Endpoint(), backing.Bucket(t, testenv.SharedMinIO(t)).Bucket)
}

func environment(postgres, redis, s3, bucket string) []string {
	return []string{
		"DATABASE_URL=" + postgres, "REDIS_URL=" + redis, "S3_ENDPOINT=" + s3, "S3_BUCKET=" + bucket,
		"S3_ACCESS_KEY=" + testenv.MinIOAccessKey, "S3_SECRET_KEY=" + testenv.MinIOSecretKey,
	}
}

// fleet starts programs at once, and waits until all listen.
func fleet(t testing.TB, env []string, programs ...string) []*process {
	t.Helper()
	all := make([]*process, len(programs))
	for i, name := range programs {
		all[i] = launch(t, name, nil, env...)
	}
	for _, p := range all {
		p.await()
	}
	return all
}

// get fetches an address.
func get(t testing.TB, address string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, string(body)
}

// Five processes on an empty database, which all of them would migrate.
func TestTheFarmInSeparateProcesses(t *testing.T) {
	t.Parallel()
	env := servers(t)
	all := fleet(t, env, "api", "api", "worker", "worker", "janitor")
	v := newVisitor(t)
	code, j := v.generate(all[0], `{"prompt":"deep wobble bass, two seconds","seed":7}`, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code, all[0].logged())
	farm := v.download(all[1], *j.Sounds[0].DownloadURL)
	offline := filepath.Join(t.TempDir(), "a.wav")
	exit, said := patchlab(t, "render", "deep wobble bass, two seconds", "--seed", "7", "-o", offline)
	require.Equal(t, 0, exit, said)
	want, err := os.ReadFile(offline)
	require.NoError(t, err)
	got, err := os.ReadFile(farm)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the farm's file differs from the command line's")

	renders := 0
	for _, p := range all {
		code, body := get(t, p.url+"/api/health")
		require.Equal(t, http.StatusOK, code, "%s: %s", p.name, body)
		code, body = get(t, p.url+"/metrics")
		require.Equal(t, http.StatusOK, code, p.name)
		require.Contains(t, body, "patchlab_queue_up 1\n", p.name)
		require.Contains(t, body, `patchlab_db_connections_max{pool="write"}`, p.name)
		renders += strings.Count(body, "patchlab_render_seconds_count 1\n")
		if p.name != "api" {
			code, _ = get(t, p.url+"/v1/sounds")
			require.Equal(t, http.StatusNotFound, code, "only the API is served to the public")
		}
		u, err := url.Parse(p.url)
		require.NoError(t, err)
		probe := launch(t, p.name, []string{"health"}, "ADDR="+u.Host)
		require.Equal(t, 0, probe.ended(), probe.logged())
	}
	require.Equal(t, 1, renders, "one worker rendered it")
	_, counted := get(t, all[4].url+"/metrics")
	require.Contains(t, counted, `patchlab_janitor_total{chore="sounds_expired"} 0`)
	dry := exec.CommandContext(t.Context(), program("janitor"), "--dry-run")
	dry.Env = env
	var complaints bytes.Buffer
	dry.Stderr = &complaints
	table, err := dry.Output()
	require.NoError(t, err, complaints.String())
	require.Regexp(t, `(?m)^chore +would remove +first$`, string(table))
	require.Regexp(t, `(?m)^orphans_deleted +0 *$`, string(table))
	require.Equal(t, 2, launch(t, "janitor", []string{"--dry"}, env...).ended())
	require.Equal(t, 2, launch(t, "api", []string{"--dry-run"}, env...).ended())
	for _, p := range all {
		require.Equal(t, 0, p.terminate(), p.logged())
		require.NotContains(t, p.logged(), `"level":"WARN"`, p.name)
		require.NotContains(t, p.logged(), `"level":"ERROR"`, p.name)
		require.NotContains(t, p.logged(), testenv.MinIOSecretKey, p.name)
	}
}

// Where browsers reach the store, the API sends them there with an address that is
// good for one file, and goes on asking who they are.
func TestDownloadsAreRedirected(t *testing.T) {
	t.Parallel()
	public := testenv.StartProxy(t, "tcp", testenv.SharedMinIO(t).Addr())
	env := append(servers(t), "S3_PUBLIC_ENDPOINT=http://"+public.Addr())
	all := fleet(t, env, "api", "worker")
	v := newVisitor(t)
	code, j := v.generate(all[0], `{"prompt":"kick","seed":1}`, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code)
	address := all[0].url + *j.Sounds[0].DownloadURL
	require.Zero(t, public.Connections())
	file, err := os.ReadFile(v.download(all[0], *j.Sounds[0].DownloadURL)) // follows
	require.NoError(t, err)
	require.Positive(t, public.Connections(), "the file came from the store")
	offline := filepath.Join(t.TempDir(), "a.wav")
	exit, said := patchlab(t, "render", "kick", "--seed", "1", "-o", offline)
	require.Equal(t, 0, exit, said)
	want, err := os.ReadFile(offline)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, file))

	once := func(client *http.Client, method string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		here := *client
		here.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := here.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	res := once(v.client, http.MethodGet)
	require.Equal(t, http.StatusFound, res.StatusCode)
	require.Equal(t, "private, no-store", res.Header.Get("Cache-Control"))
	at, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, public.Addr(), at.Host)
	require.Equal(t, "60", at.Query().Get("X-Amz-Expires"))
	require.Contains(t, at.Query().Get("response-content-disposition"), "attachment; filename=")
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "media-src 'self' blob: http://"+public.Addr())
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "connect-src 'self' http://"+public.Addr())

	head := once(v.client, http.MethodHead)
	require.Equal(t, http.StatusOK, head.StatusCode, "a signed address is good for GET only")
	require.EqualValues(t, len(file), head.ContentLength)
	require.NotEmpty(t, head.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, once(v.client, http.MethodGet, "If-None-Match", head.Header.Get("ETag")).StatusCode)
	require.Equal(t, http.StatusNotFound, once(newVisitor(t).client, http.MethodGet).StatusCode, "a stranger")
	require.NotContains(t, all[0].logged(), "X-Amz-Signature")
}

// What `make up` runs: everything starts, works, and is gone after Ctrl-C.
func TestUp(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program("up"), "-bin="+bin, "-addr=127.0.0.1:0", "-apis=2", "-workers=2")
	root, err := filepath.Abs("../..") // where scripts/tool.sh is
	require.NoError(t, err)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "DATA_DIR="+t.TempDir())
	var said, logs bytes.Buffer
	cmd.Stderr = &logs
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	var urls []string
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		var name, address string
		var pid int
		if n, _ := fmt.Sscanf(lines.Text(), " %s %s (pid %d)", &name, &address, &pid); n == 3 {
			urls, pids = append(urls, address), append(pids, pid)
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			break
		}
	}
	require.Len(t, pids, 5, "%s\n%s", &said, &logs)
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "S3_ENDPOINT"} {
		require.Contains(t, said.String(), name)
	}
	v := newVisitor(t)
	code, j := v.generate(&process{t: t, url: urls[0]}, `{"prompt":"kick","seed":1}`, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code)
	v.download(&process{t: t, url: urls[1]}, *j.Sounds[0].DownloadURL)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "%s", &logs)
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d is still there", pid)
	}
	for name := range strings.FieldsSeq(said.String()) {
		if dir, ok := strings.CutPrefix(name, "unix://"); ok {
			require.NoDirExists(t, filepath.Dir(dir))
		}
	}
}

// event is what tests read of a message of the live API.
type event struct {
	Type string
	Job  *job
}

// dial opens a socket as the visitor.
func (v *visitor) dial(p *process) *websocket.Conn {
	v.t.Helper()
	u, err := url.Parse(p.url)
	require.NoError(v.t, err)
	d := websocket.Dialer{Jar: v.client.Jar, HandshakeTimeout: 10 * time.Second}
	conn, res, err := d.DialContext(v.t.Context(), "ws://"+u.Host+"/v1/ws", nil)
	require.NoError(v.t, err)
	require.NoError(v.t, res.Body.Close())
	v.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// watch subscribes to a job and returns its messages until one of the types.
func watch(t *testing.T, conn *websocket.Conn, id string, until ...string) (seen []event) {
	t.Helper()
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "subscribe", "job_id": id}))
	return follow(t, conn, until...)
}

func follow(t *testing.T, conn *websocket.Conn, until ...string) (seen []event) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(60*time.Second)))
	for {
		var e event
		require.NoError(t, conn.ReadJSON(&e), "after %v", seen)
		seen = append(seen, e)
		if slices.Contains(until, e.Type) {
			return seen
		}
	}
}

func TestAReplicaServesTheWorkOfTheOther(t *testing.T) {
	t.Parallel()
	env := append(servers(t), "RENDER_MAX_SPEED=2")
	all := fleet(t, env, "api", "api", "worker")
	a, b := all[0], all[1]
	v := newVisitor(t)
	get1, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/v1/sounds", nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, v.do(get1, new(any)))

	// Accepted by b, watched at a, to the end.
	code, j := v.generate(b, `{"prompt":"dark pad","seed":7,"duration":3}`)
	require.Equal(t, http.StatusAccepted, code)
	seen := watch(t, v.dial(a), j.ID, "complete")
	require.Equal(t, "snapshot", seen[0].Type)
	types := map[string]bool{}
	for _, e := range seen {
		types[e.Type] = true
	}
	require.True(t, types["progress"] && types["waveform"] && types["take"], "%v", types)
	last := seen[len(seen)-1]
	require.Equal(t, "succeeded", last.Job.State)
	require.NotNil(t, last.Job.Sounds[0].DownloadURL)

	// Watched at a, which dies; the client goes on at b.
	code, j = v.generate(b, `{"prompt":"dark pad","seed":8,"duration":6}`)
	require.Equal(t, http.StatusAccepted, code)
	conn := v.dial(a)
	watch(t, conn, j.ID, "progress")
	a.kill()
	_, _, err = conn.ReadMessage()
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	seen = watch(t, v.dial(b), j.ID, "complete")
	require.Equal(t, "snapshot", seen[0].Type)
	require.Equal(t, "succeeded", seen[len(seen)-1].Job.State)

	// The same as Server-Sent Events: what a told of the version, b understands.
	a = launch(t, "api", nil, env...).await()
	code, j = v.generate(a, `{"prompt":"dark pad","seed":9,"duration":3}`)
	require.Equal(t, http.StatusAccepted, code)
	id := v.lastEvent(a, j.ID, "", 1)
	require.NotEmpty(t, id)
	require.NotEmpty(t, v.lastEvent(b, j.ID, id, 0), "b goes on where a stopped")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/v1/jobs/"+j.ID+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", v.lastEvent(b, j.ID, "", 0))
	res, err := v.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusNoContent, res.StatusCode, "a knows that the client had the end from b")
}

// lastEvent reads a job's events, so many that have an id (0 = until the stream
// ends), and returns the last id.
func (v *visitor) lastEvent(p *process, id, after string, most int) string {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, p.url+"/v1/jobs/"+id+"/events", nil)
	require.NoError(v.t, err)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(v.t, http.StatusOK, res.StatusCode)
	last, n := "", 0
	buf := &bytes.Buffer{}
	for piece := make([]byte, 4096); ; {
		k, err := res.Body.Read(piece)
		buf.Write(piece[:k])
		for line := range strings.SplitSeq(buf.String(), "\n") {
			if id, ok := strings.CutPrefix(line, "id: "); ok && id != last {
				last = id
				n++
			}
		}
		if err != nil || most > 0 && n >= most {
			return last
		}
	}
}

func TestSeparateProcessesNeedWhatTheyShare(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"api", "worker", "janitor"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, name, nil)
			require.Equal(t, 1, p.ended())
			require.Contains(t, p.logged(), "DATABASE_URL is not set")
			require.Contains(t, p.logged(), "REDIS_URL is not set")

			p = launch(t, name, nil, environment("postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable",
				"redis://:hunter2@127.0.0.1:1/0", "http://127.0.0.1:1", "bucket")...)
			require.Equal(t, 1, p.ended())
			for _, want := range []string{"check DATABASE_URL", "check REDIS_URL", "check S3_ENDPOINT", "127.0.0.1:1", "refused"} {
				require.Contains(t, p.logged(), want)
			}
			require.NotContains(t, p.logged(), "hunter2")
			require.NotContains(t, p.logged(), testenv.MinIOSecretKey)
		})
	}
}

// Redis behind TLS, with a certificate of a private CA, and a user that may do no
// more than it has to.
func TestRedisWithTLSAndAUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	users := filepath.Join(dir, "users.acl")
	require.NoError(t, os.WriteFile(users, []byte("user default off\nuser patchlab on >secret-word ~* &* +@all -@admin -@dangerous +info\n"), 0o600))
	testenv.StartRedis(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no", "--aclfile", users)
	env := append(environment(dbtest.EmptyPostgresURL(t), "rediss://patchlab:secret-word@"+addr+"/0",
		testenv.SharedMinIO(t).Endpoint(), backing.Bucket(t, testenv.SharedMinIO(t)).Bucket), "SSL_CERT_FILE="+cert)
	all := fleet(t, env, "api", "worker", "janitor")
	v := newVisitor(t)
	code, j := v.generate(all[0], `{"prompt":"kick","seed":1}`, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code, all[0].logged())
	seen := watch(t, v.dial(all[0]), j.ID, "complete")
	require.Equal(t, "succeeded", seen[len(seen)-1].Job.State)
	for _, p := range all {
		require.Equal(t, 0, p.terminate(), p.logged())
		require.NotContains(t, p.logged(), `"level":"WARN"`, p.name)
		require.NotContains(t, p.logged(), "secret-word", p.name)
	}

	for name, tt := range map[string]struct{ url, want string }{
		"unknown CA":     {"rediss://patchlab:secret-word@" + addr + "/0", "certificate"},
		"wrong password": {"rediss://patchlab:wrong-word@" + addr + "/0", "WRONGPASS"},
		"no TLS":         {"redis://patchlab:secret-word@" + addr + "/0", "check REDIS_URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong := append(append([]string{}, env...), "REDIS_URL="+tt.url)
			if name == "unknown CA" {
				wrong = append(wrong, "SSL_CERT_FILE=/dev/null")
			}
			p := launch(t, "api", nil, wrong...)
			require.Equal(t, 1, p.ended())
			require.Contains(t, p.logged(), tt.want)
			require.NotContains(t, p.logged(), "secret-word")
			require.NotContains(t, p.logged(), "wrong-word")
		})
	}
}

// certificate makes a certificate for 127.0.0.1 that is its own CA.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	require.NoError(t, err)
	pk, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}), 0o600))
	return cert, key
}

// problem is an answer of the API to a request that it cannot serve.
type problem struct {
	status int
	after  string // Retry-After
	took   time.Duration
	code   string
}

// ask sends a request that is expected to be answered in time.
func (v *visitor) ask(method, address, body string) problem {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(body))
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Requested-With", "patchlab")
	began := time.Now()
	res, err := v.client.Do(req)
	require.NoError(v.t, err)
	data, err := io.ReadAll(res.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, res.Body.Close())
	var doc struct{ Code string }
	_ = json.Unmarshal(data, &doc) // a file is none
	return problem{status: res.StatusCode, after: res.Header.Get("Retry-After"), took: time.Since(began), code: doc.Code}
}

// down asks for health and returns the names of the parts that are down.
func (v *visitor) down(p *process) (names []string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, p.url+"/api/health", nil)
	require.NoError(v.t, err)
	var report struct {
		Parts map[string]struct{ Status string }
	}
	began := time.Now()
	v.do(req, &report)
	require.Less(v.t, time.Since(began), 4*time.Second, "health answers in time")
	require.Len(v.t, report.Parts, 3)
	for name, part := range report.Parts {
		if part.Status != "ok" {
			names = append(names, name)
		}
	}
	return names
}

// Each server in turn is cut off, falls silent and is slow, behind a proxy.
func TestFaultsOfTheNetwork(t *testing.T) {
	t.Parallel()
	redis, minio := testenv.StartRedis(t), testenv.SharedMinIO(t)
	pg := testenv.StartProxy(t, "unix", testenv.SharedPostgres(t).Socket())
	rd := testenv.StartProxy(t, "unix", redis.Socket())
	s3 := testenv.StartProxy(t, "tcp", minio.Addr())
	env := environment(dbtest.Through(t, dbtest.EmptyPostgresURL(t), pg.Addr()), "redis://"+rd.Addr()+"/0",
		"http://"+s3.Addr(), backing.Bucket(t, minio).Bucket)
	all := fleet(t, env, "api", "worker")
	api := all[0]
	v := newVisitor(t)
	seed := 0
	fresh := func() string {
		seed++
		return `{"prompt":"kick","duration":0.2,"seed":` + big.NewInt(int64(seed)).String() + `}`
	}
	code, j := v.generate(api, fresh(), "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, code, api.logged())
	download := api.url + *j.Sounds[0].DownloadURL

	unavailable := func(where string, got problem, most time.Duration) {
		t.Helper()
		assert.Equal(t, http.StatusServiceUnavailable, got.status, where)
		assert.Equal(t, "unavailable", got.code, where)
		assert.NotEmpty(t, got.after, where)
		assert.Less(t, got.took, most, where)
		t.Logf("%s: %d after %v", where, got.status, got.took.Round(time.Millisecond))
	}
	well := func(where string) {
		t.Helper()
		require.Eventually(t, func() bool { return v.down(api) == nil }, 30*time.Second, 100*time.Millisecond, "%s: %s", where, api.logged())
		began := time.Now()
		require.Eventually(t, func() bool {
			code, j := v.generate(api, fresh(), "Prefer", "wait=20")
			return code == http.StatusCreated && v.ask(http.MethodGet, api.url+*j.Sounds[0].DownloadURL, "").status == http.StatusOK
		}, 60*time.Second, 100*time.Millisecond, "%s: %s\n%s", where, api.logged(), all[1].logged())
		t.Logf("%s: healed, a sound after %v", where, time.Since(began).Round(time.Millisecond))
	}
	const bound = 16 * time.Second

	for fault, set := range map[string]func(*testenv.Proxy){"cut": (*testenv.Proxy).Cut, "silent": (*testenv.Proxy).Stall} {
		set(pg)
		require.Equal(t, []string{"database"}, v.down(api), fault)
		unavailable(fault+" PostgreSQL, generate", v.ask(http.MethodPost, api.url+"/v1/sounds/generate", fresh()), bound)
		unavailable(fault+" PostgreSQL, list", v.ask(http.MethodGet, api.url+"/v1/sounds", ""), bound)
		unavailable(fault+" PostgreSQL, download", v.ask(http.MethodGet, download, ""), bound)
		code, text := get(t, api.url+"/metrics")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, text, "patchlab_queue_up 0")
		pg.Heal()
		well(fault + " PostgreSQL")

		set(rd)
		require.Equal(t, []string{"redis"}, v.down(api), fault)
		got := v.ask(http.MethodPost, api.url+"/v1/sounds/generate", fresh())
		assert.Equal(t, http.StatusAccepted, got.status, "%s Redis: what is asked for is accepted all the same", fault)
		assert.Less(t, got.took, bound)
		assert.Equal(t, http.StatusOK, v.ask(http.MethodGet, download, "").status)
		t.Logf("%s Redis, generate: %d after %v", fault, got.status, got.took.Round(time.Millisecond))
		rd.Heal()
		well(fault + " Redis")

		set(s3)
		require.Equal(t, []string{"storage"}, v.down(api), fault)
		unavailable(fault+" S3, download", v.ask(http.MethodGet, download, ""), bound)
		accepted, j := v.generate(api, fresh()) // rendered now, stored when it can be
		require.Equal(t, http.StatusAccepted, accepted)
		s3.Heal()
		well(fault + " S3")
		require.Equal(t, "succeeded", v.finished(api, j.ID).State)
	}
	for name, p := range map[string]*testenv.Proxy{"PostgreSQL": pg, "Redis": rd, "S3": s3} {
		p.Delay(100 * time.Millisecond)
		well("slow " + name)
		p.Heal()
	}
	pg.Throttle(20_000)
	s3.Throttle(100_000)
	well("narrow")
}
