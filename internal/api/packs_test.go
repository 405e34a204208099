package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/api"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
)

// pack is what tests read of the schema Pack.
type pack struct {
	ID                                  string
	Name, Theme, State                  string
	Total, Succeeded, Failed, Cancelled int
	Job                                 job
	SizeBytes                           *int64  `json:"size_bytes"`
	DownloadURL                         *string `json:"download_url"`
	Sounds                              []sound
}

// pack reads the pack of a 202.
func (a answer) pack() pack {
	a.t.Helper()
	var v struct{ Pack pack }
	a.into(&v)
	require.NotEmpty(a.t, v.Pack.ID)
	return v.Pack
}

// post sends JSON.
func (v *visitor) post(path, body string, header ...string) answer {
	return v.do(http.MethodPost, path, strings.NewReader(body), append(header, "Content-Type", "application/json", "X-Requested-With", "patchlab")...)
}

// readPack reads a pack as it is.
func (v *visitor) readPack(id string) pack {
	v.t.Helper()
	var p pack
	v.get("/v1/packs/" + id).is(http.StatusOK).into(&p)
	return p
}

// drums are three short sounds.
const drums = `{"name":"Drums","sample_rate":22050,"bit_depth":16,"channels":1,"seed":7,"sounds":[
	{"prompt":"kick","duration":0.1},{"prompt":"snare","duration":0.1,"name":"Snare"},{"prompt":"snare","duration":0.1}]}`

// builtPack builds a pack and watches it to the end.
func (v *visitor) builtPack(body string) pack {
	v.t.Helper()
	p := v.post("/v1/packs", body).is(http.StatusAccepted).pack()
	events := v.events(p.Job.ID)
	for _, m := range events.rest() {
		require.NotEqual(v.t, "failed", m.Type)
	}
	return v.readPack(p.ID)
}

func TestPack(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2})
		v, stranger := p.visitor(t), p.visitor(t)

		// Planned, edited, built.
		var plan struct {
			Name   string
			Sounds []struct{ Name, Prompt string }
		}
		v.post("/v1/packs/plan", `{"theme":"2 kicks and a snare","count":3}`).is(http.StatusOK).into(&plan)
		require.Equal(t, "2-kicks-and-a-snare", plan.Name)
		require.Len(t, plan.Sounds, 3)

		a := v.post("/v1/packs", drums, "Idempotency-Key", "one").is(http.StatusAccepted)
		accepted := a.pack()
		require.Equal(t, "/v1/jobs/"+accepted.Job.ID, a.header.Get("Location"))
		require.Equal(t, accepted.ID, v.post("/v1/packs", drums, "Idempotency-Key", "one").is(http.StatusAccepted).pack().ID)
		v.post("/v1/packs", `{"theme":"kick","count":1}`, "Idempotency-Key", "one").fails(http.StatusUnprocessableEntity, model.CodeKeyReused)

		s := v.dial(t)
		s.send(`{"type":"subscribe","job_id":"` + accepted.Job.ID + `"}`)
		all := s.until("complete")
		s.close()
		require.Equal(t, "snapshot", all[0].Type)
		require.Empty(t, all[0].Job.Sounds, "a snapshot of five hundred sounds would be megabytes")
		seen := map[string]bool{}
		for _, m := range all {
			if m.Type == "take" {
				require.Equal(t, "succeeded", m.Sound.State)
				seen[m.Sound.ID] = true
			}
		}
		// Those that ended before the snapshot are in the pack.
		whole := v.readPack(accepted.ID)
		require.LessOrEqual(t, len(seen), 3)
		require.Equal(t, "succeeded", whole.State)
		require.Equal(t, 3, whole.Succeeded)
		require.InDelta(t, 100, whole.Job.Progress, 0)
		require.Len(t, whole.Sounds, 3)
		for _, s := range whole.Sounds {
			require.InDelta(t, 0.1, *s.Duration, 1e-3)
			require.NotEmpty(t, v.get(*s.DownloadURL).is(http.StatusOK).body)
		}

		// The ZIP: its files are the sounds', and say so themselves.
		got := v.get(*whole.DownloadURL).is(http.StatusOK)
		require.Equal(t, "application/zip", got.header.Get("Content-Type"))
		require.Equal(t, `attachment; filename="Drums.zip"`, got.header.Get("Content-Disposition"))
		require.Len(t, got.body, int(*whole.SizeBytes))
		z, err := zip.NewReader(bytes.NewReader(got.body), int64(len(got.body)))
		require.NoError(t, err)
		var names []string
		for _, f := range z.File {
			names = append(names, f.Name)
			r, err := f.Open()
			require.NoError(t, err)
			data, err := io.ReadAll(r)
			require.NoError(t, err, "with its checksum")
			if strings.HasSuffix(f.Name, ".wav") {
				i := slices.IndexFunc(whole.Sounds, func(s sound) bool { return "Drums/"+s.Name+".wav" == f.Name })
				require.Equal(t, v.get(*whole.Sounds[i].DownloadURL).is(http.StatusOK).body, data)
				_, err := format.Verify(t.Context(), bytes.NewReader(data), int64(len(data)))
				require.NoError(t, err)
			}
			if strings.HasSuffix(f.Name, "manifest.json") {
				var m struct {
					Sounds []struct{ File, SHA256 string }
				}
				require.NoError(t, json.Unmarshal(data, &m))
				require.Len(t, m.Sounds, 3)
				require.NotContains(t, string(data), `"prompt"`)
			}
		}
		require.Equal(t, []string{"Drums/README.txt", "Drums/manifest.json", "Drums/kick.wav", "Drums/Snare.wav", "Drums/snare-2.wav"}, names)

		// Resumed: a part, by its validator.
		part := v.get(*whole.DownloadURL, "Range", "bytes=100-", "If-Range", got.header.Get("ETag")).is(http.StatusPartialContent)
		require.Equal(t, got.body[100:], part.body)
		v.get(*whole.DownloadURL, "If-None-Match", got.header.Get("ETag")).is(http.StatusNotModified)

		// The same pack again is the same file, and nothing is rendered for it.
		again := v.builtPack(drums)
		require.NotEqual(t, whole.ID, again.ID)
		require.Equal(t, got.header.Get("ETag"), v.get(*again.DownloadURL).is(http.StatusOK).header.Get("ETag"))

		v.post("/v1/packs/"+whole.ID+"/rebuild", "").fails(http.StatusConflict, model.CodeConflict)
		stranger.get("/v1/packs/"+whole.ID).fails(http.StatusNotFound, model.CodeNotFound)
		stranger.get(*whole.DownloadURL).fails(http.StatusNotFound, model.CodeNotFound)
		stranger.do(http.MethodDelete, "/v1/jobs/"+whole.Job.ID, nil, "X-Requested-With", "patchlab").fails(http.StatusNotFound, model.CodeNotFound)
		var page struct {
			Items      []pack
			NextCursor *string `json:"next_cursor"`
		}
		v.get("/v1/packs?limit=1").is(http.StatusOK).into(&page)
		require.Equal(t, again.ID, page.Items[0].ID)
		v.get("/v1/packs?limit=1&cursor=" + *page.NextCursor).is(http.StatusOK).into(&page)
		require.Equal(t, whole.ID, page.Items[0].ID)
		v.do(http.MethodDelete, "/v1/packs/"+whole.ID, nil, "X-Requested-With", "patchlab").is(http.StatusNoContent)
		v.get("/v1/packs/"+whole.ID).fails(http.StatusNotFound, model.CodeNotFound)
		v.get(*again.DownloadURL).is(http.StatusOK)
	})
}

// TestCancelledPackIsRebuilt cancels a pack and builds the rest of it.
func TestCancelledPackIsRebuilt(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		v := p.visitor(t)
		accepted := v.cancelledPack()
		cut := v.readPack(accepted.ID)
		require.Equal(t, "cancelled", cut.State)
		require.Positive(t, cut.Cancelled)
		require.Equal(t, 40, cut.Cancelled+cut.Succeeded)
		v.get("/v1/packs/"+accepted.ID+"/download").fails(http.StatusConflict, model.CodeNotReady)

		rebuilt := v.post("/v1/packs/"+accepted.ID+"/rebuild", "").is(http.StatusAccepted).pack()
		events := v.events(rebuilt.Job.ID)
		end := events.rest()
		require.Equal(t, "complete", end[len(end)-1].Type)
		whole := v.readPack(accepted.ID)
		require.Equal(t, 40, whole.Succeeded)
		require.NotNil(t, whole.DownloadURL)
	})
}

// cancelledPack makes a pack and cancels it.
func (v *visitor) cancelledPack() pack {
	v.t.Helper()
	p := v.post("/v1/packs", `{"theme":"drums","count":40,"sample_rate":22050,"channels":1,"bit_depth":16}`).is(http.StatusAccepted).pack()
	v.do(http.MethodDelete, "/v1/jobs/"+p.Job.ID, nil, "X-Requested-With", "patchlab").is(http.StatusOK)
	return p
}

// The longest plan that keeps to the bounds of each field is no body that is too large.
func TestLargestPlan(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{})
	v := p.visitor(t)
	var sounds []string
	for i := range service.MaxPackSounds {
		words := "kick " + strings.Repeat("音", 495)
		sounds = append(sounds, fmt.Sprintf(`{"prompt":%q,"name":"%s%04d","seed":4294967295,"duration":0.05}`, words, strings.Repeat("音", 76), i))
	}
	got := v.post("/v1/packs", `{"sounds":[`+strings.Join(sounds, ",")+`]}`).is(http.StatusAccepted).pack()
	require.Equal(t, service.MaxPackSounds, got.Total)
}

func TestBadPacks(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{})
	v := p.visitor(t)
	for _, tt := range []struct {
		body   string
		fields []string
	}{
		{`{}`, []string{"theme", "count"}},
		{`{"theme":"drums","count":0}`, []string{"count"}},
		{`{"theme":"drums","count":501}`, []string{"count"}},
		{`{"theme":"drums","count":1.5}`, []string{"count"}},
		{`{"theme":"\u0001","count":1}`, []string{"theme"}},
		{`{"sounds":[]}`, []string{"sounds"}},
		{`{"sounds":"kick"}`, []string{"sounds"}},
		{`{"sounds":[` + strings.Repeat(`{"prompt":"a"},`, 500) + `{"prompt":"a"}]}`, []string{"sounds"}},
		{`{"sounds":["kick"]}`, []string{"sounds.0"}},
		{`{"sounds":[{"prompt":"kick"},{"prompt":5,"loud":1}]}`, []string{"sounds.1.loud", "sounds.1.prompt"}},
		{`{"sounds":[{"prompt":"kick","name":"../../etc/passwd"}]}`, []string{"sounds.0.name"}},
		{`{"sounds":[{"prompt":"kick","name":"A"},{"prompt":"kick","name":"a"}]}`, []string{"sounds.1.name"}},
		{`{"sounds":[{"prompt":""}]}`, []string{"sounds.0.prompt"}},
		{`{"sounds":[{"prompt":"kick","seed":-1}]}`, []string{"sounds.0.seed"}},
		{`{"theme":"drums","count":1,"format":"exe"}`, []string{"format"}},
		{`{"theme":"drums","count":1,"name":"con"}`, []string{"name"}},
		{`{"theme":"drums","count":3,"sample_rate":8000}`, []string{"sample_rate"}},
		{`{"sounds":[{"prompt":""},{"prompt":"kick"},{"prompt":"kick"}],"channels":3}`, []string{"sounds.0.prompt", "channels"}},
		{`{"theme":"a\u0000b","sounds":[{"prompt":"kick"}]}`, []string{"theme"}},
		{`{"theme":"` + strings.Repeat("x", 501) + `","sounds":[{"prompt":"kick"}]}`, []string{"theme"}},
		{`{"theme":"\u202e\u200b","count":1}`, []string{"theme"}},
		{`{"sounds":[{"prompt":"kick","name":"e\u0301"},{"prompt":"kick","name":"\u00c9"}]}`, []string{"sounds.1.name"}},
	} {
		v.post("/v1/packs", tt.body).fails(http.StatusUnprocessableEntity, model.CodeInvalid, tt.fields...)
	}
	v.post("/v1/packs", `{"theme":"drums","count":1}`+strings.Repeat(" ", api.MaxPackBody)).fails(http.StatusRequestEntityTooLarge, model.CodeTooLarge)
	v.post("/v1/packs/plan", `{"theme":"a","count":-1}`).fails(http.StatusUnprocessableEntity, model.CodeInvalid, "count")
	require.Zero(t, p.rows(t))
}
