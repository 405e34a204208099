package layout_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"patchlab/internal/config"
)

// compose is the part of docker-compose.yml whose names refer to one another.
type compose struct {
	Services map[string]struct {
		Image string
		Build *struct {
			Context string
			Target  string
		}
		Command     []string
		Environment map[string]string
		Volumes     []string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
		Healthcheck *struct{ Test []string }
	}
	Volumes map[string]any
}

// TestCompose reads docker-compose.yml and the Dockerfile as Docker would and
// checks that what they name is there: no Docker engine runs in CI.
func TestCompose(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	var c compose
	require.NoError(t, yaml.Unmarshal(text, &c))
	require.ElementsMatch(t, []string{"postgres", "redis", "minio", "api", "worker", "janitor"}, slices.Collect(maps.Keys(c.Services)))

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
	for name, s := range c.Services {
		for other, how := range s.DependsOn {
			require.Contains(t, c.Services, other, "%s depends on it", name)
			require.Equal(t, "service_healthy", how.Condition, name)
			require.NotNil(t, c.Services[other].Healthcheck, "%s waits until %s is healthy", name, other)
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			require.Contains(t, c.Volumes, volume, name)
		}
		if s.Build == nil {
			require.Regexp(t, `^[\w./-]+:[\w.-]+$`, s.Image, "%s: a pinned image", name)
			require.NotContains(t, s.Image, ":latest", name)
			continue
		}
		require.Contains(t, targets, s.Build.Target, name)
		require.DirExists(t, filepath.Join(root, "cmd", name))
		if s.Healthcheck != nil {
			require.Equal(t, "/usr/local/bin/"+name, s.Healthcheck.Test[1])
		}
		environ := make([]string, 0, len(s.Environment))
		for key, value := range s.Environment {
			require.Contains(t, known, key, "%s sets a variable that nothing reads", name)
			environ = append(environ, key+"="+expand(value))
		}
		cfg, err := config.Load(environ, func(string) ([]byte, error) { return nil, os.ErrNotExist })
		require.NoError(t, err, name)
		require.NotEmpty(t, cfg.DatabaseURL, name)
		require.NotEmpty(t, cfg.RedisURL, name)
	}
	require.Contains(t, c.Services["redis"].Command, "noeviction")
}

// expand replaces ${NAME:-default} by the default.
func expand(value string) string {
	return regexp.MustCompile(`\$\{\w+:-([^}]*)\}`).ReplaceAllString(value, "$1")
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
	for _, name := range []string{"patchlab", "api", "worker", "janitor"} {
		require.True(t, stages[name], name)
		require.DirExists(t, filepath.Join(root, "cmd", name))
	}
	require.Contains(t, string(text), ":nonroot AS base")
}
