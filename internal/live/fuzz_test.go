package live

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/internal/model"
)

// still is a database that cannot be read.
type still struct{}

var errStill = errors.New("cannot be read")

func (still) JobByID(context.Context, uuid.UUID, int64) (model.Job, error) {
	return model.Job{}, errStill
}

func (still) JobVersions(context.Context, []uuid.UUID) (map[uuid.UUID]int64, error) {
	return nil, errStill
}

// FuzzHeard sends anything on the channels of a watched job: nothing may panic,
// and what gets through must be in range.
func FuzzHeard(f *testing.F) {
	id := uuid.MustParse("01920000-0000-7000-8000-000000000001")
	sound := uuid.MustParse("01920000-0000-7000-8000-000000000002")
	f.Add(jobChannel(id), "v12")
	f.Add(jobChannel(id), `p{"job_id":"`+id.String()+`","sound_id":"`+sound.String()+`","percent":50,"frames":1,"total":2}`)
	f.Add(audioChannel(id), string(encodeChunk(model.AudioChunk{SoundID: sound, Offset: 3, PCM: []int16{1, -1}})))
	f.Add("live:job:", "")
	f.Fuzz(func(t *testing.T, channel, payload string) {
		h := NewHub(nil, still{}, HubConfig{})
		s := newSubscription(h, id, true)
		w, err := h.add(s)
		require.NoError(t, err)
		h.apply(w, &model.Job{ID: id, Version: 1, Sounds: []model.Sound{{ID: sound, State: model.Running}}})
		s.pushState(w.snapshot())
		_ = h.heard(context.Background(), channel, payload)
		h.work.Wait()
		_, _ = decodeStored(id, payload)
		for _, m := range s.progress {
			p := m.Progress[0]
			if p.JobID != id || !(p.Percent >= 0 && p.Percent <= 100) || p.Frames < 0 || len(p.Peaks) > 2*model.PeakBuckets {
				t.Fatalf("out of range: %+v", p)
			}
		}
	})
}
