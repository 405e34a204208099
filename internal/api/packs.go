package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"patchlab/internal/model"
	"patchlab/internal/service"
)

// packDTO is the schema Pack.
type packDTO struct {
	ID          uuid.UUID      `json:"id"`
	Name        string         `json:"name"`
	Theme       string         `json:"theme"`
	Format      string         `json:"format"`
	State       model.State    `json:"state"`
	Total       int            `json:"total"`
	Succeeded   int            `json:"succeeded"`
	Failed      int            `json:"failed"`
	Cancelled   int            `json:"cancelled"`
	Job         jobDTO         `json:"job"`
	SizeBytes   *int64         `json:"size_bytes"`
	DownloadURL *string        `json:"download_url"`
	CreatedAt   time.Time      `json:"created_at"`
	ExpiresAt   *time.Time     `json:"expires_at"`
	Sounds      []packSoundDTO `json:"sounds,omitempty"`
}

// packSoundDTO is the schema PackSound.
type packSoundDTO struct {
	ID          uuid.UUID      `json:"id"`
	Position    int            `json:"position"`
	Name        string         `json:"name"`
	Prompt      string         `json:"prompt"`
	State       model.State    `json:"state"`
	Source      string         `json:"source"`
	Peaks       []int          `json:"peaks"`
	Duration    *float64       `json:"duration"`
	SizeBytes   *int64         `json:"size_bytes"`
	Error       *model.Failure `json:"error"`
	DownloadURL *string        `json:"download_url"`
	WaveformURL *string        `json:"waveform_url"`
}

func newPack(p *model.Pack, sounds []model.PackSound) packDTO {
	dto := packDTO{
		ID: p.ID, Name: p.Name, Theme: p.Theme, Format: p.Format, State: p.Job.State, Total: p.Total,
		Succeeded: p.Counts[model.Succeeded], Failed: p.Counts[model.Failed], Cancelled: p.Counts[model.Cancelled],
		Job: newJob(&p.Job, nil), CreatedAt: p.CreatedAt.UTC(), ExpiresAt: utc(p.ExpiresAt),
	}
	// One that was put away is made again when it is asked for.
	if p.Asset != nil || p.Job.State == model.Succeeded {
		download := "/v1/packs/" + p.ID.String() + "/download"
		dto.DownloadURL = &download
	}
	if p.Asset != nil {
		dto.SizeBytes = &p.Asset.Size
	}
	for i := range sounds {
		s := &sounds[i]
		out := packSoundDTO{ID: s.ID, Position: s.Position, Name: s.Name, Prompt: s.Prompt, State: s.State, Source: s.Source, Peaks: make([]int, len(s.Peaks)), Error: s.Error}
		for k, v := range s.Peaks {
			out.Peaks[k] = int(v)
		}
		if s.State == model.Succeeded {
			path := "/v1/sounds/" + s.ID.String()
			download, waveform := path+"/download", path+"/waveform"
			out.DownloadURL, out.WaveformURL = &download, &waveform
		}
		if s.Size > 0 {
			seconds := s.Length.Seconds()
			out.SizeBytes, out.Duration = &s.Size, &seconds
		}
		dto.Sounds = append(dto.Sounds, out)
	}
	return dto
}

// planPack handles POST /v1/packs/plan.
func (a *API) planPack(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	r, _, err := a.order(c, MaxBody)
	if err != nil {
		return err
	}
	theme, _ := r.text("theme")
	count, _ := r.integer("count")
	if err := r.rest(); err != nil {
		return err
	}
	name, sounds, err := a.opt.Farm.PlanPack(c.Request.Context(), theme, count)
	if err != nil {
		return fmt.Errorf("plan a pack: %w", err)
	}
	type planned struct {
		Name   string `json:"name"`
		Prompt string `json:"prompt"`
	}
	out := struct {
		Name   string    `json:"name"`
		Theme  string    `json:"theme"`
		Sounds []planned `json:"sounds"`
	}{name, theme, make([]planned, len(sounds))}
	for i, s := range sounds {
		out.Sounds[i] = planned{s.Name, s.Prompt}
	}
	return a.reply(c, http.StatusOK, out)
}

// createPack handles POST /v1/packs.
func (a *API) createPack(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	r, key, err := a.order(c, MaxPackBody)
	if err != nil {
		return err
	}
	req := readPack(r)
	if err := r.rest(); err != nil {
		return err
	}
	hash, err := requestHash(req)
	if err != nil {
		return err
	}
	pack, err := a.opt.Farm.CreatePack(c.Request.Context(), caller(c), req, key, hash)
	if err != nil {
		return fmt.Errorf("accept a pack: %w", err)
	}
	return a.building(c, &pack)
}

// building answers a request to build a pack.
func (a *API) building(c *gin.Context, pack *model.Pack) error {
	c.Header("Location", "/v1/jobs/"+pack.Job.ID.String())
	dto := newPack(pack, nil)
	return a.reply(c, http.StatusAccepted, map[string]any{"job": dto.Job, "pack": dto})
}

// readPack takes the fields of a PackRequest. Ranges are left to the farm.
func readPack(r *reader) service.PackRequest {
	req := service.PackRequest{Format: "wav"}
	for name, field := range map[string]*string{"name": &req.Name, "theme": &req.Theme, "format": &req.Format} {
		if s, ok := r.text(name); ok {
			*field = s
		}
	}
	if n, ok := r.integer("count"); ok {
		if req.Count = n; n == 0 {
			r.fault("count", "must be 1 to %d sounds", service.MaxPackSounds)
		}
	}
	if n, ok := r.whole("seed", 0, math.MaxUint32); ok {
		seed := uint32(n)
		req.Seed = &seed
	}
	for name, field := range map[string]**int{"sample_rate": &req.SampleRate, "bit_depth": &req.BitDepth, "channels": &req.Channels} {
		if n, ok := r.integer(name); ok {
			*field = &n
		}
	}
	if raw, ok := r.take("sounds"); ok {
		req.Sounds = readPackSounds(r, raw)
	}
	return req
}

// readPackSounds takes the sounds of a plan.
func readPackSounds(r *reader, raw json.RawMessage) []service.PackSound {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		r.fault("sounds", "must be a list of sounds, each with a prompt")
		return nil
	}
	if n := len(items); n == 0 || n > service.MaxPackSounds {
		r.fault("sounds", "has %d sounds: send 1 to %d", n, service.MaxPackSounds)
		return nil
	}
	sounds := make([]service.PackSound, len(items))
	for i, item := range items {
		field := "sounds." + strconv.Itoa(i)
		fields, err := parseObject(item)
		var e *model.Error
		switch {
		case errors.As(err, &e) && len(e.Fields) > 0:
			for _, f := range e.Fields {
				r.fault(field+"."+f.Field, "%s", f.Message)
			}
			continue
		case err != nil:
			r.fault(field, "must be an object with a prompt")
			continue
		}
		one := &reader{fields: fields}
		s := &sounds[i]
		s.Prompt, _ = one.text("prompt")
		s.Name, _ = one.text("name")
		if x, ok := one.number("duration"); ok {
			s.Duration = &x
		}
		if n, ok := one.whole("seed", 0, math.MaxUint32); ok {
			seed := uint32(n)
			s.Seed = &seed
		}
		if errors.As(one.rest(), &e) {
			for _, f := range e.Fields {
				r.fault(field+"."+f.Field, "%s", f.Message)
			}
		}
	}
	return sounds
}

// packs handles GET /v1/packs.
func (a *API) packs(c *gin.Context) error {
	cursor, limit, err := pageOf(c)
	if err != nil {
		return err
	}
	items, next, err := a.opt.Library.Packs(c.Request.Context(), caller(c), cursor, limit)
	if err != nil {
		return fmt.Errorf("list packs: %w", err)
	}
	list := struct {
		Items      []packDTO `json:"items"`
		NextCursor *string   `json:"next_cursor"`
	}{Items: make([]packDTO, len(items))}
	for i := range items {
		list.Items[i] = newPack(&items[i], nil)
	}
	if next != "" {
		list.NextCursor = &next
	}
	return a.reply(c, http.StatusOK, list)
}

// pack handles GET /v1/packs/{id}.
func (a *API) pack(c *gin.Context) error {
	packID, err := bareID(c)
	if err != nil {
		return err
	}
	pack, sounds, err := a.opt.Library.Pack(c.Request.Context(), caller(c), packID)
	if err != nil {
		return fmt.Errorf("read pack: %w", err)
	}
	return a.reply(c, http.StatusOK, newPack(&pack, sounds))
}

// deletePack handles DELETE /v1/packs/{id}.
func (a *API) deletePack(c *gin.Context) error {
	packID, err := bareID(c)
	if err != nil {
		return err
	}
	if err := a.opt.Farm.DeletePack(c.Request.Context(), caller(c), packID); err != nil {
		return fmt.Errorf("delete pack: %w", err)
	}
	return a.nothing(c)
}

// undeletePack handles POST /v1/packs/{id}/restore.
func (a *API) undeletePack(c *gin.Context) error {
	packID, err := bareID(c)
	if err != nil {
		return err
	}
	pack, err := a.opt.Farm.UndeletePack(c.Request.Context(), caller(c), packID)
	if err != nil {
		return fmt.Errorf("bring back pack: %w", err)
	}
	return a.reply(c, http.StatusOK, newPack(&pack, nil))
}

// rebuildPack handles POST /v1/packs/{id}/rebuild.
func (a *API) rebuildPack(c *gin.Context) error {
	packID, err := bareID(c)
	if err != nil {
		return err
	}
	pack, err := a.opt.Farm.RebuildPack(c.Request.Context(), caller(c), packID)
	if err != nil {
		return fmt.Errorf("rebuild pack: %w", err)
	}
	return a.building(c, &pack)
}

// packTimeout is how long the download of a pack may take in all: 2 GiB at 300 kB/s.
const packTimeout = 2 * time.Hour

// downloadPack handles GET /v1/packs/{id}/download.
func (a *API) downloadPack(c *gin.Context) error {
	packID, err := bareID(c)
	if err != nil {
		return err
	}
	return a.fetch(c, func(ctx context.Context) (file, error) {
		pack, err := a.opt.Library.PackFile(ctx, caller(c), packID)
		return file{asset: pack.Asset, name: pack.Name, ext: "zip", mediaType: "application/zip", limit: packTimeout}, err
	}, func(ctx context.Context) (model.Job, error) {
		return a.opt.Farm.RestorePack(ctx, caller(c), packID)
	})
}
