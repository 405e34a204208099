package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"patchlab/internal/model"
	"patchlab/internal/service"
)

// Ops is what operators see and do; *service.Ops is one.
type Ops interface {
	Overview(ctx context.Context) (model.Overview, error)
	PauseLane(ctx context.Context, actor string, lane model.Lane, paused bool) error
	SetConcurrency(ctx context.Context, actor string, n *int) error
	SetWorkerConcurrency(ctx context.Context, actor string, worker uuid.UUID, n *int) error
	DrainWorker(ctx context.Context, actor string, worker uuid.UUID, drained bool) error
	Jobs(ctx context.Context, filter service.JobFilter, cursor string, limit int) (items []model.Job, next string, err error)
	CancelJob(ctx context.Context, actor string, jobID uuid.UUID) (model.Job, error)
	RequeueJob(ctx context.Context, actor string, jobID uuid.UUID) (model.Job, error)
	CancelOwner(ctx context.Context, actor, owner string) (jobs int, err error)
	Dead(ctx context.Context, code, cursor string, limit int) (items []model.DeadTask, next string, err error)
	RequeueDead(ctx context.Context, actor string, tasks []uuid.UUID, code string) ([]service.Requeued, error)
	Audit(ctx context.Context, cursor string, limit int) (items []model.AuditEvent, next string, err error)
}

// operator is who the audit names: there is one token.
const operator = "ops"

// admitOperator lets those through who send the operators' token. Without one in the
// configuration there is nothing here.
func (a *API) admitOperator(c *gin.Context) error {
	if a.opt.AdminToken == "" {
		return nothingHere()
	}
	token, ok := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	sent, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(a.opt.AdminToken)) // of one length, whatever was sent
	if !ok || subtle.ConstantTimeCompare(sent[:], want[:]) != 1 {
		c.Header("WWW-Authenticate", `Bearer realm="patchlab"`)
		return model.Errorf(model.CodeUnauthorized, "this is for operators: send the header Authorization: Bearer with the ADMIN_TOKEN of the server")
	}
	return nil
}

// nothingHere is what an address of nothing is answered.
func nothingHere() error {
	return model.Errorf(model.CodeNotFound, "there is nothing at this address; /docs describes what there is")
}

type laneDTO struct {
	Lane              model.Lane `json:"lane"`
	Paused            bool       `json:"paused"`
	Slots             int        `json:"slots"`
	Waiting           int        `json:"waiting"`
	Released          int        `json:"released"`
	Running           int        `json:"running"`
	OldestWaitSeconds float64    `json:"oldest_wait_seconds"`
}

type runningDTO struct {
	TaskID     uuid.UUID      `json:"task_id"`
	JobID      uuid.UUID      `json:"job_id"`
	SoundID    *uuid.UUID     `json:"sound_id"`
	Owner      string         `json:"owner"`
	Kind       model.TaskKind `json:"kind"`
	Lane       model.Lane     `json:"lane"`
	Worker     string         `json:"worker"`
	Attempt    int            `json:"attempt"`
	Alone      bool           `json:"alone"`
	Progress   *float64       `json:"progress"`
	AgeSeconds float64        `json:"age_seconds"`
}

type workerDTO struct {
	ID             uuid.UUID `json:"id"`
	Name           string    `json:"name"`
	Host           string    `json:"host"`
	Version        string    `json:"version"`
	Slots          int       `json:"slots"`
	Concurrency    *int      `json:"concurrency"`
	Drained        bool      `json:"drained"`
	Running        int       `json:"running"`
	CPU            float64   `json:"cpu"`
	CPUs           int       `json:"cpus"`
	MemoryBytes    int64     `json:"memory_bytes"`
	StartedAt      time.Time `json:"started_at"`
	LastBeatAt     time.Time `json:"last_beat_at"`
	BeatAgeSeconds float64   `json:"beat_age_seconds"`
}

type throughputDTO struct {
	Seconds      float64        `json:"seconds"`
	Sounds       int            `json:"sounds"`
	AudioSeconds float64        `json:"audio_seconds"`
	Failed       map[string]int `json:"failed"`
}

type settingDTO struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	By    string          `json:"by"`
	At    time.Time       `json:"at"`
}

type overviewDTO struct {
	At         time.Time       `json:"at"`
	Queues     []laneDTO       `json:"queues"`
	Running    []runningDTO    `json:"running"`
	Workers    []workerDTO     `json:"workers"`
	Throughput []throughputDTO `json:"throughput"`
	Settings   []settingDTO    `json:"settings"`
}

func newOverview(o *model.Overview, progress map[uuid.UUID]float64) overviewDTO {
	age := func(t time.Time) float64 { return max(0, o.At.Sub(t).Seconds()) }
	dto := overviewDTO{
		At: o.At.UTC(), Queues: []laneDTO{}, Running: []runningDTO{}, Workers: []workerDTO{}, Throughput: []throughputDTO{}, Settings: []settingDTO{},
	}
	for _, l := range o.Lanes {
		out := laneDTO{Lane: l.Lane, Paused: l.Paused, Slots: l.Slots, Waiting: l.Waiting, Released: l.Released, Running: l.Running}
		if l.DueSince != nil {
			out.OldestWaitSeconds = age(*l.DueSince)
		}
		dto.Queues = append(dto.Queues, out)
	}
	for _, t := range o.Running {
		out := runningDTO{
			TaskID: t.TaskID, JobID: t.JobID, SoundID: t.SoundID, Owner: t.Owner, Kind: t.Kind, Lane: t.Lane, Worker: t.Worker,
			Attempt: t.Attempt, Alone: t.Alone, AgeSeconds: age(t.StartedAt),
		}
		if t.SoundID != nil {
			if percent, ok := progress[*t.SoundID]; ok {
				out.Progress = &percent
			}
		}
		dto.Running = append(dto.Running, out)
	}
	for _, w := range o.Workers {
		own := o.Settings.Workers[w.Name]
		out := workerDTO{
			ID: w.ID, Name: w.Name, Host: w.Host, Version: w.Version, Slots: w.Slots, Drained: own.Drained, Running: w.Running,
			CPU: w.CPU, CPUs: w.CPUs, MemoryBytes: w.Memory, StartedAt: w.StartedAt, LastBeatAt: w.SeenAt, BeatAgeSeconds: age(w.SeenAt),
		}
		if own.Concurrency > 0 {
			out.Concurrency = &own.Concurrency
		}
		dto.Workers = append(dto.Workers, out)
	}
	for _, t := range o.Throughput {
		dto.Throughput = append(dto.Throughput, throughputDTO{Seconds: t.Over.Seconds(), Sounds: t.Sounds, AudioSeconds: t.Audio.Seconds(), Failed: t.Failed})
	}
	for _, s := range o.Settings.Rows {
		dto.Settings = append(dto.Settings, settingDTO(s))
	}
	return dto
}

// overview handles GET /v1/admin/overview.
func (a *API) overview(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	return a.showOverview(c)
}

// showOverview answers with the state of the farm; every change does, too.
func (a *API) showOverview(c *gin.Context) error {
	o, err := a.opt.Ops.Overview(c.Request.Context())
	if err != nil {
		return fmt.Errorf("read the overview: %w", err)
	}
	var jobs []uuid.UUID
	for _, t := range o.Running {
		jobs = append(jobs, t.JobID)
	}
	return a.reply(c, http.StatusOK, newOverview(&o, a.opt.Hub.Percent(c.Request.Context(), jobs)))
}

// pauseQueue handles POST /v1/admin/queues/{lane}/pause.
func (a *API) pauseQueue(c *gin.Context) error { return a.pause(c, true) }

// resumeQueue handles POST /v1/admin/queues/{lane}/resume.
func (a *API) resumeQueue(c *gin.Context) error { return a.pause(c, false) }

func (a *API) pause(c *gin.Context, paused bool) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	if err := a.opt.Ops.PauseLane(c.Request.Context(), operator, model.Lane(c.Param("lane")), paused); err != nil {
		return fmt.Errorf("pause or resume a queue: %w", err)
	}
	return a.showOverview(c)
}

// concurrency takes the one field of a body: a number, or null.
func (a *API) concurrency(c *gin.Context) (*int, error) {
	if err := onlyQuery(c); err != nil {
		return nil, err
	}
	body, err := a.readJSON(c, MaxBody)
	if err != nil {
		return nil, err
	}
	fields, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := &reader{fields: fields}
	_, sent := fields["concurrency"]
	n, ok := r.integer("concurrency")
	if !sent {
		r.fault("concurrency", "is missing: send a number of tasks at a time, or null for what is configured")
	}
	if err := r.rest(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil //nolint:nilnil // null: as configured
	}
	return &n, nil
}

// setConcurrency handles PUT /v1/admin/concurrency.
func (a *API) setConcurrency(c *gin.Context) error {
	n, err := a.concurrency(c)
	if err != nil {
		return err
	}
	if err := a.opt.Ops.SetConcurrency(c.Request.Context(), operator, n); err != nil {
		return fmt.Errorf("set the concurrency: %w", err)
	}
	return a.showOverview(c)
}

// setWorkerConcurrency handles PUT /v1/admin/workers/{id}/concurrency.
func (a *API) setWorkerConcurrency(c *gin.Context) error {
	workerID, err := id(c)
	if err != nil {
		return err
	}
	n, err := a.concurrency(c)
	if err != nil {
		return err
	}
	if err := a.opt.Ops.SetWorkerConcurrency(c.Request.Context(), operator, workerID, n); err != nil {
		return fmt.Errorf("set the concurrency of a worker: %w", err)
	}
	return a.showOverview(c)
}

// drainWorker handles POST /v1/admin/workers/{id}/drain.
func (a *API) drainWorker(c *gin.Context) error { return a.setDrained(c, true) }

// wakeWorker handles POST /v1/admin/workers/{id}/wake.
func (a *API) wakeWorker(c *gin.Context) error { return a.setDrained(c, false) }

func (a *API) setDrained(c *gin.Context, drained bool) error {
	workerID, err := bareID(c)
	if err != nil {
		return err
	}
	if err := a.opt.Ops.DrainWorker(c.Request.Context(), operator, workerID, drained); err != nil {
		return fmt.Errorf("drain or wake a worker: %w", err)
	}
	return a.showOverview(c)
}

// adminJobDTO is a job with its owner.
type adminJobDTO struct {
	Owner string `json:"owner"`
	Job   jobDTO `json:"job"`
}

func newAdminJob(j *model.Job) adminJobDTO {
	return adminJobDTO{Owner: j.Owner.Owner(), Job: newJob(j, nil)}
}

// adminJobs handles GET /v1/admin/jobs.
func (a *API) adminJobs(c *gin.Context) error {
	cursor, limit, err := pageOf(c, "state", "kind", "owner")
	if err != nil {
		return err
	}
	filter := service.JobFilter{State: c.Query("state"), Kind: c.Query("kind"), Owner: c.Query("owner")}
	jobs, next, err := a.opt.Ops.Jobs(c.Request.Context(), filter, cursor, limit)
	if err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	items := make([]adminJobDTO, len(jobs))
	for i := range jobs {
		items[i] = newAdminJob(&jobs[i])
	}
	return a.list(c, items, next)
}

// list answers with a page.
func (a *API) list(c *gin.Context, items any, next string) error {
	var cursor *string
	if next != "" {
		cursor = &next
	}
	return a.reply(c, http.StatusOK, map[string]any{"items": items, "next_cursor": cursor})
}

// adminCancel handles POST /v1/admin/jobs/{id}/cancel.
func (a *API) adminCancel(c *gin.Context) error {
	jobID, err := bareID(c)
	if err != nil {
		return err
	}
	j, err := a.opt.Ops.CancelJob(c.Request.Context(), operator, jobID)
	if err != nil {
		return fmt.Errorf("cancel a job: %w", err)
	}
	return a.reply(c, http.StatusOK, newAdminJob(&j))
}

// adminRequeue handles POST /v1/admin/jobs/{id}/requeue.
func (a *API) adminRequeue(c *gin.Context) error {
	jobID, err := bareID(c)
	if err != nil {
		return err
	}
	j, err := a.opt.Ops.RequeueJob(c.Request.Context(), operator, jobID)
	if err != nil {
		return fmt.Errorf("requeue a job: %w", err)
	}
	return a.reply(c, http.StatusAccepted, newAdminJob(&j))
}

// adminCancelOwner handles POST /v1/admin/owners/cancel.
func (a *API) adminCancelOwner(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	body, err := a.readJSON(c, MaxBody)
	if err != nil {
		return err
	}
	fields, err := parseObject(body)
	if err != nil {
		return err
	}
	r := &reader{fields: fields}
	owner, _ := r.text("owner")
	if err := r.rest(); err != nil {
		return err
	}
	n, err := a.opt.Ops.CancelOwner(c.Request.Context(), operator, owner)
	if err != nil {
		return fmt.Errorf("cancel an owner's jobs: %w", err)
	}
	return a.reply(c, http.StatusOK, map[string]any{"cancelled": n})
}

type deadDTO struct {
	TaskID     uuid.UUID      `json:"task_id"`
	JobID      uuid.UUID      `json:"job_id"`
	SoundID    *uuid.UUID     `json:"sound_id"`
	PackID     *uuid.UUID     `json:"pack_id"`
	Owner      string         `json:"owner"`
	Kind       model.TaskKind `json:"kind"`
	Prompt     string         `json:"prompt"`
	Failures   int            `json:"failures"`
	Attempts   int            `json:"attempts"`
	Crashes    int            `json:"crashes"`
	Error      *model.Failure `json:"error"`
	CreatedAt  time.Time      `json:"created_at"`
	FinishedAt time.Time      `json:"finished_at"`
}

// dead handles GET /v1/admin/dead.
func (a *API) dead(c *gin.Context) error {
	cursor, limit, err := pageOf(c, "code")
	if err != nil {
		return err
	}
	tasks, next, err := a.opt.Ops.Dead(c.Request.Context(), c.Query("code"), cursor, limit)
	if err != nil {
		return fmt.Errorf("list dead tasks: %w", err)
	}
	items := make([]deadDTO, len(tasks))
	for i, t := range tasks {
		items[i] = deadDTO(t)
	}
	return a.list(c, items, next)
}

// requeueDead handles POST /v1/admin/dead/requeue.
func (a *API) requeueDead(c *gin.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	body, err := a.readJSON(c, MaxBody)
	if err != nil {
		return err
	}
	fields, err := parseObject(body)
	if err != nil {
		return err
	}
	r := &reader{fields: fields}
	code, _ := r.text("code")
	var tasks []uuid.UUID
	if raw, ok := r.take("task_ids"); ok && json.Unmarshal(raw, &tasks) != nil {
		r.fault("task_ids", "must be a list of ids of tasks")
	}
	if err := r.rest(); err != nil {
		return err
	}
	results, err := a.opt.Ops.RequeueDead(c.Request.Context(), operator, tasks, code)
	if err != nil {
		return fmt.Errorf("requeue dead tasks: %w", err)
	}
	type result struct {
		TaskID uuid.UUID      `json:"task_id"`
		JobID  *uuid.UUID     `json:"job_id"`
		Error  *model.Failure `json:"error"`
	}
	items, requeued := make([]result, len(results)), 0
	for i, one := range results {
		items[i] = result{TaskID: one.TaskID, JobID: one.JobID}
		if one.JobID != nil {
			requeued++
		}
		if one.Err != nil {
			items[i].Error = &model.Failure{Code: string(one.Err.Code), Message: one.Err.Message}
		}
	}
	return a.reply(c, http.StatusOK, map[string]any{"requeued": requeued, "items": items})
}

type auditDTO struct {
	ID      uuid.UUID       `json:"id"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Detail  json.RawMessage `json:"detail"`
	At      time.Time       `json:"at"`
}

// audit handles GET /v1/admin/audit.
func (a *API) audit(c *gin.Context) error {
	cursor, limit, err := pageOf(c)
	if err != nil {
		return err
	}
	events, next, err := a.opt.Ops.Audit(c.Request.Context(), cursor, limit)
	if err != nil {
		return fmt.Errorf("list audit events: %w", err)
	}
	items := make([]auditDTO, len(events))
	for i, e := range events {
		items[i] = auditDTO(e)
	}
	return a.list(c, items, next)
}
