package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

// refusedWell requires an error that may be shown to a client.
func refusedWell(t *testing.T, err error, codes ...model.Code) {
	t.Helper()
	var e *model.Error
	require.True(t, errors.As(err, &e), "%v", err) //nolint:testifylint // e is needed
	require.Contains(t, codes, e.Code)
	require.NotEmpty(t, e.Message)
	for _, f := range e.Fields {
		require.True(t, utf8.ValidString(f.Field))
		require.LessOrEqual(t, utf8.RuneCountInString(f.Field), 100)
		require.NotEmpty(t, f.Message)
	}
}

// FuzzReadGenerate: what is read is what encoding/json would read, each field
// once, and equal requests have equal hashes.
func FuzzReadGenerate(f *testing.F) {
	for _, seed := range []string{
		`{"prompt":"deep bass","variations":8,"seed":7,"duration":1.5,"sample_rate":48000,"bit_depth":24,"channels":2}`,
		`{"prompt":"x","overrides":{"layers.0.filter.cutoff":800,"bus.reverb.mix":null}}`,
		`{"prompt":"x","prompt":"y"}`, `{"overrides":{"a":1,"a":2}}`, `{"seed":-0}`, `{"seed":1e3}`, `{"duration":1e999}`, `{"seed":4294967296}`,
		`{`, `[]`, `null`, `{} {}`, `{"\u0070rompt":"x"}`, "{\"prompt\":\"\xff\"}", `{"prompt":"\ud800"}`, ` {"a":[{"b":[]}]} `, `{"x":tru}`, `{"prompt" 1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := parseObject(data)
		var std map[string]json.RawMessage
		stdErr := json.Unmarshal(data, &std)
		if err != nil {
			refusedWell(t, err, model.CodeBadRequest, model.CodeInvalid)
			if model.CodeOf(err) == model.CodeBadRequest {
				require.True(t, stdErr != nil || std == nil, "refused %q, which is an object", data)
			}
			return
		}
		require.NoError(t, stdErr, "read %q, which is broken", data)
		require.Len(t, fields, len(std))
		for name, value := range std {
			require.Equal(t, string(value), string(fields[name]))
		}
		r := &reader{fields: fields}
		req := readGenerate(r)
		if err := r.rest(); err != nil {
			refusedWell(t, err, model.CodeInvalid)
			return
		}
		require.True(t, utf8.ValidString(req.Prompt))
		require.LessOrEqual(t, len(req.Overrides), maxOverrides)
		hash, err := requestHash(req)
		require.NoError(t, err)
		spaced, err := json.MarshalIndent(std, " ", "\t")
		require.NoError(t, err)
		again, err := parseObject(spaced)
		require.NoError(t, err)
		r = &reader{fields: again}
		second, err := requestHash(readGenerate(r))
		require.NoError(t, err)
		require.NoError(t, r.rest())
		require.Equal(t, hash, second, "order and spacing mean nothing")
	})
}

// FuzzPreferredWait: never more than the bound, and never from what is no wait.
func FuzzPreferredWait(f *testing.F) {
	for _, seed := range []string{"wait=10", "respond-async, wait=5", "WAIT=1;x=y", `wait="3"`, "wait=-1", "wait=99999999999", "wait", "=", ",;,", "wait=1,wait=2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := preferredWait([]string{value})
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, maxWait)
		require.Zero(t, wait%time.Second)
		if ok {
			require.Contains(t, strings.ToLower(value), "wait")
		} else {
			require.Zero(t, wait)
		}
	})
}

// FuzzParseMessage: a socket survives whatever it is sent.
func FuzzParseMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ping"}`, `{"type":"subscribe","job_id":"0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d","audio":true}`,
		`{"type":"unsubscribe","job_id":"0192D3C4-5E6F-7A8B-9C0D-1E2F3A4B5C6D"}`, `{"type":"generate","request_id":"a","prompt":"kick"}`,
		`{"type":"cancel"}`, `{"type":1}`, `{"type":"ping","x":1}`, `{"type":"subscribe","job_id":null,"audio":"x"}`, "hello", "", "\xff",
	} {
		f.Add(true, []byte(seed))
	}
	f.Add(false, []byte(`{"type":"ping"}`))
	f.Fuzz(func(t *testing.T, text bool, data []byte) {
		kind := websocket.BinaryMessage
		if text {
			kind = websocket.TextMessage
		}
		m, err := parseMessage(kind, data)
		if err != nil {
			refusedWell(t, err, model.CodeBadRequest, model.CodeInvalid)
			_, err := json.Marshal(errorMessage{Type: "error", RequestID: m.requestID, Problem: problemTo(err)})
			require.NoError(t, err)
			return
		}
		require.True(t, text)
		switch m.kind {
		case "generate":
			require.LessOrEqual(t, utf8.RuneCountInString(m.requestID), maxRequestID)
			readGenerate(m.reader)
			if err := m.reader.rest(); err != nil {
				refusedWell(t, err, model.CodeInvalid)
			}
		case "subscribe", "unsubscribe":
			require.Contains(t, strings.ToLower(string(data)), m.jobID.String())
		default:
			require.Equal(t, "ping", m.kind)
		}
	})
}

// problemTo is problemOf where nothing but the document is wanted.
func problemTo(err error) Problem {
	p, _ := problemOf(err, "")
	return p
}

// FuzzPathAndQuery: ids and queries of any bytes are read or refused.
func FuzzPathAndQuery(f *testing.F) {
	f.Add("0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", "limit=5&cursor=x")
	f.Add("{0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d}", "limit=%zz")
	f.Add("urn:uuid:0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", "a;b")
	f.Add("x", "limit=1&limit=2")
	f.Add("\xff", "\xff")
	gin.SetMode(gin.ReleaseMode)
	f.Fuzz(func(t *testing.T, text, query string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		c.Request.URL.RawQuery = query
		c.Params = gin.Params{{Key: "id", Value: text}}
		v, err := id(c)
		if err != nil {
			refusedWell(t, err, model.CodeNotFound)
			require.Equal(t, uuid.Nil, v)
		} else {
			require.Equal(t, strings.ToLower(text), v.String())
		}
		if err := onlyQuery(c, "limit"); err != nil {
			refusedWell(t, err, model.CodeBadRequest, model.CodeInvalid)
		}
	})
}

// FuzzDisposition: a name of any bytes makes a header of one line.
func FuzzDisposition(f *testing.F) {
	for _, seed := range []string{"deep-bass-1", "glöckchen", "звук", "", "a\"b\r\nc", "\xff\xfe", "…", strings.Repeat("ü", 70)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		h := disposition(name, "wav", false)
		require.True(t, strings.HasPrefix(h, `attachment; filename="`))
		require.Contains(t, h, ".wav")
		for i := range len(h) {
			require.True(t, h[i] >= 0x20 && h[i] < 0x7f, "%q", h)
		}
		require.Equal(t, 2, strings.Count(h, `"`))
	})
}
