package live

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"patchlab/internal/model"
)

// The names of channels and keys.
const (
	jobPrefix       = "live:job:"      // channel: versions and progress of a job
	audioPrefix     = "live:audio:"    // channel: preview PCM of a job
	progressPrefix  = "live:progress:" // hash: sound → the newest progress
	cancelChannel   = "live:cancel"    // channel: ids of tasks that workers are to stop
	settingsChannel = "live:settings"  // channel: workers are to read the settings
	probeChannel    = "live:probe"     // nobody subscribes to it: a question whether Redis is there
)

// A publication on a job's channel begins with one of these.
const (
	markVersion  = 'v' // then the version in decimal
	markProgress = 'p' // then model.Progress as JSON
)

func jobChannel(id uuid.UUID) string   { return jobPrefix + id.String() }
func audioChannel(id uuid.UUID) string { return audioPrefix + id.String() }
func progressKey(id uuid.UUID) string  { return progressPrefix + id.String() }

// splitChannel returns the job of a channel, and whether it carries audio.
func splitChannel(name string) (id uuid.UUID, audio bool, err error) {
	rest, ok := strings.CutPrefix(name, jobPrefix)
	if !ok {
		if rest, audio = strings.CutPrefix(name, audioPrefix); !audio {
			return uuid.Nil, false, errors.New("not a channel of ours")
		}
	}
	id, err = uuid.Parse(rest)
	return id, audio, err
}

func encodeIDs(ids []uuid.UUID) []byte {
	b := make([]byte, 0, len(ids)*len(uuid.UUID{}))
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return b
}

func decodeIDs(payload string) ([]uuid.UUID, error) {
	const size = len(uuid.UUID{})
	if len(payload)%size != 0 {
		return nil, errors.New("decode ids: cut short")
	}
	ids := make([]uuid.UUID, len(payload)/size)
	for i := range ids {
		copy(ids[i][:], payload[i*size:])
	}
	return ids, nil
}

func decodeVersion(payload string) (int64, error) { return strconv.ParseInt(payload, 10, 64) }

// decodeProgress reads progress of the given job.
func decodeProgress(jobID uuid.UUID, payload string) (model.Progress, error) {
	var p model.Progress
	if err := json.Unmarshal([]byte(payload), &p); err != nil {
		return p, fmt.Errorf("decode progress: %w", err)
	}
	switch {
	case p.JobID != jobID || p.SoundID == uuid.Nil:
		return p, errors.New("decode progress: of another job")
	case !(p.Percent >= 0 && p.Percent <= 100) || p.Frames < 0 || p.Total < p.Frames || p.Attempt < 0 ||
		len(p.Peaks) > 2*model.PeakBuckets:
		return p, errors.New("decode progress: out of range")
	}
	return p, nil
}

// A stored progress is "<attempt> <frames> <thousandths of a percent> <JSON>":
// the three numbers are its order, for the script that keeps the newest.
func decodeStored(jobID uuid.UUID, value string) (model.Progress, error) {
	at := strings.IndexByte(value, '{')
	if at < 0 {
		return model.Progress{}, errors.New("decode stored progress: no JSON")
	}
	return decodeProgress(jobID, value[at:])
}

// chunkHeader is the length in bytes of what stands before the samples: sound,
// attempt and offset.
const chunkHeader = 16 + 4 + 8

func encodeChunk(c model.AudioChunk) []byte {
	b := make([]byte, chunkHeader, chunkHeader+2*len(c.PCM))
	copy(b, c.SoundID[:])
	binary.LittleEndian.PutUint32(b[16:], uint32(c.Attempt))
	binary.LittleEndian.PutUint64(b[20:], uint64(c.Offset))
	for _, s := range c.PCM {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

func decodeChunk(jobID uuid.UUID, payload string) (model.AudioChunk, error) {
	if len(payload) < chunkHeader || (len(payload)-chunkHeader)%2 != 0 {
		return model.AudioChunk{}, errors.New("decode audio: wrong length")
	}
	b := []byte(payload)
	c := model.AudioChunk{
		JobID:   jobID,
		SoundID: uuid.UUID(b[:16]),
		Attempt: int(binary.LittleEndian.Uint32(b[16:])),
		Offset:  int64(binary.LittleEndian.Uint64(b[20:])),
		PCM:     make([]int16, (len(b)-chunkHeader)/2),
	}
	if c.Offset < 0 {
		return model.AudioChunk{}, errors.New("decode audio: negative offset")
	}
	for i := range c.PCM {
		c.PCM[i] = int16(binary.LittleEndian.Uint16(b[chunkHeader+2*i:]))
	}
	return c, nil
}
