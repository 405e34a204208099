package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

// TestBadRequests posts what must not be accepted: the right status, a problem
// that names the field, and nothing written.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		before := p.rows(t)
		prompt := func(s string) string { return fmt.Sprintf(`{"prompt":%q}`, s) }
		with := func(fields string) string { return `{"prompt":"kick",` + fields + `}` }
		const bad, invalid = http.StatusBadRequest, http.StatusUnprocessableEntity

		for name, c := range map[string]struct {
			body   string
			status int
			code   model.Code
			fields []string
		}{
			"prompt of 0 characters":   {prompt(""), invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt of spaces":         {prompt("  "), invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt of 501 characters": {prompt(strings.Repeat("ä", 501)), invalid, model.CodeInvalid, []string{"prompt"}},
			"missing prompt":           {`{}`, invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt is null":           {`{"prompt":null}`, invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt is a number":       {`{"prompt":5}`, invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt is a list":         {`{"prompt":["kick"]}`, invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt with a bell":       {`{"prompt":"kick\u0007"}`, invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt of bad UTF-8":      {"{\"prompt\":\"kick \xff\xfe\"}", invalid, model.CodeInvalid, []string{"prompt"}},
			"prompt cut in a rune":     {"{\"prompt\":\"kick \xc3\"}", invalid, model.CodeInvalid, []string{"prompt"}},
			"9 variations":             {with(`"variations":9`), invalid, model.CodeInvalid, []string{"variations"}},
			"0 variations":             {with(`"variations":0`), invalid, model.CodeInvalid, []string{"variations"}},
			"-1 variations":            {with(`"variations":-1`), invalid, model.CodeInvalid, []string{"variations"}},
			"1.5 variations":           {with(`"variations":1.5`), invalid, model.CodeInvalid, []string{"variations"}},
			"1e300 variations":         {with(`"variations":1e300`), invalid, model.CodeInvalid, []string{"variations"}},
			"variations as a text":     {with(`"variations":"2"`), invalid, model.CodeInvalid, []string{"variations"}},
			"31 s":                     {with(`"duration":31`), invalid, model.CodeInvalid, []string{"duration"}},
			"0.01 s":                   {with(`"duration":0.01`), invalid, model.CodeInvalid, []string{"duration"}},
			"0 s":                      {with(`"duration":0`), invalid, model.CodeInvalid, []string{"duration"}},
			"-1 s":                     {with(`"duration":-1`), invalid, model.CodeInvalid, []string{"duration"}},
			"NaN s":                    {with(`"duration":NaN`), bad, model.CodeBadRequest, nil},
			"NaN s as a text":          {with(`"duration":"NaN"`), invalid, model.CodeInvalid, []string{"duration"}},
			"1e999 s":                  {with(`"duration":1e999`), invalid, model.CodeInvalid, []string{"duration"}},
			"true s":                   {with(`"duration":true`), invalid, model.CodeInvalid, []string{"duration"}},
			"too many samples":         {with(`"variations":8,"duration":30,"sample_rate":96000,"channels":2`), invalid, model.CodeInvalid, []string{"variations"}},
			"odd sample rate":          {with(`"sample_rate":44000`), invalid, model.CodeInvalid, []string{"sample_rate"}},
			"broken sample rate":       {with(`"sample_rate":48000.5`), invalid, model.CodeInvalid, []string{"sample_rate"}},
			"bit depth 8":              {with(`"bit_depth":8`), invalid, model.CodeInvalid, []string{"bit_depth"}},
			"3 channels":               {with(`"channels":3`), invalid, model.CodeInvalid, []string{"channels"}},
			"0 channels":               {with(`"channels":0`), invalid, model.CodeInvalid, []string{"channels"}},
			"seed -1":                  {with(`"seed":-1`), invalid, model.CodeInvalid, []string{"seed"}},
			"seed 1.5":                 {with(`"seed":1.5`), invalid, model.CodeInvalid, []string{"seed"}},
			"seed 2^32":                {with(`"seed":4294967296`), invalid, model.CodeInvalid, []string{"seed"}},
			"several at once": {
				with(`"seed":-1,"duration":"long","colour":"red","bit_depth":"x"`), invalid, model.CodeInvalid,
				[]string{"bit_depth", "colour", "duration", "seed"},
			},
			"several of the farm's": {
				`{"prompt":"","variations":9,"duration":31,"channels":3}`, invalid, model.CodeInvalid,
				[]string{"variations", "prompt", "duration", "channels"},
			},
			"broken JSON":           {`{"prompt":"kick"`, bad, model.CodeBadRequest, nil},
			"broken in the middle":  {`{"prompt" "kick"}`, bad, model.CodeBadRequest, nil},
			"single quotes":         {`{'prompt':'kick'}`, bad, model.CodeBadRequest, nil},
			"an open text":          {`{"prompt":"kick`, bad, model.CodeBadRequest, nil},
			"a comma too many":      {`{"prompt":"kick",}`, bad, model.CodeBadRequest, nil},
			"empty body":            {``, bad, model.CodeBadRequest, nil},
			"spaces":                {`   `, bad, model.CodeBadRequest, nil},
			"array body":            {`[{"prompt":"kick"}]`, bad, model.CodeBadRequest, nil},
			"text body":             {`"kick"`, bad, model.CodeBadRequest, nil},
			"null body":             {`null`, bad, model.CodeBadRequest, nil},
			"deep nesting":          {`{"prompt":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, bad, model.CodeBadRequest, nil},
			"trailing garbage":      {`{"prompt":"kick"} x`, bad, model.CodeBadRequest, nil},
			"two objects":           {`{"prompt":"kick"}{"prompt":"kick"}`, bad, model.CodeBadRequest, nil},
			"unknown field":         {with(`"colour":"red"`), invalid, model.CodeInvalid, []string{"colour"}},
			"field of another case": {`{"Prompt":"kick"}`, invalid, model.CodeInvalid, []string{"Prompt"}},
			"unknown field, long":   {with(`"` + strings.Repeat("x", 5000) + `":1`), invalid, model.CodeInvalid, []string{strings.Repeat("x", 60) + "…"}},
			"duplicate field":       {`{"prompt":"kick","seed":1,"seed":2}`, invalid, model.CodeInvalid, []string{"seed"}},
			"duplicate, escaped":    {`{"prompt":"kick","see\u0064":1,"seed":2}`, invalid, model.CodeInvalid, []string{"seed"}},
			"duplicate override": {
				with(`"overrides":{"layers.0.filter.cutoff":800,"layers.0.filter.cutoff":900}`), invalid, model.CodeInvalid,
				[]string{"overrides.layers.0.filter.cutoff"},
			},
			"overrides as a list":   {with(`"overrides":[1]`), invalid, model.CodeInvalid, []string{"overrides"}},
			"overrides as a number": {with(`"overrides":1`), invalid, model.CodeInvalid, []string{"overrides"}},
			"unknown override":      {with(`"overrides":{"layers.0.filter.colour":1}`), invalid, model.CodeInvalid, []string{"overrides.layers.0.filter.colour"}},
			"override of no layer":  {with(`"overrides":{"layers.9.filter.cutoff":800}`), invalid, model.CodeInvalid, []string{"overrides.layers.9.filter.cutoff"}},
			"override out of range": {with(`"overrides":{"layers.0.filter.cutoff":1e9}`), invalid, model.CodeInvalid, []string{"overrides.layers.0.filter.cutoff"}},
			"override of a type":    {with(`"overrides":{"layers.0.filter.cutoff":"high"}`), invalid, model.CodeInvalid, []string{"overrides.layers.0.filter.cutoff"}},
			"override is null":      {with(`"overrides":{"layers.0.filter.cutoff":null}`), invalid, model.CodeInvalid, []string{"overrides.layers.0.filter.cutoff"}},
			"too many overrides":    {with(`"overrides":{` + manyOverrides(201) + `}`), invalid, model.CodeInvalid, []string{"overrides"}},
			"64 KiB and one byte":   {`{"prompt":"kick"}` + strings.Repeat(" ", 64<<10-16), http.StatusRequestEntityTooLarge, model.CodeTooLarge, nil},
		} {
			t.Run(name, func(t *testing.T) {
				a := v.as(t).generate(c.body).fails(c.status, c.code, c.fields...)
				for _, e := range a.problem().Errors {
					require.NotContains(t, e.Message, "2147483", "a bound that says nothing")
				}
				require.Equal(t, before, p.rows(t), "something was written")
			})
		}
		t.Run("64 KiB are not too many", func(t *testing.T) {
			v.as(t).generate(short + strings.Repeat(" ", 64<<10-len(short))).is(http.StatusAccepted)
		})
	})
}

func manyOverrides(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"x%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestBadHeaders sends good bodies with headers that are wrong.
func TestBadHeaders(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		before := p.rows(t)
		for name, c := range map[string]struct {
			header []string
			status int
			code   model.Code
			fields []string
		}{
			"no content type":     {[]string{"Content-Type", ""}, 415, model.CodeUnsupported, nil},
			"a form":              {[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415, model.CodeUnsupported, nil},
			"plain text":          {[]string{"Content-Type", "text/plain"}, 415, model.CodeUnsupported, nil},
			"a broken type":       {[]string{"Content-Type", "application/json; ;"}, 415, model.CodeUnsupported, nil},
			"gzip":                {[]string{"Content-Encoding", "gzip"}, 415, model.CodeUnsupported, nil},
			"a key with a space":  {[]string{"Idempotency-Key", "a b"}, 422, model.CodeInvalid, []string{"Idempotency-Key"}},
			"a key beyond ASCII":  {[]string{"Idempotency-Key", "schlüssel"}, 422, model.CodeInvalid, []string{"Idempotency-Key"}},
			"a key of 201":        {[]string{"Idempotency-Key", strings.Repeat("k", 201)}, 422, model.CodeInvalid, []string{"Idempotency-Key"}},
			"no X-Requested-With": {[]string{"X-Requested-With", ""}, 403, model.CodeForbidden, nil},
		} {
			t.Run(name, func(t *testing.T) {
				v.as(t).generate(short, c.header...).fails(c.status, c.code, c.fields...)
				require.Equal(t, before, p.rows(t), "something was written")
			})
		}
		t.Run("two keys", func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/v1/sounds/generate", strings.NewReader(short))
			require.NoError(t, err)
			req.Header = http.Header{"X-Requested-With": {"patchlab"}, "Content-Type": {"application/json"}, "Idempotency-Key": {"a", "b"}}
			v.as(t).send(req).fails(http.StatusUnprocessableEntity, model.CodeInvalid, "Idempotency-Key")
			require.Equal(t, before, p.rows(t), "something was written")
		})
		t.Run("an unknown query parameter", func(t *testing.T) {
			v.as(t).do(http.MethodPost, "/v1/sounds/generate?debug=1", strings.NewReader(short), "X-Requested-With", "patchlab", "Content-Type", "application/json").
				fails(http.StatusUnprocessableEntity, model.CodeInvalid, "debug")
			require.Equal(t, before, p.rows(t), "something was written")
		})
		t.Run("JSON with a character set", func(t *testing.T) {
			v.as(t).generate(short, "Content-Type", "application/json; charset=utf-8").is(http.StatusAccepted)
		})
		for _, prefer := range []string{"wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "respond-async", `;;,="`, "wait=99999999999999999999"} {
			a := v.generate(short, "Prefer", prefer).is(http.StatusAccepted)
			require.Empty(t, a.header.Get("Preference-Applied"), "%s: what makes no sense is ignored, as RFC 7240 asks", prefer)
		}
	})
}

// counting counts what is read of it.
type counting struct {
	r io.Reader
	n atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// TestATenMegabyteBodyIsNotRead sends 10 MB, with its length told and without.
func TestATenMegabyteBodyIsNotRead(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		before := p.rows(t)
		const size = 10 << 20
		head := "POST /v1/sounds/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		for name, length := range map[string]string{
			"with its length": fmt.Sprintf("Content-Length: %d\r\n\r\n", size),
			"in chunks":       fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size),
		} {
			t.Run(name, func(t *testing.T) {
				var d net.Dialer
				conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
				require.NoError(t, err)
				defer func() { _ = conn.Close() }()
				// A small buffer of the kernel's: what the client gets rid of, the server has read.
				require.NoError(t, conn.(*net.TCPConn).SetWriteBuffer(16<<10))
				require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
				body := &counting{r: bytes.NewReader(bytes.Repeat([]byte(" "), size))}
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = io.Copy(conn, io.MultiReader(strings.NewReader(head+length), body)) // breaks off
				}()
				answer := make([]byte, 4<<10)
				n, err := conn.Read(answer)
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(string(answer[:n]), "HTTP/1.1 413 "), "%s", answer[:n])
				require.Contains(t, string(answer[:n]), "Connection: close")
				<-sent
				require.Less(t, body.n.Load(), int64(size), "the rest is not read")
			})
		}
		require.Equal(t, before, p.rows(t), "something was written")
	})
}

// TestASlowBodyIsGivenUp sends a body that never ends.
func TestASlowBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{change: func(o *api.Options) { o.BodyTimeout = 50 * time.Millisecond }})
		before := p.rows(t)
		r, w := io.Pipe()
		defer func() { _ = w.Close() }()
		p.nobody(t).do(http.MethodPost, "/v1/sounds/generate", r, "Content-Type", "application/json").fails(http.StatusBadRequest, model.CodeBadRequest)
		require.Equal(t, before, p.rows(t), "something was written")
	})
}

// TestAWaitOutlivesTheBodysTime: the bound on reading a body must not end the
// request that waits.
func TestAWaitOutlivesTheBodysTime(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{change: func(o *api.Options) { o.BodyTimeout = 50 * time.Millisecond }})
		p.visitor(t).generate(short, "Prefer", "wait=1").is(http.StatusAccepted)
	})
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v, other := p.visitor(t), p.visitor(t)
		first := v.generate(short, "Idempotency-Key", "k").is(http.StatusAccepted).job()
		rows := p.rows(t)
		again := v.generate(short, "Idempotency-Key", "k").is(http.StatusAccepted)
		require.Equal(t, first.ID, again.job().ID)
		require.Equal(t, "/v1/jobs/"+first.ID, again.header.Get("Location"))
		spaced := strings.ReplaceAll(short, ",", " ,\n ")
		require.Equal(t, first.ID, v.generate(spaced, "Idempotency-Key", "k").is(http.StatusAccepted).job().ID, "spacing means nothing")
		v.generate(`{"prompt":"snare"}`, "Idempotency-Key", "k").fails(http.StatusUnprocessableEntity, model.CodeKeyReused)
		v.generate(`{"prompt":""}`, "Idempotency-Key", "k").fails(http.StatusUnprocessableEntity, model.CodeInvalid, "prompt")
		require.Equal(t, rows, p.rows(t), "nothing more is written")
		require.NotEqual(t, first.ID, other.generate(short, "Idempotency-Key", "k").is(http.StatusAccepted).job().ID, "a key is one's own")

		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = v.generate(short, "Idempotency-Key", "at-once") })
		}
		wg.Wait()
		for _, a := range answers {
			require.Equal(t, answers[0].is(http.StatusAccepted).job().ID, a.is(http.StatusAccepted).job().ID, "eight posts at once make one job")
		}
	})
}

func TestBadIDsAndQueries(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		unknown := uuid.NewString()
		paths := []string{"/v1/jobs/%s", "/v1/jobs/%s/events", "/v1/sounds/%s", "/v1/sounds/%s/download", "/v1/sounds/%s/waveform", "/v1/sounds/%s/recipe"}
		for _, path := range paths {
			want := v.get(fmt.Sprintf(path, unknown)).fails(http.StatusNotFound, model.CodeNotFound).problem().Detail
			require.NotEmpty(t, want)
			for _, id := range []string{
				"1", "x", strings.ReplaceAll(unknown, "-", ""), "{" + unknown + "}", "urn:uuid:" + unknown, unknown + "0", unknown[:35], "%00", "..%2f..",
				"%ff", strings.Repeat("9", 36), "' OR 1=1 --"[:4],
			} {
				v.get(fmt.Sprintf(path, strings.NewReplacer("{", "%7B", "}", "%7D", " ", "%20").Replace(id))).fails(http.StatusNotFound, model.CodeNotFound)
			}
			v.get(fmt.Sprintf(path, unknown)+"?x=1").fails(http.StatusUnprocessableEntity, model.CodeInvalid, "x")
			v.get(fmt.Sprintf(path, unknown)+"?x=%zz").fails(http.StatusBadRequest, model.CodeBadRequest)
		}
		const invalid = http.StatusUnprocessableEntity
		for path, field := range map[string]string{
			"/v1/sounds?limit=0":                                        "limit",
			"/v1/sounds?limit=101":                                      "limit",
			"/v1/sounds?limit=-1":                                       "limit",
			"/v1/sounds?limit=":                                         "limit",
			"/v1/sounds?limit=ten":                                      "limit",
			"/v1/sounds?limit=99999999999999999999":                     "limit",
			"/v1/sounds?limit=5&limit=6":                                "limit",
			"/v1/sounds?cursor=rubbish":                                 "cursor",
			"/v1/sounds?cursor=%ff":                                     "cursor",
			"/v1/sounds?cursor=" + strings.Repeat("A", 32):              "",
			"/v1/sounds?cursor=" + strings.Repeat("_", 32):              "cursor",
			"/v1/sounds?offset=5":                                       "offset",
			"/v1/sounds/" + unknown + "/download?format=mp3":            "format",
			"/v1/sounds/" + unknown + "/download?inline=yes":            "inline",
			"/v1/interpret":                                             "prompt",
			"/v1/interpret?prompt=":                                     "prompt",
			"/v1/interpret?prompt=%ff":                                  "prompt",
			"/v1/interpret?prompt=" + strings.Repeat("x", 501):          "prompt",
			"/v1/interpret?prompt=kick&seed=-1":                         "seed",
			"/v1/interpret?prompt=kick&seed=1.5":                        "seed",
			"/v1/interpret?prompt=kick&seed=":                           "seed",
			"/v1/interpret?prompt=kick&seed=4294967296":                 "seed",
			"/v1/interpret?prompt=kick&prompt=snare":                    "prompt",
			"/v1/openapi.json?pretty=1":                                 "pretty",
			"/v1/sounds?" + strings.Repeat("y", 100) + "=1":             strings.Repeat("y", 60) + "…",
			"/v1/sounds?%ff=1":                                          "\uFFFD",
			"/v1/interpret?prompt=kick&Seed=1":                          "Seed",
			"/v1/sounds/" + unknown + "/download?format=wav&format=wav": "format",
		} {
			if field == "" {
				v.get(path).is(http.StatusOK)
				continue
			}
			v.get(path).fails(invalid, model.CodeInvalid, field)
		}
		// What no route is.
		for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/v1/sounds/", "/v1//sounds", "/v1/jobs/", "/api", "/api/", "/api/health/", "/v1/../v1/x"} {
			v.get(path).fails(http.StatusNotFound, model.CodeNotFound)
		}
	})
}

// TestBadMessages sends rubbish over a socket.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v, other := p.visitor(t), p.visitor(t)
		foreign := other.generate(short).is(http.StatusAccepted).job().ID
		before := p.rows(t)
		for name, c := range map[string]struct {
			text   string
			status int
			code   string
			fields []string
		}{
			"rubbish":             {"hello", 400, "bad_request", nil},
			"an empty text":       {"", 400, "bad_request", nil},
			"a list":              {"[]", 400, "bad_request", nil},
			"broken":              {`{"type":`, 400, "bad_request", nil},
			"no type":             {`{}`, 422, "invalid", []string{"type"}},
			"an unknown type":     {`{"type":"dance","step":1}`, 422, "invalid", []string{"type"}},
			"type as a number":    {`{"type":1}`, 422, "invalid", []string{"type"}},
			"a type twice":        {`{"type":"ping","type":"ping"}`, 422, "invalid", []string{"type"}},
			"ping with a field":   {`{"type":"ping","x":1}`, 422, "invalid", []string{"x"}},
			"no job":              {`{"type":"subscribe"}`, 422, "invalid", []string{"job_id"}},
			"a malformed job":     {`{"type":"subscribe","job_id":"7"}`, 422, "invalid", []string{"job_id"}},
			"a job without lines": {`{"type":"subscribe","job_id":"` + strings.ReplaceAll(foreign, "-", "") + `"}`, 422, "invalid", []string{"job_id"}},
			"audio as a text":     {`{"type":"subscribe","job_id":"` + foreign + `","audio":"yes"}`, 422, "invalid", []string{"audio"}},
			"a foreign job":       {`{"type":"subscribe","job_id":"` + foreign + `"}`, 404, "not_found", nil},
			"an unknown job":      {`{"type":"subscribe","job_id":"` + uuid.NewString() + `"}`, 404, "not_found", nil},
			"9 variations":        {`{"type":"generate","request_id":"a","prompt":"kick","variations":9}`, 422, "invalid", []string{"variations"}},
			"a foreign field":     {`{"type":"generate","prompt":"kick","job_id":"x"}`, 422, "invalid", []string{"job_id"}},
			"a long request id":   {`{"type":"generate","prompt":"kick","request_id":"` + strings.Repeat("x", 41) + `"}`, 422, "invalid", []string{"request_id"}},
			"bad UTF-8":           {"{\"type\":\"generate\",\"prompt\":\"\xff\"}", 400, "bad_request", nil},
		} {
			t.Run(name, func(t *testing.T) {
				s := v.dial(t)
				s.send(c.text)
				m := s.next()
				require.Equal(t, "error", m.Type)
				require.Equal(t, c.status, m.Problem.Status)
				require.Equal(t, c.code, m.Problem.Code)
				var fields []string
				for _, e := range m.Problem.Errors {
					fields = append(fields, e.Field)
				}
				require.Equal(t, c.fields, fields)
				// And the socket works on.
				s.send(`{"type":"ping"}`)
				require.Equal(t, "pong", s.next().Type)
				s.close()
				require.Equal(t, before, p.rows(t), "something was written")
			})
		}
		t.Run("the problem of a foreign job is that of an unknown one", func(t *testing.T) {
			s := v.dial(t)
			var details []string
			for _, id := range []string{foreign, uuid.NewString()} {
				s.send(`{"type":"subscribe","job_id":"` + id + `"}`)
				details = append(details, s.next().Problem.Detail)
			}
			require.Equal(t, details[0], details[1])
			s.close()
		})
		t.Run("bytes", func(t *testing.T) {
			s := v.dial(t)
			require.NoError(t, s.conn.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)))
			require.Equal(t, "bad_request", s.next().Problem.Code)
			s.close()
		})
		t.Run("more than 64 KiB", func(t *testing.T) {
			s := v.dial(t)
			require.NoError(t, s.conn.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte(" "), 1<<20)))
			s.closed(websocket.CloseMessageTooBig)
		})
		t.Run("64 KiB", func(t *testing.T) {
			s := v.dial(t)
			s.send(`{"type":"ping"}` + strings.Repeat(" ", 64<<10-15))
			require.Equal(t, "pong", s.next().Type)
			s.close()
		})
		t.Run("ten in a row", func(t *testing.T) {
			s := v.dial(t)
			for range 9 {
				s.send("rubbish")
				require.Equal(t, "error", s.next().Type)
			}
			s.send(`{"type":"ping"}`)
			require.Equal(t, "pong", s.next().Type, "sense makes up for it")
			for range 30 { // more than ten, at once: the close frame must arrive all the same
				if s.conn.WriteMessage(websocket.TextMessage, []byte("rubbish")) != nil {
					break
				}
			}
			s.closed(websocket.ClosePolicyViolation)
		})
		t.Run("requests with a wrong field are no rubbish", func(t *testing.T) {
			s := v.dial(t)
			for range 12 {
				s.send(`{"type":"generate","prompt":""}`)
				require.Equal(t, "invalid", s.next().Problem.Code)
			}
			s.close()
		})
		t.Run("a foreign origin", func(t *testing.T) {
			for _, origin := range []string{"https://evil.example", "null", "http://patchlab.example.evil.example", "https://patchlab.example"} {
				_, res, err := v.tryDial(http.Header{"Origin": {origin}})
				require.ErrorIs(t, err, websocket.ErrBadHandshake)
				require.Equal(t, http.StatusForbidden, res.StatusCode)
				require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				p.schema(t, "Problem", body)
			}
			for _, origin := range []string{"http://patchlab.example", p.url} {
				conn, _, err := v.tryDial(http.Header{"Origin": {origin}})
				require.NoError(t, err, origin)
				require.NoError(t, conn.Close())
			}
		})
		t.Run("no upgrade", func(t *testing.T) {
			v := v.as(t)
			v.get("/v1/ws").fails(http.StatusBadRequest, model.CodeBadRequest)
			v.get("/v1/ws", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "7", "Sec-WebSocket-Key", "x").
				fails(http.StatusBadRequest, model.CodeBadRequest)
		})
		require.Equal(t, before, p.rows(t), "something was written")
	})
}
