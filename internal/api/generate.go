package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/service"
)

// maxWait is the longest wait that Prefer may ask for.
const maxWait = 60 * time.Second

// generate handles POST /v1/sounds/generate.
func (a *API) generate(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	r, key, err := a.order(c, MaxBody)
	if err != nil {
		return err
	}
	req := readGenerate(r)
	if err := r.rest(); err != nil {
		return err
	}
	job, err := a.accept(c.Request.Context(), caller(c), req, key)
	if err != nil {
		return err
	}
	return a.accepted(c, job)
}

// order reads the fields of a request for new work, of at most limit bytes, and its
// idempotency key.
func (a *API) order(c *gin.Context, limit int64) (r *reader, key string, err error) {
	key, err = idempotencyKey(c.Request.Header)
	if err != nil {
		return nil, "", err
	}
	body, err := a.readJSON(c, limit)
	if err != nil {
		return nil, "", err
	}
	fields, err := parseObject(body)
	if err != nil {
		return nil, "", err
	}
	return &reader{fields: fields}, key, nil
}

// accepted answers a request for new work: at once, or where the client prefers to wait
// when the job has ended.
func (a *API) accepted(c *gin.Context, job model.Job) error {
	c.Header("Location", "/v1/jobs/"+job.ID.String())
	if wait, ok := preferredWait(c.Request.Header.Values("Prefer")); ok {
		c.Header("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
		c.Set(lastingKey, true)
		var err error
		if job, err = a.await(c.Request.Context(), job, wait); err != nil {
			return err
		}
	}
	dto := newJob(&job, nil)
	if job.State == model.Succeeded {
		return a.reply(c, http.StatusCreated, map[string]any{"job": dto, "sounds": dto.Sounds})
	}
	return a.reply(c, http.StatusAccepted, map[string]any{"job": dto})
}

// accept hands a request to the farm.
func (a *API) accept(ctx context.Context, who model.Caller, req service.GenerateRequest, key string) (model.Job, error) {
	hash, err := requestHash(req)
	if err != nil {
		return model.Job{}, err
	}
	job, _, err := a.opt.Farm.Generate(ctx, who, req, key, hash)
	if err != nil {
		return model.Job{}, fmt.Errorf("accept a request: %w", err)
	}
	return job, nil
}

// await returns the job when it is final, or as it is when the wait is over.
func (a *API) await(ctx context.Context, job model.Job, wait time.Duration) (model.Job, error) {
	if job.State.Final() || wait <= 0 {
		return job, nil
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	stop := context.AfterFunc(a.draining, cancel)
	defer stop()
	sub, err := a.opt.Hub.Subscribe(waiting, job.ID, live.Options{})
	if err != nil {
		if ctx.Err() != nil {
			return job, errGone
		}
		// The job is accepted, whatever keeps us from watching it.
		a.log.WarnContext(ctx, "cannot wait for a job", "job", job.ID, "err", err)
		return job, nil
	}
	defer sub.Close()
	for !job.State.Final() {
		m, err := sub.Next(waiting)
		if err != nil {
			if ctx.Err() != nil {
				return job, errGone
			}
			return job, nil // the wait is over, or the stream is: 202 says where to look
		}
		if m.Job != nil {
			job = *m.Job
		}
	}
	return job, nil
}

// maxKey is the length of the longest idempotency key.
const maxKey = 200

// idempotencyKey reads the header of that name; "" where it is absent.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	bad := len(values) > 1 || key == "" || len(key) > maxKey
	for i := range len(key) {
		bad = bad || key[i] < 0x21 || key[i] > 0x7e
	}
	if bad {
		return "", model.Invalid(model.FieldError{Field: "Idempotency-Key", Message: fmt.Sprintf("must be one key of 1 to %d visible ASCII characters, such as a UUID", maxKey)})
	}
	return key, nil
}

// preferredWait reads wait=N out of Prefer headers (RFC 7240). What it does not
// understand it ignores, as the standard asks; more than maxWait is cut.
func preferredWait(values []string) (wait time.Duration, ok bool) {
	for _, v := range values {
		for preference := range strings.SplitSeq(v, ",") {
			name, value, found := strings.Cut(strings.TrimSpace(strings.SplitN(preference, ";", 2)[0]), "=")
			if !found || !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err != nil {
				continue
			}
			return min(maxWait, time.Duration(n)*time.Second), true
		}
	}
	return 0, false
}

// interpret handles GET /v1/interpret.
func (a *API) interpret(c *gin.Context) error {
	if err := onlyQuery(c, "prompt", "seed"); err != nil {
		return err
	}
	var seed uint32
	if s, given := c.GetQuery("seed"); given {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return model.Invalid(model.FieldError{Field: "seed", Message: fmt.Sprintf("must be a whole number from 0 to %d", uint32(math.MaxUint32))})
		}
		seed = uint32(n)
	}
	in, err := a.opt.Interpret(c.Query("prompt"), seed)
	if err != nil {
		return fmt.Errorf("interpret a prompt: %w", err)
	}
	return a.reply(c, http.StatusOK, in)
}

// job handles GET /v1/jobs/{id}.
func (a *API) job(c *gin.Context) error {
	j, err := a.ownJob(c, a.opt.Farm.Job)
	if err != nil {
		return err
	}
	return a.reply(c, http.StatusOK, map[string]any{"job": newJob(&j, nil)})
}

// cancel handles DELETE /v1/jobs/{id}.
func (a *API) cancel(c *gin.Context) error {
	jobID, err := bareID(c)
	if err != nil {
		return err
	}
	j, err := a.opt.Farm.Cancel(c.Request.Context(), caller(c), jobID)
	if err != nil {
		return fmt.Errorf("cancel job: %w", err)
	}
	return a.reply(c, http.StatusOK, map[string]any{"job": newJob(&j, nil)})
}

// cancelSound handles POST /v1/sounds/{id}/cancel.
func (a *API) cancelSound(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	j, err := a.opt.Farm.CancelSound(c.Request.Context(), caller(c), soundID)
	if err != nil {
		return fmt.Errorf("cancel sound: %w", err)
	}
	return a.reply(c, http.StatusOK, map[string]any{"job": newJob(&j, nil)})
}

// cancelAll handles DELETE /v1/jobs.
func (a *API) cancelAll(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	n, err := a.opt.Farm.CancelAll(c.Request.Context(), caller(c))
	if err != nil {
		return fmt.Errorf("cancel all jobs: %w", err)
	}
	return a.reply(c, http.StatusOK, map[string]any{"cancelled": n})
}

// ownJob reads the job in the path, which must be the caller's.
func (a *API) ownJob(c *gin.Context, read func(context.Context, model.Caller, uuid.UUID) (model.Job, error)) (model.Job, error) {
	if err := onlyQuery(c); err != nil {
		return model.Job{}, err
	}
	jobID, err := id(c)
	if err != nil {
		return model.Job{}, err
	}
	j, err := read(c.Request.Context(), caller(c), jobID)
	if err != nil {
		return model.Job{}, fmt.Errorf("read job: %w", err)
	}
	return j, nil
}
