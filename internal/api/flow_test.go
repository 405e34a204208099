package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/testenv/backing"
)

// long is a request whose render takes some seconds at the speed of the slow plant.
func long(seed int) string {
	return fmt.Sprintf(`{"prompt":"deep bass","seed":%d,"duration":2,"sample_rate":22050,"bit_depth":16,"channels":1}`, seed)
}

// TestGenerate follows requests through the fast farm.
func TestGenerate(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 2})

		t.Run("202, then the stream to the end", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			a := v.generate(`{"prompt":"coin pickup","variations":3,"duration":0.1,"seed":5}`).is(http.StatusAccepted)
			j := a.job()
			require.Equal(t, "/v1/jobs/"+j.ID, a.header.Get("Location"))
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			require.Len(t, j.Sounds, 3)
			all := v.events(j.ID).rest()
			require.Equal(t, "snapshot", all[0].Type)
			last := all[len(all)-1]
			require.Equal(t, "complete", last.Type)
			require.Equal(t, "succeeded", last.Job.State)
			require.InDelta(t, 100, last.Job.Progress, 0)
			require.Len(t, last.Job.Sounds, 3, "the last event carries the whole job")
			version := int64(0)
			for _, m := range all {
				require.Equal(t, j.ID, m.JobID)
				if m.Type == "progress" || m.Type == "waveform" {
					require.Empty(t, m.eventID, "what may be lost is no place to resume from")
					continue
				}
				if m.Type != "complete" && m.Version == last.Version {
					require.Empty(t, m.eventID, "who resumes here has not had the end")
				} else {
					require.Equal(t, fmt.Sprint(m.Version), m.eventID)
				}
				require.GreaterOrEqual(t, m.Version, version)
				version = m.Version
			}
			for i, s := range last.Job.Sounds {
				require.Equal(t, i, s.Position)
				require.Equal(t, "succeeded", s.State)
				require.Equal(t, "/v1/sounds/"+s.ID+"/download", *s.DownloadURL)
				require.InDelta(t, 0.1, *s.Duration, 1e-4)
				v.get(*s.DownloadURL).is(http.StatusOK)
				v.get(*s.WaveformURL).is(http.StatusOK)
				v.get(s.RecipeURL).is(http.StatusOK)
			}
			again := v.get("/v1/jobs/" + j.ID).is(http.StatusOK).job()
			require.Equal(t, last.Job, again)

			// A stream of what is over: all of it at once, or nothing.
			require.Equal(t, []string{"snapshot", "complete"}, types(v.events(j.ID).rest()))
			require.Equal(t, []string{"snapshot", "complete"}, types(v.events(j.ID, "Last-Event-ID", "1").rest()))
			require.Equal(t, []string{"snapshot", "complete"}, types(v.events(j.ID, "Last-Event-ID", "rubbish").rest()))
			over := v.get("/v1/jobs/"+j.ID+"/events", "Last-Event-ID", last.eventID).is(http.StatusNoContent)
			require.Empty(t, over.body, "204 tells an EventSource to stop")
		})

		t.Run("wait until it is done", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			a := v.generate(short, "Prefer", "respond-async, wait=30").is(http.StatusCreated)
			require.Equal(t, "wait=30", a.header.Get("Preference-Applied"))
			var done struct {
				Job    job
				Sounds []sound
			}
			a.into(&done)
			require.Equal(t, done.Job.Sounds, done.Sounds)
			require.Equal(t, "/v1/jobs/"+done.Job.ID, a.header.Get("Location"))
			require.Equal(t, uint32(7), done.Sounds[0].Seed)
			require.Equal(t, 22050, done.Sounds[0].SampleRate)
			require.Equal(t, 16, done.Sounds[0].BitDepth)
			require.Equal(t, 1, done.Sounds[0].Channels)
			a = v.generate(short, "Prefer", "wait=3600", "Idempotency-Key", "x").is(http.StatusCreated)
			require.Equal(t, "wait=60", a.header.Get("Preference-Applied"), "more is cut")
			v.generate(short, "Idempotency-Key", "x").is(http.StatusCreated)
		})

		t.Run("defaults, overrides and a drawn seed", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			j := v.generate(`{"prompt":"kick","overrides":{"layers.0.filter.cutoff":812},"variations":null}`).is(http.StatusAccepted).job()
			s := j.Sounds[0]
			require.Equal(t, 48000, s.SampleRate)
			require.Equal(t, 24, s.BitDepth)
			require.Equal(t, 2, s.Channels)
			require.Equal(t, "kick", s.Prompt)
			require.Contains(t, string(v.get(s.RecipeURL).is(http.StatusOK).body), `"cutoff":812`)
			other := v.generate(`{"prompt":"kick"}`).is(http.StatusAccepted).job()
			require.NotEqual(t, s.Seed, other.Sounds[0].Seed)
		})

		t.Run("the last of what is allowed", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			v.generate(`{"prompt":"` + strings.Repeat("ä", 500) + `","duration":0.05}`).is(http.StatusAccepted)
			v.generate(`{"prompt":"kick","duration":0.05,"seed":4294967295,"variations":8,"sample_rate":96000,"bit_depth":32,"channels":2}`).is(http.StatusAccepted)
			v.generate(short, "Idempotency-Key", strings.Repeat("k", 200)).is(http.StatusAccepted)
		})

		t.Run("a recipe is the same before and after", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			var before, after struct{ Engine, Encoder, Format, Digest string }
			j := v.generate(`{"prompt":"bell","duration":0.2}`).is(http.StatusAccepted).job()
			v.get(j.Sounds[0].RecipeURL).is(http.StatusOK).into(&before)
			v.events(j.ID).rest()
			v.get(j.Sounds[0].RecipeURL).is(http.StatusOK).into(&after)
			require.Equal(t, before, after)
			require.Len(t, after.Digest, 64)
		})

		t.Run("the list", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			v.get("/v1/sounds").is(http.StatusOK)
			var ids []string
			for range 2 {
				for _, s := range v.generate(`{"prompt":"kick","duration":0.05,"variations":3}`).is(http.StatusAccepted).job().Sounds {
					ids = append(ids, s.ID)
				}
			}
			var seen []string
			cursor := ""
			for pages := 0; ; pages++ {
				require.Less(t, pages, 4)
				var page struct {
					Items      []sound
					NextCursor *string `json:"next_cursor"`
				}
				v.get("/v1/sounds?limit=2" + cursor).is(http.StatusOK).into(&page)
				for _, s := range page.Items {
					seen = append(seen, s.ID)
				}
				if page.NextCursor == nil {
					break
				}
				cursor = "&cursor=" + *page.NextCursor
			}
			require.ElementsMatch(t, ids, seen)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(seen))), 6, "each once")
			v.get("/v1/sounds?limit=100").is(http.StatusOK)
			var empty struct{ Items []sound }
			p.visitor(t).get("/v1/sounds").is(http.StatusOK).into(&empty)
			require.Empty(t, empty.Items, "another visitor has none")
			require.NotNil(t, empty.Items, "an empty list is a list")
		})

		t.Run("interpret", func(t *testing.T) {
			t.Parallel()
			v := p.nobody(t)
			for _, words := range []string{"deep wobble bass, two seconds", "xyzzy", "very bright bell with a slightly noisy kick, 0.5 s", "🎺 brass?", "a & b = c"} {
				var in struct {
					Prompt     string
					Words      []struct{ Start, End int }
					Confidence float64
					Patch      struct{ Seed uint32 }
				}
				a := v.get("/v1/interpret?seed=9&prompt=" + urlEncode(words)).is(http.StatusOK)
				a.into(&in)
				require.Equal(t, words, in.Prompt)
				require.Equal(t, uint32(9), in.Patch.Seed)
				require.Empty(t, a.header.Values("Set-Cookie"), "nobody becomes a visitor by typing")
			}
		})

		t.Run("a socket", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			s := v.dial(t)
			s.send(`{"type":"ping"}`)
			require.Equal(t, "pong", s.next().Type)
			s.send(`{"type":"generate","request_id":"mine","prompt":"kick, two takes","variations":2,"duration":0.1}`)
			accepted := s.next()
			require.Equal(t, "accepted", accepted.Type)
			require.Equal(t, "mine", accepted.RequestID)
			interpreted := s.next()
			require.Equal(t, "interpreted", interpreted.Type)
			require.Equal(t, accepted.Job.ID, interpreted.JobID)
			require.Positive(t, interpreted.Interpretation.Confidence)
			all := s.until("complete")
			require.Equal(t, "snapshot", all[0].Type)
			require.Len(t, all[len(all)-1].Job.Sounds, 2)
			// Said twice, after a reconnect, it means the same.
			s.send(`{"type":"generate","request_id":"mine","prompt":"kick, two takes","variations":2,"duration":0.1}`)
			require.Equal(t, accepted.Job.ID, s.next().Job.ID)
			s.until("complete")
			// Unsubscribing from what is over, and from what never was.
			s.send(`{"type":"unsubscribe","job_id":"` + accepted.Job.ID + `"}`)
			require.Equal(t, "unsubscribed", s.next().Type)
			s.send(`{"type":"subscribe","job_id":"` + accepted.Job.ID + `"}`)
			require.Equal(t, []string{"snapshot", "complete"}, types(s.until("complete")))
			s.close()
		})

		t.Run("a newcomer's socket", func(t *testing.T) {
			t.Parallel()
			v := p.nobody(t)
			s := v.dial(t)
			require.Contains(t, s.response.Header.Get("Set-Cookie"), "patchlab_anon=", "the handshake makes a visitor")
			s.send(`{"type":"generate","prompt":"kick","duration":0.05}`)
			require.Equal(t, "accepted", s.next().Type)
			s.until("complete")
			s.close()
		})
	})
}

// TestWatching watches renders that take their time.
func TestWatching(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		// Four seconds a render: what is to be seen while one runs is seen on a busy machine too.
		p := start(t, on, setup{slots: 16, speed: 0.5})

		t.Run("a wait shorter than the render", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			for _, wait := range []string{"wait=0", "wait=1"} {
				a := v.generate(long(1), "Prefer", wait).is(http.StatusAccepted)
				require.Equal(t, wait, a.header.Get("Preference-Applied"))
				require.NotEqual(t, "succeeded", a.job().State)
			}
		})

		t.Run("progress and waveforms grow", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			j := v.generate(long(2)).is(http.StatusAccepted).job()
			s := v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
			all := s.until("complete")
			require.Equal(t, "snapshot", all[0].Type)
			var percent float64
			var frames int64
			var bars, took int
			for _, m := range all {
				switch m.Type {
				case "progress":
					require.GreaterOrEqual(t, m.Percent, percent)
					percent = m.Percent
				case "waveform":
					require.GreaterOrEqual(t, m.Frames, frames)
					require.GreaterOrEqual(t, len(m.Peaks), bars)
					frames, bars = m.Frames, len(m.Peaks)
				case "take":
					took++
					require.Equal(t, j.Sounds[0].ID, m.Sound.ID)
					require.Equal(t, "succeeded", m.Sound.State)
				}
			}
			require.Positive(t, percent)
			require.Positive(t, bars)
			require.Equal(t, 1, took)
			require.Equal(t, "take", all[len(all)-2].Type)
			require.Empty(t, s.audio, "nobody asked for it")
			s.close()
		})

		t.Run("who comes back mid-render starts from a snapshot with progress", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			j := v.generate(long(3)).is(http.StatusAccepted).job()
			s := v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
			s.until("waveform")
			require.NoError(t, s.conn.Close()) // as a lost network does

			s = v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
			first := s.next()
			require.Equal(t, "snapshot", first.Type)
			require.Equal(t, "running", first.Job.State)
			require.Positive(t, first.Job.Progress)
			require.Equal(t, "progress", s.next().Type)
			wave := s.next()
			require.Equal(t, "waveform", wave.Type)
			require.NotEmpty(t, wave.Peaks)

			// And so does a stream, beside the socket: both see the end.
			events := v.events(j.ID, "Last-Event-ID", "1")
			m, ok := events.next()
			require.True(t, ok)
			require.Equal(t, "snapshot", m.Type)
			require.Positive(t, m.Job.Progress)
			end := events.rest()
			require.Equal(t, "complete", end[len(end)-1].Type)
			all := s.until("complete")
			require.Equal(t, end[len(end)-1].Job, all[len(all)-1].Job)
			s.close()
		})

		t.Run("preview audio", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			j := v.generate(long(4)).is(http.StatusAccepted).job()
			s := v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `","audio":true}`)
			s.until("complete")
			require.NotEmpty(t, s.audio)
			next := s.audio[0].offset
			loud := false
			for _, c := range s.audio {
				require.Equal(t, j.ID, c.job.String())
				require.Equal(t, j.Sounds[0].ID, c.sound.String())
				require.Equal(t, uint32(1), c.attempt)
				require.Equal(t, next, c.offset, "each goes on where the one before ended")
				require.NotEmpty(t, c.pcm)
				next += uint32(len(c.pcm))
				loud = loud || slices.Max(c.pcm) > 1000
			}
			require.True(t, loud)
			require.LessOrEqual(t, next, uint32(2*model.PreviewRate))
			s.close()
		})

		t.Run("not ready", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			id := v.generate(long(5)).is(http.StatusAccepted).job().Sounds[0].ID
			for _, what := range []string{"/download", "/waveform"} {
				a := v.get("/v1/sounds/"+id+what).fails(http.StatusConflict, model.CodeNotReady)
				require.NotEmpty(t, a.header.Get("Retry-After"))
				require.Empty(t, a.header.Get("ETag"))
			}
		})

		t.Run("unsubscribe mid-render", func(t *testing.T) {
			t.Parallel()
			v := p.visitor(t)
			j := v.generate(long(6)).is(http.StatusAccepted).job()
			s := v.dial(t)
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
			s.until("progress")
			s.send(`{"type":"unsubscribe","job_id":"` + j.ID + `"}`)
			s.until("unsubscribed")
			require.NoError(t, s.conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
			_, data, err := s.conn.ReadMessage()
			require.Error(t, err, "no more of it: %s", data)
		})
	})
}

// TestASocketWatches64Jobs and no more.
func TestASocketWatches64Jobs(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{}) // nothing ends here
		v := p.visitor(t)
		s := v.dial(t)
		for i := range 64 {
			j := v.generate(long(1000 + i)).is(http.StatusAccepted).job()
			s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
		}
		s.send(`{"type":"generate","request_id":"one more","prompt":"kick"}`)
		all := s.until("error")
		last := all[len(all)-1]
		require.Equal(t, "conflict", last.Problem.Code)
		require.NotEmpty(t, last.JobID, "the job is accepted all the same")
		s.close()
	})
}

// TestDrain ends what is open when the server stops.
func TestDrain(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1, speed: 0.1})
		v := p.visitor(t)
		j := v.generate(long(1)).is(http.StatusAccepted).job()
		s := v.dial(t)
		s.send(`{"type":"subscribe","job_id":"` + j.ID + `"}`)
		s.until("snapshot")
		idle := v.dial(t)
		events := v.events(j.ID)
		_, ok := events.next()
		require.True(t, ok)
		waiting := make(chan answer)
		go func() { waiting <- v.generate(long(2), "Prefer", "wait=60") }()
		require.Eventually(t, func() bool { return strings.Count(p.log.String(), `"method":"POST"`) == 1 && p.jobs(t) == 2 }, patience, 5*time.Millisecond)

		drained := make(chan struct{})
		go func() {
			defer close(drained)
			p.api.Drain()
		}()
		s.closed(websocket.CloseServiceRestart)
		idle.closed(websocket.CloseServiceRestart)
		for _, m := range events.rest() {
			require.NotEqual(t, "complete", m.Type)
		}
		(<-waiting).is(http.StatusAccepted)
		select {
		case <-drained:
		case <-time.After(patience):
			require.Fail(t, "Drain does not return")
		}
		_, res, err := v.tryDial(http.Header{})
		require.ErrorIs(t, err, websocket.ErrBadHandshake)
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, p.server.Shutdown(ctx), "no stream keeps the server")
	})
}

// TestDrainWaitsForNobody: a client that does not answer a close is given up.
func TestDrainWaitsForNobody(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		p.visitor(t).dial(t) // reads nothing
		begin := time.Now()
		p.api.Drain()
		require.Less(t, time.Since(begin), 5*time.Second)
	})
}

func (p *plant) jobs(t testing.TB) int {
	t.Helper()
	var n int
	require.NoError(t, p.DB.Reader().Get(t.Context(), &n, `SELECT count(*) FROM jobs`))
	return n
}

// TestExpiry lets a sound's time run out.
func TestExpiry(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1, service: service.Config{AnonymousTTL: time.Hour}})
		v := p.visitor(t)
		s := v.rendered()
		p.later.Store(int64(time.Hour + time.Minute))
		for _, what := range []string{"/download", "/waveform"} {
			v.get("/v1/sounds/"+s.ID+what).fails(http.StatusGone, model.CodeGone)
		}
		v.get(s.RecipeURL).is(http.StatusOK)
		_, _, err := p.keeper.ExpireAnonymous(t.Context())
		require.NoError(t, err)
		for _, what := range []string{"", "/download", "/waveform", "/recipe"} {
			v.get("/v1/sounds/"+s.ID+what).fails(http.StatusNotFound, model.CodeNotFound)
		}
		v.get("/v1/jobs/"+s.JobID).fails(http.StatusNotFound, model.CodeNotFound)
	})
}

// TestQuota fills an owner's queue.
func TestQuota(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{service: service.Config{MaxQueued: 3}})
		v := p.visitor(t)
		v.generate(`{"prompt":"kick","variations":3}`).is(http.StatusAccepted)
		rows := p.rows(t)
		a := v.generate(`{"prompt":"kick"}`).fails(http.StatusTooManyRequests, model.CodeQuota)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.Equal(t, rows, p.rows(t), "something was written")
		p.visitor(t).generate(`{"prompt":"kick"}`).is(http.StatusAccepted)
	})
}

// TestWithoutRedis: requests are still accepted, and health tells.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		var health struct {
			Status, Version string
			Parts           map[string]struct{ Status, Detail string }
		}
		v.get("/api/health").is(http.StatusOK).into(&health)
		require.Equal(t, "ok", health.Status)
		require.Len(t, health.Parts, 3)
		p.StopRedis()
		a := v.get("/api/health").is(http.StatusServiceUnavailable)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		a.into(&health)
		require.Equal(t, "down", health.Status)
		require.Equal(t, "down", health.Parts["redis"].Status)
		require.Equal(t, "ok", health.Parts["database"].Status)
		require.NotContains(t, string(a.body), "127.0.0.1", "nothing of the inside shows")

		j := v.generate(short).is(http.StatusAccepted).job()
		v.generate(short, "Prefer", "wait=1").is(http.StatusAccepted)
		m, ok := v.events(j.ID).next()
		require.True(t, ok)
		require.Equal(t, "snapshot", m.Type)
		require.Equal(t, "queued", m.Job.State)
	})
}

// TestJobsSurviveJSON: what a socket sends of a job is what GET answers.
func TestJobsSurviveJSON(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{})
		v := p.visitor(t)
		j := v.generate(`{"prompt":"Glöckchen <b>&\u2028 hell","variations":2}`).is(http.StatusAccepted).job()
		var whole struct{ Job json.RawMessage }
		v.get("/v1/jobs/" + j.ID).is(http.StatusOK).into(&whole)
		m, ok := v.events(j.ID).next()
		require.True(t, ok)
		var got job
		require.NoError(t, json.Unmarshal(whole.Job, &got))
		require.Equal(t, got, m.Job)
		require.Equal(t, "Glöckchen <b>&\u2028 hell", got.Sounds[0].Prompt)
	})
}
