package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/telemetry"
)

// hidden is logged in every disguise and must never come out.
const hidden = "hunter2hunter2"

type account struct {
	Name     string            `json:"name"`
	Email    string            `json:"email"`
	Password string            `json:"password"`
	Extra    map[string]string `json:"extra"`
	Notes    []string          `json:"notes"`
}

type valuer struct{}

func (valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("session_token", hidden), slog.String("kind", "valuer"))
}

func TestLoggerHidesSecrets(t *testing.T) {
	t.Parallel()
	for name, attr := range map[string]slog.Attr{
		"password":        slog.String("password", hidden),
		"any case":        slog.String("NewPassWord", hidden),
		"authorization":   slog.String("Authorization", hidden),
		"set-cookie":      slog.String("Set-Cookie", hidden),
		"refresh token":   slog.String("refresh_token", hidden),
		"session secret":  slog.String("SESSION_SECRET", hidden),
		"api key":         slog.String("ANTHROPIC_API_KEY", hidden),
		"group":           slog.Group("user", slog.String("name", "ann"), slog.String("e-mail", hidden)),
		"group by name":   slog.Group("token", slog.String("value", hidden)),
		"url":             slog.String("database_url", "postgres://ann:"+hidden+"@db/x"),
		"url, user only":  slog.String("url", "redis://"+hidden+"@db/x"),
		"url value":       slog.Any("url", &url.URL{Scheme: "redis", User: url.UserPassword("", hidden), Host: "r"}),
		"dsn words":       slog.String("cause", "connect: host=db password="+hidden+" sslmode=off"),
		"query":           slog.String("path", "/v1/ws?token="+hidden+"&x=1"),
		"json text":       slog.String("body", `{"password": "`+hidden+`"}`),
		"bearer":          slog.String("header", "Bearer "+hidden),
		"jwt":             slog.String("got", "eyJhbGciOiJIUzI1NiJ9."+hidden+".sig"),
		"e-mail":          slog.String("who", "Ann <"+hidden+"@example.org>"),
		"error":           slog.Any("error", fmt.Errorf("dial: %w", errors.New("redis://:"+hidden+"@host:1: refused"))),
		"struct":          slog.Any("account", account{Name: "ann", Email: hidden, Password: hidden}),
		"struct, nested":  slog.Any("account", account{Extra: map[string]string{"api_key": hidden}, Notes: []string{"token=" + hidden}}),
		"headers":         slog.Any("headers", http.Header{"Cookie": {hidden}, "Accept": {"*/*"}}),
		"log valuer":      slog.Any("thing", valuer{}),
		"cannot be shown": slog.Any("fn", func() string { return hidden }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := telemetry.NewLogger(&out, slog.LevelInfo)
			log.LogAttrs(context.Background(), slog.LevelInfo, "something happened", attr)
			log.With(attr).WithGroup("g").Info("something happened", attr)
			require.NotContains(t, out.String(), hidden)
			for line := range strings.Lines(out.String()) {
				require.True(t, json.Valid([]byte(line)), line)
			}
		})
	}
	var out bytes.Buffer
	telemetry.NewLogger(&out, slog.LevelInfo).Info("cannot open postgres://u:" + hidden + "@db/x")
	require.NotContains(t, out.String(), hidden)
}

func TestLoggerKeepsTheRest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo)
	log.Debug("below the level")
	log.Info("job finished", "job", "0198", "seconds", 1.5, "took", time.Second, "ok", true, "url", "http://localhost:8080/x?y=1",
		"key", "ab/cd.wav", "error", errors.New("no space left"), "thing", valuer{}, "nothing", nil, "list", []int{1, 2},
		"prompt", "a kick @ 50 Hz")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	delete(line, "time")
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "job finished", "job": "0198", "seconds": 1.5, "took": float64(time.Second), "ok": true,
		"url": "http://localhost:8080/x?y=1", "key": "ab/cd.wav", "error": "no space left",
		"thing":   map[string]any{"session_token": telemetry.Redacted, "kind": "valuer"},
		"nothing": nil, "list": []any{1.0, 2.0}, "prompt": "a kick @ 50 Hz",
	}, line)
}

func FuzzLogger(f *testing.F) {
	f.Add("key", "Bearer x", "postgres://a:b@c")
	f.Fuzz(func(t *testing.T, key, text, message string) {
		var out bytes.Buffer
		telemetry.NewLogger(&out, slog.LevelInfo).Info(message, key, text)
		require.True(t, json.Valid(out.Bytes()))
	})
}
