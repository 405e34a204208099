package app_test

import (
	"archive/zip"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKilledMidPackThePackArrives kills the all-in-one process again and again while a
// pack is rendered and put together.
func TestKilledMidPackThePackArrives(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, data, "RENDER_MAX_SPEED=20")
	v := newVisitor(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/v1/packs",
		strings.NewReader(`{"name":"storm","theme":"drums","count":60,"seed":7,"sample_rate":22050}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Requested-With", "patchlab")
	type pack struct {
		ID                       string
		Job                      job
		State                    string
		Total, Succeeded, Failed int
		DownloadURL              *string `json:"download_url"`
	}
	var accepted struct{ Pack pack }
	require.Equal(t, http.StatusAccepted, v.do(req, &accepted))
	for _, after := range []time.Duration{300 * time.Millisecond, 900 * time.Millisecond, 600 * time.Millisecond} {
		time.Sleep(after)
		p.kill()
		p = serve(t, data, "RENDER_MAX_SPEED=20")
	}
	p.kill()
	p = serve(t, data)
	require.Equal(t, "succeeded", v.finished(p, accepted.Pack.Job.ID).State)

	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v1/packs/"+accepted.Pack.ID, nil)
	require.NoError(t, err)
	var done pack
	require.Equal(t, http.StatusOK, v.do(req, &done))
	require.Equal(t, 60, done.Succeeded, p.logged())
	z, err := zip.OpenReader(v.download(p, *done.DownloadURL))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, z.Close()) })
	sounds := 0
	for _, f := range z.File {
		if filepath.Ext(f.Name) == ".wav" {
			sounds++
		}
	}
	require.Equal(t, 60, sounds)
	require.Equal(t, 0, p.terminate(), p.logged())
}
