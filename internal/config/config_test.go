package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/config"
	"patchlab/internal/model"
)

var update = flag.Bool("update", false, "write the generated files instead of checking them")

// files is a file system of named texts.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if text == "locked" {
		return nil, fs.ErrPermission
	}
	return []byte(text), nil
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(nil, files{}.read)
	require.NoError(t, err)
	require.Equal(t, config.Config{
		Addr: ":8080", PublicURL: "http://localhost:8080", DataDir: "./data",
		AutoMigrate: true, S3Bucket: "patchlab", S3Region: "us-east-1", DrainGrace: 30 * time.Second,
		RateLimits: true, RateGenerations: 50, RatePacks: 20, RateRequests: 100,
		MaxJobSamples: 1 << 25, MaxQueued: 1000, AnonymousTTL: 24 * time.Hour, AssetTTL: 720 * time.Hour, DeleteGrace: 24 * time.Hour,
	}, c)
	require.Equal(t, runtime.GOMAXPROCS(0), model.BulkSlots(c.WorkerConcurrency.Count()), "bulk work can use every CPU")
	require.Equal(t, "data/patchlab.db", c.DatabasePath())
	require.Equal(t, "data/assets", c.AssetDir())
}

func TestEverySetting(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{
		"ADDR=127.0.0.1:0", "PUBLIC_URL=https://sounds.example/", "DATA_DIR=/var/lib/patchlab",
		"DATABASE_URL=postgres://u:p@db/x?sslmode=disable", "AUTO_MIGRATE=false", "DB_MAX_CONNS=7",
		"S3_ENDPOINT=http://minio:9000/", "S3_BUCKET=sounds", "S3_REGION=eu-1", "S3_ACCESS_KEY=a", "S3_SECRET_KEY=b", "S3_PUBLIC_ENDPOINT=https://files.example",
		"REDIS_URL=redis://:p@redis:6379/1", "WORKER_CONCURRENCY=3", "RENDER_MAX_SPEED=1.5", "DRAIN_GRACE=5s",
		"RATE_LIMITS=off", "RATE_GENERATIONS=1", "RATE_PACKS=11", "RATE_REQUESTS=2", "MAX_JOB_SAMPLES=3", "MAX_QUEUED=4",
		"ANONYMOUS_TTL=90m", "ASSET_TTL=0s", "DELETE_GRACE=2h", "WORKER_NAME=worker-1", "ADMIN_TOKEN=open-sesame-2026!", "TRUSTED_PROXIES=10.0.0.0/8, ::1", "LOG_LEVEL=debug", "UNRELATED=x", "=C:=weird",
	}, files{}.read)
	require.NoError(t, err)
	require.Equal(t, config.Config{
		Addr: "127.0.0.1:0", PublicURL: "https://sounds.example", DataDir: "/var/lib/patchlab",
		DatabaseURL: "postgres://u:p@db/x?sslmode=disable", DBMaxConns: 7,
		S3Endpoint: "http://minio:9000", S3Bucket: "sounds", S3Region: "eu-1", S3AccessKey: "a", S3SecretKey: "b", S3PublicEndpoint: "https://files.example",
		RedisURL: "redis://:p@redis:6379/1", WorkerConcurrency: 3, RenderMaxSpeed: 1.5, DrainGrace: 5 * time.Second,
		RateGenerations: 1, RatePacks: 11, RateRequests: 2, MaxJobSamples: 3, MaxQueued: 4,
		AnonymousTTL: 90 * time.Minute, DeleteGrace: 2 * time.Hour, WorkerName: "worker-1", AdminToken: "open-sesame-2026!", TrustedProxies: []string{"10.0.0.0/8", "::1"}, LogLevel: slog.LevelDebug,
	}, c)
	require.Equal(t, 3, c.WorkerConcurrency.Count())
}

func TestEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{
		"ADDR=8080", "PUBLIC_URL=ftp://x", "DATABASE_URL=mysql://root:hunter2@db/x", "AUTO_MIGRATE=maybe", "DB_MAX_CONNS=-1",
		"S3_ENDPOINT=minio:9000", "S3_BUCKET=No", "S3_REGION=a b", "S3_PUBLIC_ENDPOINT=x",
		"REDIS_URL=redis://:hunter2@[bad", "WORKER_CONCURRENCY=0", "RENDER_MAX_SPEED=NaN", "DRAIN_GRACE=30",
		"RATE_LIMITS=no", "RATE_GENERATIONS=many", "RATE_PACKS=0", "RATE_REQUESTS=0", "MAX_JOB_SAMPLES=1e9", "MAX_QUEUED=9999999999999999999",
		"ANONYMOUS_TTL=1s", "ASSET_TTL=-1s", "DELETE_GRACE=0s", "WORKER_NAME=a b", "ADMIN_TOKEN=hunter2", "TRUSTED_PROXIES=proxy.local", "LOG_LEVEL=loud",
	}, files{}.read)
	var e *config.Error
	require.ErrorAs(t, err, &e)
	got := map[string]string{}
	for _, f := range e.Faults {
		got[f.Name] = f.Message
	}
	for _, v := range config.Variables() {
		if v.Name != "DATA_DIR" { // any text is a directory
			require.Contains(t, got, v.Name)
			require.Contains(t, got[v.Name], v.Want)
		}
	}
	require.Len(t, e.Faults, len(config.Variables())-1)
	require.NotContains(t, err.Error(), "hunter2")
	require.Contains(t, err.Error(), "\n  RATE_LIMITS: must be on or off, not \"no\"")
}

func TestPostgresMustSaySSLMode(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"DATABASE_URL=postgres://u:p@db/x"}, files{}.read)
	require.ErrorContains(t, err, "sslmode")
}

func TestS3IsAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ []string
		faults  []string
	}{
		"keys without a server":   {[]string{"S3_ACCESS_KEY=hunter2", "S3_SECRET_KEY=hunter2"}, []string{"S3_ACCESS_KEY", "S3_SECRET_KEY"}},
		"a server without keys":   {[]string{"S3_ENDPOINT=http://x"}, []string{"S3_ACCESS_KEY", "S3_SECRET_KEY"}},
		"public without a server": {[]string{"S3_PUBLIC_ENDPOINT=http://x"}, []string{"S3_PUBLIC_ENDPOINT"}},
		"a path":                  {[]string{"S3_ENDPOINT=http://x/y", "S3_ACCESS_KEY=a", "S3_SECRET_KEY=b"}, []string{"S3_ENDPOINT"}},
		"bucket ends in a dot":    {[]string{"S3_BUCKET=abc."}, []string{"S3_BUCKET"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(tt.environ, files{}.read)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			var got []string
			for _, f := range e.Faults {
				got = append(got, f.Name)
			}
			require.ElementsMatch(t, tt.faults, got)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	const dsn = "postgres://u:p@db/x?sslmode=disable"
	f := files{"/run/secrets/db": dsn + "\n", "/run/secrets/empty": "\n", "/run/secrets/locked": "locked"}
	c, err := config.Load([]string{"DATABASE_URL_FILE=/run/secrets/db"}, f.read)
	require.NoError(t, err)
	require.Equal(t, dsn, c.DatabaseURL.Reveal())

	for name, environ := range map[string][]string{
		"twice":   {"DATABASE_URL=" + dsn, "DATABASE_URL_FILE=/run/secrets/db"},
		"missing": {"DATABASE_URL_FILE=/run/secrets/none"},
		"locked":  {"DATABASE_URL_FILE=/run/secrets/locked"},
		"empty":   {"DATABASE_URL_FILE=/run/secrets/empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(environ, f.read)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Faults, 1)
			require.NotContains(t, err.Error(), "u:p")
		})
	}
}

func TestDotEnv(t *testing.T) {
	t.Parallel()
	f := files{config.DotEnv: "# comment\nADDR=:1\nLOG_LEVEL=warn\nMAX_QUEUED=\"5\"\n"}
	c, err := config.Load([]string{"ADDR=:2", "LOG_LEVEL="}, f.read)
	require.NoError(t, err)
	require.Equal(t, ":2", c.Addr, "the environment outranks the file")
	require.Equal(t, slog.LevelInfo, c.LogLevel, "set to nothing is unset")
	require.Equal(t, 5, c.MaxQueued)

	for _, text := range []string{"locked", "hunter2\n"} {
		_, err = config.Load(nil, files{config.DotEnv: text}.read)
		require.ErrorContains(t, err, ".env")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{
		"DATABASE_URL=postgres://u:hunter2@db:5432/x?sslmode=disable&password=hunter2",
		"REDIS_URL=redis://:hunter2@redis:6379/1",
	}, files{}.read)
	require.NoError(t, err)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("configuration", "config", c, "url", c.RedisURL)
	dumped, err := json.Marshal(c)
	require.NoError(t, err)
	for _, out := range []string{logged.String(), string(dumped), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.DatabaseURL)} {
		require.NotContains(t, out, "hunter2")
		require.Contains(t, out, "postgres://db:5432/x")
	}
	require.Contains(t, logged.String(), `"RATE_LIMITS":"on"`)
	require.Contains(t, logged.String(), `"LOG_LEVEL":"INFO"`)
	require.Equal(t, "[redacted]", config.Secret("a plain key").String())
	require.Empty(t, config.Secret("").String())
}

// Who writes a password into an address that takes none is told so without it.
func TestAPasswordInAnAddressDoesNotShow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"S3_ENDPOINT", "S3_PUBLIC_ENDPOINT", "PUBLIC_URL"} {
		for _, value := range []string{"https://me:hunter2@host", "https://me:hunter2%zz@host"} {
			_, err := config.Load([]string{name + "=" + value}, files{}.read)
			require.ErrorContains(t, err, name)
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
}

func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range config.Variables() {
		require.NotEmpty(t, v.Name)
		require.NotEmpty(t, v.Want, v.Name)
		require.True(t, strings.HasSuffix(v.Doc, "."), v.Name)
		require.False(t, seen[v.Name], v.Name)
		seen[v.Name] = true
	}
}

// The documents are made from the struct: `make docs` writes them.
func TestDocumentsAreUpToDate(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- config:begin -->\n", "<!-- config:end -->"
	const page, example = "../../docs/operations.md", "../../.env.example"
	old, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	require.True(t, ok && ok2, "docs/operations.md has lost its marks")
	for file, want := range map[string]string{
		page:    head + begin + config.Markdown() + end + tail,
		example: config.Example(),
	} {
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		}
		got, err := os.ReadFile(file)
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(t, err)
		}
		require.Equal(t, want, string(got), "%s is not up to date: run `make docs`", file)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("DATABASE_URL=postgres://u:p@db/x?sslmode=disable\nADDR=:1\nTRUSTED_PROXIES=,", "A=b\n")
	f.Add("RENDER_MAX_SPEED=+Inf\nPUBLIC_URL=%", "export X='y")
	f.Fuzz(func(t *testing.T, environ, dotEnv string) {
		c, err := config.Load(strings.Split(environ, "\n"), files{config.DotEnv: dotEnv}.read)
		if err != nil {
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Faults)
			return
		}
		require.NotEmpty(t, c.PublicURL)
		require.Positive(t, c.WorkerConcurrency.Count())
	})
}
