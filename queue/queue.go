// Package queue carries tickets from the farm to the workers over Asynq, and
// holds the embedded Redis of the all-in-one process.
//
// A ticket is a hint that a row in the table of tasks is waiting, never the
// record of it. So nothing here retries: every ticket is enqueued with MaxRetry
// 0, its handler always returns nil to Asynq, and what is lost (Redis emptied, a
// worker killed between the pop and the claim) is released again by the sweep,
// which asks Known.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"patchlab/internal/model"
)

const (
	// callTimeout bounds one call on Redis.
	callTimeout = 2 * time.Second
	// taskTimeout is how long Asynq lets a handler run. Long enough never to
	// matter: a handler is stopped by its own context, and Asynq frees the slot
	// of a task that it times out while its handler still runs.
	taskTimeout = 24 * time.Hour
	// leaseSlack is how far beyond its end a lease still counts, to bear with
	// clocks that differ.
	leaseSlack = 5 * time.Second
)

// Type returns the Asynq type of a kind of task.
func Type(kind model.TaskKind) string {
	if kind == model.TaskRender {
		return string(model.JobGenerate)
	}
	return string(kind)
}

// TaskID returns the id of a ticket on the queue. The attempt is part of it,
// because Asynq refuses an id that it knows in any state, ended ones included.
func TaskID(t model.Ticket) string {
	return t.TaskID.String() + ":" + strconv.Itoa(t.Attempt)
}

// Open returns a client of the Redis at url (redis://, rediss:// or unix://)
// whose calls are bounded in time even where the caller's context is not: Asynq
// calls with the background context.
func Open(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	return redis.NewClient(bounded(opts)), nil
}

// LogTo sends what the Redis library itself has to say (connections that fail,
// mostly) to log, as debug lines: whoever called gets the error as well. The
// library has one logger per process, so the composition root calls this once.
func LogTo(log *slog.Logger) { redis.SetLogger(redisLog{log.With("component", "redis")}) }

type redisLog struct{ log *slog.Logger }

// Printf implements the logger that the library wants.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "the Redis library", "says", fmt.Sprintf(format, args...))
}

// bounded sets the time-outs and leaves out what no server of ours needs.
func bounded(opts *redis.Options) *redis.Options {
	opts.DialTimeout = callTimeout
	opts.ReadTimeout = callTimeout
	opts.WriteTimeout = callTimeout
	opts.PoolTimeout = callTimeout
	opts.MaxRetries = 1
	opts.DialerRetries = 1
	opts.ContextTimeoutEnabled = true
	opts.DisableIdentity = true
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return opts
}

// Client puts tickets on the queue and tells what became of them.
type Client struct {
	rdb       redis.UniversalClient
	asynq     *asynq.Client
	inspector *asynq.Inspector
	now       func() time.Time
}

// NewClient returns a Client on rdb, which the caller keeps and closes.
func NewClient(rdb redis.UniversalClient) *Client {
	return &Client{
		rdb:       rdb,
		asynq:     asynq.NewClientFromRedisClient(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		now:       time.Now,
	}
}

// Enqueue puts the tickets on their lanes. A ticket that is there already
// counts as enqueued. It stops at the first failure; what is then missing is
// for the sweep to find. The servers are told once, at the end.
func (c *Client) Enqueue(ctx context.Context, tickets ...model.Ticket) error {
	var lanes []string
	defer func() {
		if len(lanes) > 0 {
			c.tell(ctx, lanes)
		}
	}()
	for _, t := range tickets {
		if !slices.Contains(lanes, string(t.Lane)) {
			// Asynq registers a queue once per process and would not do so again
			// after Redis came back empty; its Inspector, its metrics and its
			// tools then do not see the queue.
			if err := c.register(ctx, t.Lane); err != nil {
				return err
			}
			lanes = append(lanes, string(t.Lane))
		}
		if err := c.enqueue(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) register(ctx context.Context, lane model.Lane) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.rdb.SAdd(ctx, keyQueues, string(lane)).Err(); err != nil {
		return fmt.Errorf("register lane %s: %w", lane, err)
	}
	return nil
}

func (c *Client) enqueue(ctx context.Context, t model.Ticket) error {
	payload, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode ticket %s: %w", TaskID(t), err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = c.asynq.EnqueueContext(ctx, asynq.NewTask(Type(t.Kind), payload),
		asynq.TaskID(TaskID(t)),
		asynq.Queue(string(t.Lane)),
		asynq.MaxRetry(0),
		asynq.Timeout(taskTimeout))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue ticket %s: %w", TaskID(t), err)
	}
	return nil
}

// Known reports whether the queue will still deliver the ticket, or is
// delivering it: it is pending, active, scheduled or due for a retry. An active
// ticket whose lease has ended, or that has none, belongs to a worker that died;
// Asynq would take 60 to 120 s to find out, or for ever without a lease.
//
// It reads the task's hash itself and not by asynq.Inspector, which takes no
// context and denies every task once Redis came back empty (see Enqueue). The
// conformance tests hold the two against each other.
func (c *Client) Known(ctx context.Context, t model.Ticket) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var (
		state *redis.StringCmd
		lease *redis.FloatCmd
		id    = TaskID(t)
	)
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		state = p.HGet(ctx, key(t.Lane, "t:"+id), "state")
		lease = p.ZScore(ctx, key(t.Lane, "lease"), id)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("look up ticket %s: %w", id, err)
	}
	switch state.Val() {
	case "pending", "scheduled", "retry":
		return true, nil
	case "active":
		if lease.Err() != nil {
			return false, nil
		}
		end := time.Unix(int64(lease.Val()), 0)
		return c.now().Before(end.Add(leaseSlack)), nil
	default:
		return false, nil
	}
}

// LaneStats is what stands in one lane.
type LaneStats struct {
	Pending  int64
	Active   int64
	Waiting  int64 // scheduled or due for a retry; the farm makes none
	Archived int64 // given up by Asynq, after a worker died; of no use to the farm
	Paused   bool  // paused in Asynq itself, with a tool of its own
}

// Stats returns what stands in each lane.
func (c *Client) Stats(ctx context.Context) (map[model.Lane]LaneStats, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	type counts struct{ pending, active, scheduled, retry, archived, paused *redis.IntCmd }
	read := make(map[model.Lane]counts)
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, lane := range model.Lanes() {
			read[lane] = counts{
				pending:   p.LLen(ctx, key(lane, "pending")),
				active:    p.LLen(ctx, key(lane, "active")),
				scheduled: p.ZCard(ctx, key(lane, "scheduled")),
				retry:     p.ZCard(ctx, key(lane, "retry")),
				archived:  p.ZCard(ctx, key(lane, "archived")),
				paused:    p.Exists(ctx, key(lane, "paused")),
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count tickets: %w", err)
	}
	stats := make(map[model.Lane]LaneStats, len(read))
	for lane, n := range read {
		stats[lane] = LaneStats{
			Pending:  n.pending.Val(),
			Active:   n.active.Val(),
			Waiting:  n.scheduled.Val() + n.retry.Val(),
			Archived: n.archived.Val(),
			Paused:   n.paused.Val() > 0,
		}
	}
	return stats, nil
}

// ForgetArchived deletes the tickets that Asynq gave up, and returns how many.
// The database knows what they stood for, and beyond 10,000 of them Asynq leaks
// their hashes.
func (c *Client) ForgetArchived(ctx context.Context) (int, error) {
	total := 0
	for _, lane := range model.Lanes() {
		if err := c.register(ctx, lane); err != nil { // or the Inspector denies it
			return total, err
		}
		n, err := c.inspector.DeleteAllArchivedTasks(string(lane))
		if err != nil {
			return total, fmt.Errorf("forget archived tickets of lane %s: %w", lane, err)
		}
		total += n
	}
	return total, nil
}

// CountArchived returns how many tickets ForgetArchived would delete.
func (c *Client) CountArchived(ctx context.Context) (int, error) {
	stats, err := c.Stats(ctx)
	var n int64
	for _, s := range stats {
		n += s.Archived
	}
	return int(n), err
}

// keyQueues is the set in which Asynq keeps the names of its queues.
const keyQueues = "asynq:queues"

// key returns the name of one of Asynq's keys for a lane. Asynq does not export
// them; its version is pinned and the conformance tests guard them.
func key(lane model.Lane, name string) string { return "asynq:{" + string(lane) + "}:" + name }

// decode reads the ticket in a payload.
func decode(payload []byte) (model.Ticket, error) {
	var t model.Ticket
	if err := json.Unmarshal(payload, &t); err != nil {
		return t, fmt.Errorf("decode ticket: %w", err)
	}
	if t.TaskID == uuid.Nil || t.Attempt < 0 {
		return t, errors.New("decode ticket: no task or a negative attempt")
	}
	return t, nil
}
