package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/app"
	"patchlab/internal/config"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{http.StatusOK: "", http.StatusServiceUnavailable: "redis is down"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/health" {
				status = http.StatusNotFound
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte("redis is down"))
		}))
		err := app.Health(t.Context(), config.Config{Addr: strings.TrimPrefix(server.URL, "http://")})
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
		server.Close()
		require.Error(t, app.Health(t.Context(), config.Config{Addr: strings.TrimPrefix(server.URL, "http://")}), "nobody listens")
	}
	require.Error(t, app.Health(t.Context(), config.Config{Addr: "nonsense"}))
}
