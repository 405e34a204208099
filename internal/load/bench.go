package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/lib/pq" // reads what the farm has written
	"github.com/redis/go-redis/v9"

	"patchlab/internal/testenv"
	"patchlab/queue"
)

// bench is what all scenarios stand on: servers of our own, and what runs of the farm.
type bench struct {
	opt      options
	logs     io.Writer
	dir      string // for assets and logs
	postgres *testenv.Postgres
	redis    *testenv.Redis
	rdb      *redis.Client
	web      *http.Transport
	seeds    uint32 // given out so far
	farms    int    // databases made so far

	// Of the farm that runs.
	db    *sql.DB
	env   []string
	parts []*process
}

func newBench(ctx context.Context, o options, logs io.Writer) (b *bench, err error) {
	b = &bench{opt: o, logs: logs}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.postgres, err = testenv.NewPostgres(testenv.Durable()...); err != nil {
		return b, err
	}
	if b.redis, err = testenv.NewRedis(); err != nil {
		return b, err
	}
	// Its guard removes the folder of a server with all in it, also after kill -9.
	b.dir = filepath.Join(filepath.Dir(b.redis.Socket()), "farm")
	if err = os.Mkdir(b.dir, 0o700); err != nil {
		return b, fmt.Errorf("make a folder: %w", err)
	}
	queue.LogTo(slog.New(slog.DiscardHandler))
	if b.rdb, err = queue.Open(b.redis.URL()); err != nil {
		return b, err
	}
	const connections = 512
	b.web = &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	return b, ctx.Err()
}

// close ends all that runs and removes what it left.
func (b *bench) close() error {
	err := b.clear()
	if b.web != nil {
		b.web.CloseIdleConnections()
	}
	if b.rdb != nil {
		err = errors.Join(err, b.rdb.Close())
	}
	if b.redis != nil {
		err = errors.Join(err, b.redis.Close())
	}
	if b.postgres != nil {
		err = errors.Join(err, b.postgres.Close())
	}
	return err
}

// clear ends the farm.
func (b *bench) clear() error {
	err := b.stop(b.parts...)
	if b.web != nil {
		b.web.CloseIdleConnections()
	}
	if b.db != nil {
		err = errors.Join(err, b.db.Close())
		b.db = nil
	}
	return err
}

// fresh ends the farm and makes an empty one, of which nothing runs yet. The files of the
// last one stay until all is measured: for minutes after files were deleted, ext4 looks at
// each of their inodes when it makes a new one, which was a third of what storing cost.
func (b *bench) fresh(ctx context.Context) error {
	if err := b.clear(); err != nil {
		return err
	}
	b.farms++
	name := fmt.Sprintf("load%d", b.farms)
	data := filepath.Join(b.dir, name)
	admin, err := sql.Open("postgres", b.postgres.URL(""))
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", err)
	}
	_, err = admin.ExecContext(ctx, "CREATE DATABASE "+name)
	if err := errors.Join(err, admin.Close()); err != nil {
		return fmt.Errorf("make a database: %w", err)
	}
	if err := b.rdb.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	if b.db, err = sql.Open("postgres", b.postgres.URL(name)); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	b.env = []string{
		"DATABASE_URL=" + b.postgres.URL(name), "REDIS_URL=" + b.redis.URL(), "DATA_DIR=" + data,
		"RATE_LIMITS=off", "MAX_QUEUED=1000000", "MAX_JOB_SAMPLES=4294967296", "DRAIN_GRACE=2s",
		"PATH=" + os.Getenv("PATH"),
	}
	return nil
}

// n scales a number of things.
func (b *bench) n(whole int) int { return max(1, int(math.Round(float64(whole)*b.opt.scale))) }

// seed returns one that no other sound of this run has: what is rendered already would
// not be rendered again.
func (b *bench) seed() uint32 {
	const apart = 10_000_000
	b.seeds++
	return uint32(b.opt.seed)*apart + b.seeds
}

// cost is the CPU time of the parts of the farm.
type cost struct{ worker, api, postgres, redis time.Duration }

func (c cost) minus(d cost) cost {
	return cost{c.worker - d.worker, c.api - d.api, c.postgres - d.postgres, c.redis - d.redis}
}

func (c cost) plus(d cost) cost {
	return cost{c.worker + d.worker, c.api + d.api, c.postgres + d.postgres, c.redis + d.redis}
}

func (c cost) total() time.Duration { return c.worker + c.api + c.postgres + c.redis }

// cost returns what the processes that run have used so far.
func (b *bench) cost() (c cost, err error) {
	for _, p := range b.parts {
		used, err := cpuOf(p.pid())
		if err != nil {
			return c, fmt.Errorf("%s: %w", p.name, err)
		}
		switch p.name {
		case "worker":
			c.worker += used
		case "api":
			c.api += used
		}
	}
	if c.postgres, err = cpuBelow(b.postgres.PID()); err != nil {
		return c, fmt.Errorf("read the CPU time of PostgreSQL: %w", err)
	}
	if c.redis, err = cpuOf(b.redis.PID()); err != nil {
		return c, fmt.Errorf("read the CPU time of Redis: %w", err)
	}
	return c, nil
}

// busyness is the CPU time of the whole machine, and of that ours.
type busyness struct{ all, ours time.Duration }

// busy reads both; what cannot be read is 0.
func (b *bench) busy() busyness {
	var now busyness
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		now.all, _ = parseBusy(string(text))
	}
	now.ours, _ = cpuOf(os.Getpid()) // with the parts that have ended
	if c, err := b.cost(); err == nil {
		now.ours += c.total()
	}
	return now
}

// disturbed is what part of one CPU others may use before figures mean little.
const disturbed = 0.15

// others returns how much of one CPU the rest of the machine used since a moment.
func (b *bench) others(before busyness, wall time.Duration) float64 {
	after := b.busy()
	return ratio(max(0, (after.all-before.all)-(after.ours-before.ours)), wall)
}

// await waits until other programs leave the machine alone, or patience ends.
func (b *bench) await(ctx context.Context, patience time.Duration) error {
	const look = 3 * time.Second
	for late := time.Now().Add(patience); time.Now().Before(late); {
		before := b.busy()
		if err := pause(ctx, look); err != nil {
			return err
		}
		if b.others(before, look) < disturbed {
			return nil
		}
	}
	return nil
}

// loadAverage returns that of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

// count returns the one number that a query gives.
func (b *bench) count(ctx context.Context, query string, args ...any) (n int, err error) {
	if err := b.db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("ask the database: %w", err)
	}
	return n, nil
}

// until waits until a query gives 0.
func (b *bench) until(ctx context.Context, query string, args ...any) error {
	const often, patience = 20 * time.Millisecond, 15 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n, err := b.count(ctx, query, args...)
		if err != nil || n == 0 {
			return err
		}
		if err := b.alive(); err != nil {
			return err
		}
		if err := pause(ctx, often); err != nil {
			return err
		}
	}
}

// ended waits until all jobs are final, and is an error where not every sound was rendered, once.
func (b *bench) ended(ctx context.Context) error {
	if err := b.until(ctx, `SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')`); err != nil {
		return fmt.Errorf("wait for the jobs: %w", err)
	}
	for what, query := range map[string]string{
		"were not made":           `SELECT count(*) FROM sounds WHERE state <> 'succeeded'`,
		"were there already":      `SELECT count(*) FROM tasks WHERE reused`,
		"share their asset":       `SELECT count(asset_id) - count(DISTINCT asset_id) FROM sounds`,
		"were tried another time": `SELECT count(*) FROM tasks WHERE attempt > 1`,
	} {
		n, err := b.count(ctx, query)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d sounds %s", n, what)
		}
	}
	return nil
}

// durations returns what a query gives in seconds.
func (b *bench) durations(ctx context.Context, query string, args ...any) (out []time.Duration, err error) {
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("ask the database: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var seconds float64
		if err := rows.Scan(&seconds); err != nil {
			return nil, fmt.Errorf("ask the database: %w", err)
		}
		out = append(out, time.Duration(seconds*float64(time.Second)))
	}
	return out, rows.Err()
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
