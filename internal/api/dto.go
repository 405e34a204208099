package api

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"patchlab/engine/patch"
	"patchlab/internal/live"
	"patchlab/internal/model"
)

// jobDTO is the schema Job.
type jobDTO struct {
	ID            uuid.UUID      `json:"id"`
	Kind          model.JobKind  `json:"kind"`
	State         model.State    `json:"state"`
	Version       int64          `json:"version"`
	Progress      float64        `json:"progress"`
	Stage         string         `json:"stage"`
	QueuePosition *int           `json:"queue_position"`
	ETASeconds    *float64       `json:"eta_seconds"`
	Sounds        []soundDTO     `json:"sounds"`
	PackID        *uuid.UUID     `json:"pack_id"`
	Total         int            `json:"total"`
	FailedCount   int            `json:"failed_count"`
	Error         *model.Failure `json:"error"`
	Attempts      int            `json:"attempts"`
	RetryOf       *uuid.UUID     `json:"retry_of"`
	CreatedAt     time.Time      `json:"created_at"`
	StartedAt     *time.Time     `json:"started_at"`
	FinishedAt    *time.Time     `json:"finished_at"`
}

// soundDTO is the schema Sound.
type soundDTO struct {
	ID          uuid.UUID       `json:"id"`
	JobID       uuid.UUID       `json:"job_id"`
	Position    int             `json:"position"`
	Prompt      string          `json:"prompt"`
	Name        string          `json:"name"`
	State       model.State     `json:"state"`
	Seed        uint32          `json:"seed"`
	Duration    *float64        `json:"duration"`
	SampleRate  int             `json:"sample_rate"`
	BitDepth    int             `json:"bit_depth"`
	Channels    int             `json:"channels"`
	Format      string          `json:"format"`
	Patch       patch.Patch     `json:"patch"`
	Explanation json.RawMessage `json:"explanation"`
	ParentID    *uuid.UUID      `json:"parent_id"`
	PackID      *uuid.UUID      `json:"pack_id"`
	SizeBytes   *int64          `json:"size_bytes"`
	Error       *model.Failure  `json:"error"`
	CreatedAt   time.Time       `json:"created_at"`
	FinishedAt  *time.Time      `json:"finished_at"`
	ExpiresAt   *time.Time      `json:"expires_at"`
	DownloadURL *string         `json:"download_url"`
	WaveformURL *string         `json:"waveform_url"`
	RecipeURL   string          `json:"recipe_url"`
}

// stages names what a job is doing, for people.
func stage(s model.State) string {
	switch s {
	case model.Queued:
		return "waiting"
	case model.Running:
		return "rendering"
	case model.Succeeded:
		return "done"
	default:
		return string(s)
	}
}

// newJob shows a job; progress may be nil.
func newJob(j *model.Job, progress []model.Progress) jobDTO {
	dto := jobDTO{
		ID: j.ID, Kind: j.Kind, State: j.State, Version: j.Version, Stage: stage(j.State),
		QueuePosition: j.QueuePosition, FailedCount: j.FailedCount, Error: j.Error, Attempts: j.Attempts,
		PackID: j.PackID, Total: j.Total, RetryOf: j.RetryOf, CreatedAt: j.CreatedAt.UTC(), StartedAt: utc(j.StartedAt), FinishedAt: utc(j.FinishedAt),
		Sounds: make([]soundDTO, len(j.Sounds)),
	}
	if j.ETA != nil {
		s := j.ETA.Seconds()
		dto.ETASeconds = &s
	}
	if j.Stage != "" && !j.State.Final() {
		dto.Stage = j.Stage
	}
	if j.PackID != nil {
		// Its sounds are the pack's to list.
		dto.Sounds = []soundDTO{}
		dto.Progress = packProgress(j, progress)
		return dto
	}
	percent := make(map[uuid.UUID]float64, len(progress))
	for _, p := range progress {
		percent[p.SoundID] = p.Percent
	}
	for i := range j.Sounds {
		s := &j.Sounds[i]
		dto.Sounds[i] = newSound(s)
		switch {
		case s.State.Final():
			dto.Progress += 100
		case s.State == model.Running:
			dto.Progress += min(100, max(0, percent[s.ID]))
		}
	}
	if n := len(j.Sounds); n > 0 {
		dto.Progress /= float64(n)
	}
	if j.State.Final() {
		dto.Progress = 100
	}
	return dto
}

// packProgress is how far a pack's job has come: a hundredth is left for its ZIP.
func packProgress(j *model.Job, progress []model.Progress) float64 {
	switch {
	case j.State.Final():
		return 100
	case j.Stage != "" || j.Total == 0:
		return 99
	}
	done := float64(100 * (j.Total - j.Remaining))
	for _, p := range progress {
		done += min(100, max(0, p.Percent))
	}
	return min(99, 0.99*done/float64(j.Total))
}

func newSound(s *model.Sound) soundDTO {
	out := s.Patch.Output
	path := "/v1/sounds/" + s.ID.String()
	dto := soundDTO{
		ID: s.ID, JobID: s.JobID, Position: s.Position, Prompt: s.Prompt, Name: s.Name, State: s.State,
		Seed: s.Patch.Seed, SampleRate: out.SampleRate, BitDepth: out.BitDepth, Channels: out.Channels,
		Format: s.Format, Patch: s.Patch, Explanation: s.Explanation, ParentID: s.ParentID, PackID: s.PackID, Error: s.Error,
		CreatedAt: s.CreatedAt.UTC(), FinishedAt: utc(s.FinishedAt), ExpiresAt: utc(s.ExpiresAt),
		RecipeURL: path + "/recipe",
	}
	if out.Duration > 0 {
		dto.Duration = &out.Duration
	}
	// Audio that was put away is rendered again when it is asked for.
	if s.State == model.Succeeded {
		download, waveform := path+"/download", path+"/waveform"
		dto.DownloadURL, dto.WaveformURL = &download, &waveform
	}
	if a := s.Asset; a != nil {
		seconds := float64(a.Frames) / float64(a.SampleRate)
		dto.Duration, dto.SizeBytes = &seconds, &a.Size
	}
	return dto
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// jobMessage is the schema MessageJob.
type jobMessage struct {
	Type    live.Type `json:"type"`
	JobID   uuid.UUID `json:"job_id"`
	Version int64     `json:"version"`
	Job     jobDTO    `json:"job"`
}

// progressMessage is the schema MessageProgress.
type progressMessage struct {
	Type          string     `json:"type"`
	JobID         uuid.UUID  `json:"job_id"`
	SoundID       *uuid.UUID `json:"sound_id"` // nil: of all that wait in a pack
	Attempt       int        `json:"attempt"`
	Stage         string     `json:"stage"`
	Percent       float64    `json:"percent"`
	Frames        int64      `json:"frames"`
	Total         int64      `json:"total"`
	QueuePosition *int       `json:"queue_position"`
	ETASeconds    *float64   `json:"eta_seconds"`
}

// waveformMessage is the schema MessageWaveform.
type waveformMessage struct {
	Type    string    `json:"type"`
	JobID   uuid.UUID `json:"job_id"`
	SoundID uuid.UUID `json:"sound_id"`
	Attempt int       `json:"attempt"`
	Frames  int64     `json:"frames"`
	Total   int64     `json:"total"`
	Peaks   []int     `json:"peaks"`
}

// takeMessage is the schema MessageTake.
type takeMessage struct {
	Type    live.Type `json:"type"`
	JobID   uuid.UUID `json:"job_id"`
	Version int64     `json:"version"`
	Sound   soundDTO  `json:"sound"`
}

// event is one message as it goes to a client.
type event struct {
	name string
	body any
}

// eventsOf turns a message of the hub into what clients are told.
func eventsOf(m live.Message) []event {
	switch m.Type {
	case live.Take:
		return []event{{string(m.Type), takeMessage{m.Type, m.JobID, m.Version, newSound(m.Sound)}}}
	case live.Progress:
		return progressEvents(m)
	case live.Snapshot, live.Complete, live.Failed, live.Cancelled:
		all := []event{{string(m.Type), jobMessage{m.Type, m.JobID, m.Version, newJob(m.Job, m.Progress)}}}
		return append(all, progressEvents(m)...)
	default:
		return nil
	}
}

func progressEvents(m live.Message) []event {
	out := make([]event, 0, 2*len(m.Progress))
	for _, p := range m.Progress {
		msg := progressMessage{
			Type: "progress", JobID: p.JobID, Attempt: p.Attempt, Stage: p.Stage,
			Percent: p.Percent, Frames: p.Frames, Total: p.Total,
		}
		if p.SoundID != uuid.Nil {
			msg.SoundID = &p.SoundID
		}
		if m.Job != nil {
			msg.QueuePosition = m.Job.QueuePosition
			if m.Job.ETA != nil {
				s := m.Job.ETA.Seconds()
				msg.ETASeconds = &s
			}
		}
		out = append(out, event{"progress", msg})
		if len(p.Peaks) > 0 {
			out = append(out, event{"waveform", waveformMessage{"waveform", p.JobID, p.SoundID, p.Attempt, p.Frames, p.Total, p.Peaks}})
		}
	}
	return out
}
