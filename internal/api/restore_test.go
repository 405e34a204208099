package api_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

func (v *visitor) delete(path string) answer {
	v.t.Helper()
	return v.do(http.MethodDelete, path, nil, "X-Requested-With", "patchlab")
}

func TestDeleteAndRestore(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		v, stranger := p.visitor(t), p.visitor(t)
		s := v.rendered()
		path := "/v1/sounds/" + s.ID
		before := v.get(*s.DownloadURL).is(http.StatusOK).body

		stranger.delete(path).fails(http.StatusNotFound, model.CodeNotFound)
		v.delete(path).is(http.StatusNoContent)
		for _, hidden := range []string{path, path + "/download", path + "/waveform", path + "/recipe"} {
			v.get(hidden).fails(http.StatusNotFound, model.CodeNotFound)
		}
		v.post(path+"/variations", `{}`).fails(http.StatusNotFound, model.CodeNotFound)
		v.post(path+"/cancel", "").fails(http.StatusNotFound, model.CodeNotFound)
		v.delete(path).fails(http.StatusNotFound, model.CodeNotFound)
		var list struct{ Items []sound }
		v.get("/v1/sounds").is(http.StatusOK).into(&list)
		require.Empty(t, list.Items)
		require.Empty(t, v.get("/v1/jobs/"+s.JobID).is(http.StatusOK).job().Sounds)

		stranger.post(path+"/restore", "").fails(http.StatusNotFound, model.CodeNotFound)
		for range 2 {
			var back sound
			v.post(path+"/restore", "").is(http.StatusOK).into(&back)
			require.Equal(t, s.ID, back.ID)
		}
		require.Equal(t, before, v.get(*s.DownloadURL).is(http.StatusOK).body)
		require.Len(t, v.get("/v1/jobs/"+s.JobID).is(http.StatusOK).job().Sounds, 1)

		pack := v.builtPack(drums)
		v.delete("/v1/packs/" + pack.ID).is(http.StatusNoContent)
		v.get("/v1/packs/"+pack.ID).fails(http.StatusNotFound, model.CodeNotFound)
		v.get(*pack.Sounds[0].DownloadURL).fails(http.StatusNotFound, model.CodeNotFound)
		v.post(path+"/restore", "").is(http.StatusOK)
		v.post("/v1/packs/"+pack.ID+"/restore", "").is(http.StatusOK)
		require.Len(t, v.readPack(pack.ID).Sounds, 3)
		v.get(*pack.Sounds[0].DownloadURL).is(http.StatusOK)
		v.get(*pack.DownloadURL).is(http.StatusOK)

		v.delete(path).is(http.StatusNoContent)
		p.later.Store(int64(25 * time.Hour))
		v.post(path+"/restore", "").fails(http.StatusNotFound, model.CodeNotFound)
	})
}

// lose removes every file from the store.
func (p *plant) lose(t *testing.T) {
	t.Helper()
	for _, key := range backing.Keys(t, p.Store) {
		require.NoError(t, p.Store.Delete(t.Context(), key))
	}
}

// The store has lost a file: it is made again, with the same bytes, while who asked for it
// waits.
func TestALostFileIsMadeAgain(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2})
		v := p.visitor(t)
		s := v.rendered()
		whole := v.get(*s.DownloadURL).is(http.StatusOK)
		wave := v.get(*s.WaveformURL).is(http.StatusOK).body

		p.lose(t)
		head := v.do(http.MethodHead, *s.DownloadURL, nil).is(http.StatusOK)
		require.Equal(t, whole.header.Get("ETag"), head.header.Get("ETag"))

		p.lose(t)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				got := v.get(*s.DownloadURL).is(http.StatusOK)
				assert.Equal(t, whole.body, got.body)
				assert.Equal(t, whole.header.Get("ETag"), got.header.Get("ETag"))
			})
		}
		all.Wait()
		part := v.get(*s.DownloadURL, "Range", "bytes=10-19", "If-Range", whole.header.Get("ETag")).is(http.StatusPartialContent)
		require.Equal(t, whole.body[10:20], part.body)
		require.Equal(t, wave, v.get(*s.WaveformURL).is(http.StatusOK).body)
		require.Len(t, backing.Keys(t, p.Store), 1, "five who ask are one render")

		// A pack: its ZIP is made again of its sounds, and they are too.
		pack := v.builtPack(drums)
		zip := v.get(*pack.DownloadURL).is(http.StatusOK)
		for _, key := range backing.Keys(t, p.Store) {
			if key[len(key)-4:] == ".zip" {
				require.NoError(t, p.Store.Delete(t.Context(), key))
			}
		}
		require.Equal(t, zip.body, v.get(*pack.DownloadURL).is(http.StatusOK).body)
		p.lose(t)
		for _, s := range pack.Sounds {
			v.get(*s.DownloadURL).is(http.StatusOK)
		}
		again := v.get(*pack.DownloadURL).is(http.StatusOK)
		require.Equal(t, zip.header.Get("ETag"), again.header.Get("ETag"))
		require.Equal(t, zip.body, again.body)

		// Of a pack that has lost everything at once, the build says what is missing, and
		// the next one renders it.
		p.lose(t)
		v.get(*pack.DownloadURL).fails(http.StatusConflict, model.CodeNotReady)
		require.Eventually(t, func() bool {
			if a := v.post("/v1/packs/"+pack.ID+"/rebuild", ""); a.status == http.StatusAccepted {
				v.events(a.pack().Job.ID).rest()
			}
			return v.get("/v1/packs/"+pack.ID+"/download").status == http.StatusOK
		}, 30*time.Second, 10*time.Millisecond)
		require.Equal(t, zip.body, v.get(*pack.DownloadURL).is(http.StatusOK).body)

		require.Empty(t, p.drain(t))
	})
}

// drain removes what nothing refers to, and returns the files that no row knows then.
func (p *plant) drain(t *testing.T) (orphans []string) {
	t.Helper()
	_, err := p.keeper.RemoveUnreferencedAssets(t.Context())
	require.NoError(t, err)
	p.later.Store(int64(2 * time.Hour))
	due, err := p.keeper.DueTrash(t.Context(), 100)
	require.NoError(t, err)
	for _, key := range due {
		require.NoError(t, p.Store.Delete(t.Context(), key))
	}
	keys := backing.Keys(t, p.Store)
	live, err := p.keeper.LiveKeys(t.Context(), keys)
	require.NoError(t, err)
	for _, key := range keys {
		if !live[key] {
			orphans = append(orphans, key)
		}
	}
	return orphans
}

// Where it takes longer the client is told to come again, and nothing is lost.
func TestARestorationThatTakesLonger(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1, speed: 1, change: func(o *api.Options) { o.RestoreWait = 50 * time.Millisecond }})
		v := p.visitor(t)
		s := v.generate(`{"prompt":"kick","seed":7,"duration":2,"sample_rate":22050,"channels":1}`, "Prefer", "wait=30").is(http.StatusCreated).job().Sounds[0]
		whole := v.get(*s.DownloadURL).is(http.StatusOK).body
		p.lose(t)
		for range 3 {
			a := v.get(*s.DownloadURL).fails(http.StatusServiceUnavailable, model.CodeRestoring)
			require.NotEmpty(t, a.header.Get("Retry-After"))
			require.Empty(t, a.header.Get("ETag"))
			require.Empty(t, a.header.Get("Content-Disposition"))
		}
		var shown sound
		v.get("/v1/sounds/" + s.ID).is(http.StatusOK).into(&shown)
		require.Equal(t, "succeeded", shown.State)
		require.NotNil(t, shown.DownloadURL)
		require.Nil(t, shown.SizeBytes)
		v.get(s.RecipeURL).is(http.StatusOK)
		v.get(*s.WaveformURL).fails(http.StatusServiceUnavailable, model.CodeRestoring)
		require.Eventually(t, func() bool { return v.get(*s.DownloadURL).status == http.StatusOK }, 30*time.Second, 100*time.Millisecond)
		require.Equal(t, whole, v.get(*s.DownloadURL).is(http.StatusOK).body)
		require.NotContains(t, p.log.String(), "a request failed", "it is no fault")
		require.Len(t, backing.Keys(t, p.Store), 1)
	})
}
