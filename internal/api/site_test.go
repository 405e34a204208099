package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/limit"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

func TestBrowserApp(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.nobody(t)
		index := v.get("/").is(http.StatusOK)
		require.Equal(t, "text/html; charset=utf-8", index.header.Get("Content-Type"))
		require.Contains(t, index.header.Get("Cache-Control"), "no-cache")
		require.Contains(t, index.header.Get("Cache-Control"), "private", "it sets a cookie")
		cookie, err := http.ParseSetCookie(index.header.Get("Set-Cookie"))
		require.NoError(t, err)
		require.True(t, cookie.HttpOnly)
		require.False(t, cookie.Secure, "people come by http")
		require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
		require.Equal(t, "/", cookie.Path)
		require.Empty(t, v.get("/", "Cookie", cookie.Name+"="+cookie.Value).header.Get("Set-Cookie"), "a visitor keeps the cookie")
		require.NotEmpty(t, v.get("/", "Cookie", cookie.Name+"=rubbish").header.Get("Set-Cookie"))

		for _, path := range []string{"/library", "/sounds/" + uuid.NewString(), "/library/", "/a/b/c", "/v1x", "/apifoo", "/assets"} {
			require.Equal(t, index.body, v.get(path).is(http.StatusOK).body, path)
		}
		v.do(http.MethodHead, "/library", nil).is(http.StatusOK)
		script := v.get("/assets/app-123.js").is(http.StatusOK)
		require.Equal(t, "public, max-age=31536000, immutable", script.header.Get("Cache-Control"))
		require.Contains(t, script.header.Get("Content-Type"), "javascript")
		require.Empty(t, script.header.Values("Set-Cookie"), "what is public sets no cookie")
		v.do(http.MethodHead, "/assets/app-123.js", nil).is(http.StatusOK)
		icon := v.get("/favicon.svg").is(http.StatusOK)
		require.Equal(t, "image/svg+xml", icon.header.Get("Content-Type"))
		require.Equal(t, "public, max-age=300", icon.header.Get("Cache-Control"))
		for _, path := range []string{
			"/assets/gone.js", "/assets/", "/gone.png", "/robots.txt", "/assets/../../etc/passwd", "/../favicon.svg", "/x/..%2ffavicon.svg",
			"/assets%2f..%2findex.html", "/.env", "/assets/..", "/pages/nested/y.txt",
		} {
			v.get(path).fails(http.StatusNotFound, model.CodeNotFound)
		}
		require.Equal(t, index.body, v.get("/pages/nested").is(http.StatusOK).body, "a folder is no file")
		v.get("/index.html").is(http.StatusMovedPermanently)

		csp := index.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			require.Contains(t, csp, part)
		}
		require.NotContains(t, csp, "unsafe")
		require.Equal(t, "same-origin", index.header.Get("Cross-Origin-Opener-Policy"))
	})
}

func TestCookiesAreSecureByHTTPS(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{change: func(o *api.Options) { o.PublicURL = "https://patchlab.example" }})
		cookie, err := http.ParseSetCookie(p.nobody(t).get("/").header.Get("Set-Cookie"))
		require.NoError(t, err)
		require.True(t, cookie.Secure)
	})
}

func TestAppThatWasNotBuilt(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		for name, s := range map[string]setup{
			"told":  {change: func(o *api.Options) { o.WebBuilt = false }},
			"found": {web: fstest.MapFS{".gitkeep": {}}},
		} {
			p := start(t, on, s)
			a := p.nobody(t).get("/").is(http.StatusServiceUnavailable)
			require.Contains(t, string(a.body), "make build", name)
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		}
	})
}

func TestDocs(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.nobody(t)
		a := v.get("/docs").is(http.StatusOK)
		page := string(a.body)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
		require.NotContains(t, a.header.Get("Content-Security-Policy"), "script-src")
		for path, item := range p.doc.Paths.Map() {
			for method := range item.Operations() {
				require.Contains(t, page, method+" "+path)
			}
		}
		// Where the type of a problem leads.
		for _, code := range []model.Code{model.CodeInvalid, model.CodeNotReady, model.CodeGone, model.CodeRateLimited, model.CodeRange} {
			require.Contains(t, page, `id="`+string(code)+`"`)
		}
		// What an operation refers to is shown as well.
		require.Contains(t, page, "X-Requested-With (header")
		require.Contains(t, page, `Body: <a href="#GenerateRequest">`)
		v.do(http.MethodHead, "/docs", nil).is(http.StatusOK)
		v.get("/docs?x=1").fails(http.StatusUnprocessableEntity, model.CodeInvalid, "x")
		json := v.get("/v1/openapi.json").is(http.StatusOK)
		require.Equal(t, "public, max-age=300", json.header.Get("Cache-Control"))
		served, err := openapi3.NewLoader().LoadFromData(json.body)
		require.NoError(t, err)
		require.NoError(t, served.Validate(t.Context()))
		require.Equal(t, p.doc.Paths.Len(), served.Paths.Len())
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{limits: limit.Config{Generations: 2, Requests: 10}})
		v := p.nobody(t)
		first := v.get("/v1/sounds").is(http.StatusOK)
		require.Equal(t, "10", first.header.Get("RateLimit-Limit"))
		require.Equal(t, "9", first.header.Get("RateLimit-Remaining"))
		require.NotEmpty(t, first.header.Get("RateLimit-Reset"))
		cookie, err := http.ParseSetCookie(first.header.Get("Set-Cookie"))
		require.NoError(t, err)
		mine := []string{"Cookie", cookie.Name + "=" + cookie.Value}

		for range 2 {
			v.generate(short, mine...).is(http.StatusAccepted)
		}
		rows := p.rows(t)
		a := v.generate(short, mine...).fails(http.StatusTooManyRequests, model.CodeRateLimited)
		require.Equal(t, "2", a.header.Get("RateLimit-Limit"))
		require.Equal(t, "0", a.header.Get("RateLimit-Remaining"))
		require.NotEmpty(t, a.header.Get("Retry-After"))
		v.vary(uuid.NewString(), `{}`, mine...).fails(http.StatusTooManyRequests, model.CodeRateLimited)
		require.Equal(t, rows, p.rows(t), "something was written")

		// A socket counts in the same bucket, and slows down those who ask too much.
		conn, res, err := v.tryDial(http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}})
		require.NoError(t, err)
		s := &socket{t: t, plant: p, conn: conn, response: res}
		defer func() { require.NoError(t, conn.Close()) }()
		s.send(`{"type":"generate","request_id":"a","prompt":"kick"}`)
		m := s.next()
		require.Equal(t, "rate_limited", m.Problem.Code)
		require.Equal(t, "a", m.RequestID)
		begin := time.Now()
		for range 10 { // eight or so are left of the minute's requests
			s.send(`{"type":"subscribe","job_id":"` + uuid.NewString() + `"}`)
			require.Equal(t, "not_found", s.next().Problem.Code)
		}
		require.Greater(t, time.Since(begin), time.Second)
		v.get("/v1/sounds").fails(http.StatusTooManyRequests, model.CodeRateLimited)
		v.get("/v1/interpret?prompt=kick").is(http.StatusOK)
		v.get("/api/health").is(http.StatusOK)
		v.get("/assets/app-123.js").is(http.StatusOK)
	})
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.nobody(t)
		require.Equal(t, "abcDEF_-123", v.get("/api/health", "X-Request-Id", "abcDEF_-123").header.Get("X-Request-Id"))
		for _, bad := range []string{"short", strings.Repeat("x", 65), "with space", `quo"te-and-more`, "ümlaut-long-enough"} {
			require.NotEqual(t, bad, v.get("/api/health", "X-Request-Id", bad).header.Get("X-Request-Id"))
		}
		first := v.get("/").header.Get("X-Request-Id")
		require.NotEqual(t, first, v.get("/").header.Get("X-Request-Id"))
		v.get("/v1/interpret?prompt=secret+words", "X-Request-Id", "find-me-again")
		require.Contains(t, p.log.String(), `"request_id":"find-me-again"`)
		require.NotContains(t, p.log.String(), "secret", "people's words are not logged")
		require.NotContains(t, p.log.String(), "patchlab_anon", "nor their cookies")
	})
}

// brokenFarm fails as nothing should.
type brokenFarm struct{ api.Farm }

func (brokenFarm) Job(_ context.Context, _ model.Caller, id uuid.UUID) (model.Job, error) {
	if id == uuid.Nil {
		return model.Job{}, errors.New("password=hunter2 leaked")
	}
	panic("password=hunter2 leaked")
}

func (f brokenFarm) JobHead(ctx context.Context, who model.Caller, id uuid.UUID) (model.Job, error) {
	return f.Job(ctx, who, id)
}

func TestOurFaultsShowNothing(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{change: func(o *api.Options) { o.Farm = brokenFarm{o.Farm} }})
		v := p.visitor(t)
		for _, id := range []uuid.UUID{uuid.Nil, uuid.New()} {
			a := v.get("/v1/jobs/"+id.String()).fails(http.StatusInternalServerError, model.CodeInternal)
			require.NotContains(t, string(a.body), "hunter2")
			require.Contains(t, p.log.String(), a.header.Get("X-Request-Id"))
		}
		require.Contains(t, p.log.String(), "hunter2 leaked", "the log says what it was")
		s := v.dial(t)
		s.send(`{"type":"subscribe","job_id":"` + uuid.Nil.String() + `"}`)
		m := s.next()
		require.Equal(t, http.StatusInternalServerError, m.Problem.Status)
		require.NotContains(t, m.Problem.Detail, "hunter2")
		// A panic ends this socket and no more.
		s.send(`{"type":"subscribe","job_id":"` + uuid.NewString() + `"}`)
		_, _, err := s.conn.ReadMessage()
		require.Error(t, err)
		v.get("/api/health").is(http.StatusOK)
	})
}

// TestHalfAnAnswerIsCut: where a handler panics after its first bytes, the client
// must see that the rest is missing.
func TestHalfAnAnswerIsCut(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1, change: func(o *api.Options) { o.Blobs = brokenBlobs{o.Blobs} }})
		v := p.visitor(t)
		s := v.rendered()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+*s.DownloadURL, nil)
		require.NoError(t, err)
		res, err := v.client.Do(req)
		if err == nil { // else it was cut before the headers left
			_, err = io.ReadAll(res.Body)
			require.NoError(t, res.Body.Close())
		}
		require.Error(t, err)
		v.get("/api/health").is(http.StatusOK)
	})
}

func TestForwardedAddresses(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		for name, c := range map[string]struct {
			proxies []string
			second  int
		}{
			"a proxy that is trusted tells who it is": {[]string{"127.0.0.1"}, http.StatusOK},
			"others are not believed":                 {nil, http.StatusTooManyRequests},
		} {
			p := start(t, on, setup{limits: limit.Config{Generations: 1, Requests: 1}, change: func(o *api.Options) { o.TrustedProxies = c.proxies }})
			v := p.nobody(t)
			v.get("/v1/sounds", "X-Forwarded-For", "192.0.2.1").is(http.StatusOK)
			require.Equal(t, c.second, v.get("/v1/sounds", "X-Forwarded-For", "192.0.2.2").status, name)
		}
	})
}

// TestMetrics: what requests, renders and watchers leave in /metrics.
func TestMetrics(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		v := p.visitor(t)
		s := v.rendered()
		v.generate(short, "Prefer", "wait=30").is(http.StatusCreated) // the same recipe again
		socket := v.dial(t)
		v.do("HACK", "/v1/sounds/"+s.ID, nil)
		v.get("/etc/passwd")
		lines := []string{
			`patchlab_http_requests_total{method="POST",route="/v1/sounds/generate",status="201"} 2`,
			`patchlab_live_clients{transport="websocket"} 1`,
			`patchlab_attempts_total{outcome="rendered"} 1`,
			`patchlab_attempts_total{outcome="reused"} 1`,
			`patchlab_task_pickup_seconds_count{lane="interactive"} 2`,
			`patchlab_task_wait_seconds_count{lane="interactive"} 2`,
			"patchlab_render_seconds_count 1",
			"patchlab_audio_seconds_total 0.1",
			`patchlab_queue_depth{lane="interactive",state="waiting"} 0`,
			"patchlab_queue_up 1",
			`patchlab_http_requests_total{method="other",route="other",status="405"} 1`,
		}
		var text, missing string
		require.Eventually(t, func() bool { // a worker counts after the job is seen to be final
			text, missing = string(v.get("/metrics").is(http.StatusOK).body), ""
			for _, line := range lines {
				if !strings.Contains(text, line+"\n") {
					missing += line + "\n"
				}
			}
			return missing == ""
		}, 10*time.Second, 50*time.Millisecond, "missing:\n%s%s", missing, text)
		require.NotContains(t, text, s.ID)
		require.NotContains(t, text, "passwd")
		require.NotContains(t, text, "HACK")
		socket.close()
		require.Eventually(t, func() bool {
			return strings.Contains(string(v.get("/metrics").body), `patchlab_live_clients{transport="websocket"} 0`)
		}, 5*time.Second, 20*time.Millisecond)
	})
}

// TestMetricsOfAQueueThatWaits: without a worker the work stays where it is.
func TestMetricsOfAQueueThatWaits(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		v.generate(`{"prompt":"kick","variations":3}`).is(http.StatusAccepted)
		text := string(v.get("/metrics").is(http.StatusOK).body)
		require.Regexp(t, `patchlab_queue_depth\{lane="interactive",state="(waiting|released)"\} 3\n`, text)
		require.Contains(t, text, `patchlab_queue_depth{lane="interactive",state="running"} 0`)
		require.Regexp(t, `patchlab_queue_oldest_wait_seconds\{lane="interactive"\} [0-9.e-]*[1-9]`, text)
	})
}
