package live_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"patchlab/internal/live"
	"patchlab/internal/model"
	"patchlab/internal/testenv"
	"patchlab/queue"
)

// wire is a network between a client and Redis that can lose what it carries.
type wire struct {
	listener net.Listener
	mu       sync.Mutex
	open     []net.Conn
	lost     chan struct{} // closed when what is open now carries nothing more
	carriers sync.WaitGroup
}

// newWire returns a client of the server that talks over a wire.
func newWire(t *testing.T, server *testenv.Redis) (*wire, redis.UniversalClient) {
	t.Helper()
	near := filepath.Join(filepath.Dir(strings.TrimPrefix(server.URL(), "unix://")), "w")
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", near)
	require.NoError(t, err)
	w := &wire{listener: l, lost: make(chan struct{})}
	w.carriers.Go(func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := new(net.Dialer).DialContext(context.Background(), "unix", strings.TrimPrefix(server.URL(), "unix://"))
			if err != nil {
				_ = a.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, a, b)
			lost := w.lost
			w.mu.Unlock()
			w.carriers.Go(func() { carry(a, b, lost) })
			w.carriers.Go(func() { carry(b, a, lost) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for _, c := range w.open {
			_ = c.Close()
		}
		w.mu.Unlock()
		w.carriers.Wait()
	})
	rdb, err := queue.Open("unix://" + near)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	return w, rdb
}

// carry takes what comes, as a kernel does, and hands it on unless it is lost.
func carry(to, from net.Conn, lost <-chan struct{}) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			select {
			case <-lost: // nobody hears of it
			default:
				_ = to.Close()
			}
			return
		}
		select {
		case <-lost:
		default:
			_, _ = to.Write(buf[:n])
		}
	}
}

// lose has the open connections carry nothing more, without a word to either end.
func (w *wire) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.lost)
	w.lost = make(chan struct{})
}

// The machine of a Redis dies, or a firewall forgets the connection: nobody closes it.
func TestAConnectionThatDiesInSilenceIsReplaced(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	server := testenv.StartRedis(t)
	w, rdb := newWire(t, server)
	db := newJobs()
	job := db.create(1)
	pub := live.NewPublisher(server.Client(t), quiet)
	s := subscribe(t, startHub(t, rdb, db, live.HubConfig{Reread: 100 * time.Millisecond}), job.ID, false)
	next(t, s)
	require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, 1)))
	assert.Equal(t, int64(1), next(t, s).Progress[0].Frames)

	w.lose()
	deadline, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for frames := int64(2); ; frames++ {
		require.NoError(t, deadline.Err(), "the hub stays deaf")
		require.NoError(t, pub.Progress(ctx, progressOf(job, 0, 1, frames)))
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		msg, err := s.Next(short)
		cancel()
		if err == nil {
			assert.Equal(t, live.Progress, msg.Type)
			break
		}
		require.NotErrorIs(t, err, io.EOF)
	}
}

// A Redis that is full refuses to store progress, and still passes on news.
func TestAnErrorThatRedisAnswersSilencesNothingElse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	rdb := testenv.StartRedis(t).Client(t)
	db := newJobs()
	job := db.create(1)
	pub := live.NewPublisher(rdb, quiet)
	s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
	next(t, s)
	require.NoError(t, rdb.ConfigSet(ctx, "maxmemory", "1").Err())
	require.Error(t, pub.Progress(ctx, progressOf(job, 0, 1, 1)))
	require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, setState(0, "succeeded"))))
	expect(t, s, live.Take)
}

// Where nothing happens, the connection is left alone.
func TestAQuietConnectionIsKept(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		var said syncBuffer
		db := newJobs()
		job := db.create(1)
		idle := live.HubConfig{Reread: 30 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&said, nil))}
		startHub(t, rdb, db, idle)
		s := subscribe(t, startHub(t, rdb, db, idle), job.ID, false)
		next(t, s)
		expectNothing(t, s, 500*time.Millisecond)
		assert.Empty(t, said.String())
	})
}

type syncBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A big job is cancelled in one transaction: whoever reads is not too slow for it.
func TestABigJobThatEndsAtOnceClosesNobody(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := context.Background()
		db := newJobs()
		job := db.create(300)
		pub := live.NewPublisher(rdb, quiet)
		s := subscribe(t, startHub(t, rdb, db, live.HubConfig{}), job.ID, false)
		next(t, s)
		require.NoError(t, pub.JobChanged(ctx, job.ID, db.change(job.ID, func(j *model.Job) {
			j.State = model.Cancelled
			for i := range j.Sounds {
				j.Sounds[i].State = model.Cancelled
			}
		})))
		end := expect(t, s, live.Cancelled)
		assert.Equal(t, model.Cancelled, end.Job.Sounds[299].State)
	})
}
