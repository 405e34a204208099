package layout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"patchlab/internal/config"
)

// project loads docker-compose.yml as `docker compose config` does: it checks the
// schema, fills in variables and follows references.
func project(t *testing.T, environ ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(environ))
	require.NoError(t, err)
	p, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return p
}

// TestCompose holds docker-compose.yml and the Dockerfile to one another and to the
// programs: no Docker engine runs in CI.
func TestCompose(t *testing.T) {
	t.Parallel()
	p := project(t)
	require.ElementsMatch(t, []string{"postgres", "redis", "minio", "api", "worker", "janitor"}, p.ServiceNames())

	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^FROM .* AS (\w+)$`).FindAllStringSubmatch(string(dockerfile), -1) {
		targets = append(targets, m[1])
	}
	var known []string
	for _, v := range config.Variables() {
		known = append(known, v.Name)
	}
	for name, s := range p.Services {
		for other, how := range s.DependsOn {
			require.Equal(t, types.ServiceConditionHealthy, how.Condition, name)
			require.NotNil(t, p.Services[other].HealthCheck, "%s waits until %s is healthy", name, other)
		}
		require.NotNil(t, s.HealthCheck, name)
		if s.Build == nil {
			require.Regexp(t, `^[\w./-]+:[\w.-]+$`, s.Image, "%s: a pinned image", name)
			require.NotContains(t, s.Image, ":latest", name)
			continue
		}
		require.Contains(t, targets, s.Build.Target, name)
		require.DirExists(t, filepath.Join(root, "cmd", name))
		require.Equal(t, types.HealthCheckTest{"CMD", "/usr/local/bin/" + name, "health"}, s.HealthCheck.Test)
		require.NotNil(t, s.StopGracePeriod, name)
		require.True(t, s.ReadOnly, name)
		require.Empty(t, s.Volumes, "%s keeps nothing: its data is in the servers", name)
		environ := make([]string, 0, len(s.Environment))
		for key, value := range s.Environment {
			require.Contains(t, known, key, "%s sets a variable that nothing reads", name)
			environ = append(environ, key+"="+*value)
		}
		cfg, err := config.Load(environ, func(string) ([]byte, error) { return nil, os.ErrNotExist })
		require.NoError(t, err, name)
		require.Greater(t, time.Duration(*s.StopGracePeriod), cfg.DrainGrace, name)
		// Each address names a service of this file, at the port that it listens on.
		require.Contains(t, cfg.DatabaseURL.Reveal(), "@postgres:5432/"+*p.Services["postgres"].Environment["POSTGRES_DB"]+"?", name)
		require.Contains(t, cfg.DatabaseURL.Reveal(), ":"+*p.Services["postgres"].Environment["POSTGRES_PASSWORD"]+"@", name)
		require.Equal(t, "redis://redis:6379/0", cfg.RedisURL.Reveal(), name)
		require.Equal(t, "http://minio:9000", cfg.S3Endpoint, name)
		require.Equal(t, *p.Services["minio"].Environment["MINIO_ROOT_USER"], cfg.S3AccessKey.Reveal(), name)
		require.Equal(t, *p.Services["minio"].Environment["MINIO_ROOT_PASSWORD"], cfg.S3SecretKey.Reveal(), name)
		require.Equal(t, name == "api", cfg.AutoMigrate, "%s: one of them migrates", name)
	}
	require.Contains(t, p.Services["redis"].Command, "noeviction")
	require.Len(t, p.Services["api"].Ports, 1)
	for _, name := range []string{"postgres", "redis", "minio", "worker", "janitor"} {
		require.Empty(t, p.Services[name].Ports, "%s is not for the public", name)
	}
	for _, name := range []string{"postgres", "redis", "minio"} {
		require.Contains(t, p.Services["api"].DependsOn, name, "the first to start waits for what it needs")
	}
}

// What an operator sets reaches both ends.
func TestComposeTakesPasswords(t *testing.T) {
	t.Parallel()
	p := project(t, "POSTGRES_PASSWORD=one", "MINIO_ROOT_PASSWORD=two-two-two", "PORT=9999", "WORKER_CONCURRENCY=3")
	for _, name := range []string{"api", "worker", "janitor"} {
		environ := p.Services[name].Environment
		require.Contains(t, *environ["DATABASE_URL"], "patchlab:one@postgres")
		require.Equal(t, "two-two-two", *environ["S3_SECRET_KEY"])
	}
	require.Equal(t, "one", *p.Services["postgres"].Environment["POSTGRES_PASSWORD"])
	require.Equal(t, "two-two-two", *p.Services["minio"].Environment["MINIO_ROOT_PASSWORD"])
	require.Equal(t, "9999", p.Services["api"].Ports[0].Published)
	require.Equal(t, "http://localhost:9999", *p.Services["api"].Environment["PUBLIC_URL"])
	require.Equal(t, "3", *p.Services["worker"].Environment["WORKER_CONCURRENCY"])
}

// TestDockerfile checks that each stage copies from a stage that exists, and
// that every binary is built and runs as somebody else than root.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	stages := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 4 && fields[0] == "FROM" {
			stages[fields[3]] = true
		}
		for _, f := range fields {
			if from, ok := strings.CutPrefix(f, "--from="); ok {
				require.True(t, stages[from], "copies from %s, which is no earlier stage", from)
			}
		}
	}
	names := []string{"patchlab", "api", "worker", "janitor"}
	for _, name := range names {
		require.True(t, stages[name], name)
	}
	entries, err := os.ReadDir(filepath.Join(root, "cmd"))
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, slices.Contains(names, e.Name()), "cmd/%s has no image", e.Name())
	}
	require.Contains(t, string(text), ":nonroot AS base")
}
