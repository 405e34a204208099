package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// visitor is somebody with a browser.
type visitor struct {
	base string
	http *http.Client
	rest *times // of every call but those that wait or stream; nil: nobody counts
}

func (b *bench) visitor(api *process) *visitor {
	jar, _ := cookiejar.New(nil) // without options it has no errors
	return &visitor{base: api.url, http: &http.Client{Jar: jar, Transport: b.web, Timeout: 5 * time.Minute}}
}

// cookies returns what the visitor would send.
func (v *visitor) cookies() (http.Header, error) {
	u, err := url.Parse(v.base)
	if err != nil {
		return nil, fmt.Errorf("read the address of the API: %w", err)
	}
	h := http.Header{}
	for _, c := range v.http.Jar.Cookies(u) {
		h.Add("Cookie", c.Name+"="+c.Value)
	}
	return h, nil
}

// request asks for one sound.
type request struct {
	Prompt     string  `json:"prompt"`
	Seed       uint32  `json:"seed"`
	Duration   float64 `json:"duration"` // s
	Variations int     `json:"variations,omitempty"`
}

// prompts are the sounds of the load: short and long, simple and costly.
func prompts() []string {
	return []string{"kick", "coin pickup", "deep wobble bass", "glass bell", "laser zap", "wind pad", "hi hat", "pluck"}
}

// sound asks for a stereo sound at 48 kHz, as the farm makes them unless told otherwise.
func (b *bench) sound(seconds float64) request {
	seed := b.seed()
	all := prompts()
	return request{Prompt: all[int(seed)%len(all)], Seed: seed, Duration: seconds}
}

// packRequest asks for a pack.
type packRequest struct {
	Name   string    `json:"name"`
	Sounds []request `json:"sounds"`
}

// pack asks for a pack of n sounds.
func (b *bench) pack(n int, seconds float64) packRequest {
	p := packRequest{Name: fmt.Sprintf("load %d", n), Sounds: make([]request, n)}
	for i := range p.Sounds {
		p.Sounds[i] = b.sound(seconds)
	}
	return p
}

// job is what we read of one.
type job struct {
	ID     uuid.UUID
	State  string
	Sounds []struct {
		ID          uuid.UUID
		DownloadURL string `json:"download_url"`
		WaveformURL string `json:"waveform_url"`
	}
}

// answer is what we read of the answers about work.
type answer struct {
	Job  job
	Pack struct {
		ID uuid.UUID
	}
}

// send sends a request, with pairs of header names and values.
func (v *visitor) send(ctx context.Context, method, path string, body any, header ...string) (*http.Response, error) {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode a request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, v.base+path, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Requested-With", "patchlab")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := v.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		const most = 1000
		words, _ := io.ReadAll(io.LimitReader(res.Body, most))
		return nil, errors.Join(fmt.Errorf("%s %s: %s %s", method, path, res.Status, words), res.Body.Close())
	}
	return res, nil
}

// call sends a request and reads the whole answer.
func (v *visitor) call(ctx context.Context, method, path string, body any, header ...string) (data []byte, err error) {
	began := time.Now()
	res, err := v.send(ctx, method, path, body, header...)
	if err != nil {
		return nil, err
	}
	data, err = io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if v.rest != nil {
		v.rest.add(time.Since(began))
	}
	return data, nil
}

// order posts a request for work.
func (v *visitor) order(ctx context.Context, path string, body any, header ...string) (a answer, err error) {
	data, err := v.call(ctx, http.MethodPost, path, body, header...)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("POST %s: read the answer: %w", path, err)
	}
	return a, nil
}

// generate asks for a sound. Where the request prefers to wait, a job that has not
// succeeded by then is an error.
func (v *visitor) generate(ctx context.Context, r request, header ...string) (job, error) {
	a, err := v.order(ctx, "/v1/sounds/generate", r, header...)
	if err == nil && len(header) > 0 && a.Job.State != "succeeded" {
		err = fmt.Errorf("job %s is still %s", a.Job.ID, a.Job.State)
	}
	return a.Job, err
}

// build asks for a pack.
func (v *visitor) build(ctx context.Context, p packRequest) (answer, error) {
	return v.order(ctx, "/v1/packs", p)
}

// drain reads a file to its end and returns its size in bytes.
func (v *visitor) drain(ctx context.Context, path string) (int64, error) {
	res, err := v.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return n, fmt.Errorf("GET %s: %w", path, err)
	}
	return n, nil
}

// watch follows the events of a job until its end, which must be good.
func (v *visitor) watch(ctx context.Context, id uuid.UUID) (err error) {
	path := "/v1/jobs/" + id.String() + "/events"
	res, err := v.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	const longest = 1 << 20
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		switch event, _ := strings.CutPrefix(lines.Text(), "event: "); event {
		case "complete":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("job %s has %s", id, event)
		}
	}
	return fmt.Errorf("the events of job %s end before it does: %w", id, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}
