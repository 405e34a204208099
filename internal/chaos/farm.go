package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"patchlab/db"
	"patchlab/internal/testenv"
	"patchlab/queue"
	"patchlab/storage"
)

// Build builds the program of the farm's processes into a folder.
func Build(ctx context.Context, dir string) (node string, err error) {
	node = filepath.Join(dir, "node")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", node, "patchlab/internal/chaos/node")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the node: %w\n%s", err, out)
	}
	return node, nil
}

// farm is everything that a storm breaks. The suite itself reads the servers past the
// proxies.
type farm struct {
	stop []func() error // in the order of their start

	postgres *testenv.Postgres
	redis    *testenv.Redis
	minio    *testenv.MinIO
	disk     *testenv.Disk
	answers  *testenv.S3Proxy          // in front of MinIO
	net      map[string]*testenv.Proxy // in front of each server, by name
	fleet    []*process

	db    *db.DB
	queue *queue.Client
	store *storage.S3
}

const bucket = "chaos"

// start starts the servers and the processes, and waits until all are ready.
func start(ctx context.Context, dir, node string, diskSize int64, speed string) (f *farm, err error) {
	f = &farm{net: map[string]*testenv.Proxy{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := f.startServers(diskSize); err != nil {
		return f, err
	}
	env := []string{
		"DATABASE_URL=postgres://patchlab@" + f.net[postgres].Addr() + "/postgres?sslmode=disable",
		"REDIS_URL=redis://" + f.net[redis].Addr() + "/0",
		"S3_ENDPOINT=http://" + f.net[minio].Addr(), "S3_BUCKET=" + bucket,
		"S3_ACCESS_KEY=" + testenv.MinIOAccessKey, "S3_SECRET_KEY=" + testenv.MinIOSecretKey,
		"WORKER_CONCURRENCY=2", "RENDER_MAX_SPEED=" + speed, "DRAIN_GRACE=5s", "DB_MAX_CONNS=8",
	}
	for _, name := range processes() {
		p, err := keep(name, dir, []string{node, role(name)}, env)
		if err != nil {
			return f, err
		}
		f.fleet = append(f.fleet, p)
		f.onClose(func() error { p.close(); return nil })
	}
	if err := f.awaitHealth(ctx, time.Minute); err != nil {
		return f, err
	}
	if f.db, err = db.Open(ctx, db.Config{URL: f.postgres.URL(""), MaxConns: 4}); err != nil {
		return f, fmt.Errorf("open the database: %w", err)
	}
	f.onClose(f.db.Close)
	client, err := queue.Open(f.redis.URL())
	if err != nil {
		return f, fmt.Errorf("open Redis: %w", err)
	}
	f.onClose(client.Close)
	f.queue = queue.NewClient(client)
	f.store, err = storage.NewS3(storage.S3Config{
		Endpoint: f.minio.Endpoint(), Bucket: bucket, Region: "us-east-1",
		AccessKey: testenv.MinIOAccessKey, SecretKey: testenv.MinIOSecretKey,
	})
	if err != nil {
		return f, fmt.Errorf("open the store: %w", err)
	}
	f.onClose(f.store.Close)
	return f, nil
}

func (f *farm) startServers(diskSize int64) (err error) {
	if f.postgres, err = testenv.NewPostgres(); err != nil {
		return err
	}
	f.onClose(f.postgres.Close)
	if f.redis, err = testenv.NewRedis(); err != nil {
		return err
	}
	f.onClose(f.redis.Close)
	if f.disk, err = testenv.NewDisk(diskSize); err != nil {
		return err
	}
	f.onClose(f.disk.Close)
	if f.minio, err = testenv.NewMinIOOn(f.disk); err != nil {
		return err
	}
	f.onClose(f.minio.Close)
	if f.answers, err = testenv.NewS3Proxy(f.minio.Endpoint()); err != nil {
		return err
	}
	f.onClose(f.answers.Close)
	for name, to := range map[string][2]string{
		postgres: {"unix", f.postgres.Socket()}, redis: {"unix", f.redis.Socket()}, minio: {"tcp", f.answers.Addr()},
	} {
		p, err := testenv.NewProxy(to[0], to[1])
		if err != nil {
			return err
		}
		f.net[name] = p
		f.onClose(func() error { p.Close(); return nil })
	}
	return nil
}

func (f *farm) onClose(stop func() error) { f.stop = append(f.stop, stop) }

// close ends everything, the last started first.
func (f *farm) close() error {
	var errs []error
	for _, stop := range slices.Backward(f.stop) {
		errs = append(errs, stop())
	}
	f.stop = nil
	return errors.Join(errs...)
}

// apis returns the addresses of the API processes.
func (f *farm) apis() []string {
	var out []string
	for _, p := range f.fleet {
		if role(p.name) == "api" {
			out = append(out, p.addr)
		}
	}
	return out
}

// process returns the process of a name, nil where there is none.
func (f *farm) process(name string) *process {
	for _, p := range f.fleet {
		if p.name == name {
			return p
		}
	}
	return nil
}

// awaitHealth waits until every process says that it is ready.
func (f *farm) awaitHealth(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, p := range f.fleet {
		for !p.healthy(ctx) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready\n%s", p.name, p.tail(2000))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// strike makes an event happen, and returns when it is over.
func (f *farm) strike(ctx context.Context, e Event) error {
	last := func() {
		select {
		case <-time.After(e.For):
		case <-ctx.Done():
		}
	}
	switch e.Kind {
	case Kill:
		if p := f.process(e.Target); p != nil {
			p.kill()
			return nil
		}
		kill, again := map[string]func(){postgres: f.postgres.Kill, redis: f.redis.Kill, minio: f.minio.Kill}[e.Target],
			map[string]func() error{postgres: f.postgres.Start, redis: f.redis.Start, minio: f.minio.Start}[e.Target]
		kill()
		last()
		return again()
	case Freeze:
		return f.process(e.Target).freeze(last)
	case Shutdown:
		f.postgres.Stop(syscall.SIGINT)
		last()
		return f.postgres.Start()
	case Roll:
		for _, p := range f.fleet {
			if role(p.name) != "worker" {
				continue
			}
			if err := p.drain(ctx); err != nil {
				return err
			}
		}
		return nil
	case Cut, Stall, Delay:
		p := f.net[e.Target]
		map[Kind]func(){Cut: p.Cut, Stall: p.Stall, Delay: func() { p.Delay(e.By) }}[e.Kind]()
		last()
		p.Heal()
		return nil
	case Error, SlowDown, Mute, Lost:
		f.answers.Set(map[Kind]testenv.S3Fault{
			Error: testenv.S3Error, SlowDown: testenv.S3SlowDown, Mute: testenv.S3Stall, Lost: testenv.S3Lost,
		}[e.Kind])
		last()
		f.answers.Set(testenv.S3None)
		return nil
	case Clock:
		p := f.process(e.Target)
		err := p.step(e.By)
		last()
		return errors.Join(err, p.step(0))
	case Reboot:
		p := f.process(e.Target)
		err := p.step(e.By)
		last()
		err = errors.Join(err, p.step(0))
		p.kill()
		return err
	case Fill:
		err := f.disk.Fill()
		last()
		return errors.Join(err, f.disk.Free())
	}
	return fmt.Errorf("no such event: %s", e)
}
