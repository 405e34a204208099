package queue

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// tick is how often the embedded Redis ages its keys. It could do so by itself
// on every command (ClockTTL), but would then walk all keys on every command.
const tick = time.Second

// Embedded is a Redis in this process, in memory only: tickets and progress are
// gone with the process, and the database makes them again.
type Embedded struct {
	server   *miniredis.Miniredis
	password string

	once sync.Once
	stop chan struct{}
	done chan struct{}
}

// StartEmbedded starts an embedded Redis on a free loopback port. A random
// password keeps other users of the machine out. (A net.Pipe would need no port,
// but has no buffer: client and server each block on a pipeline of some
// kilobytes until the other one reads.)
func StartEmbedded() (*Embedded, error) {
	e := &Embedded{
		server:   miniredis.NewMiniRedis(),
		password: rand.Text(),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	e.server.RequireAuth(e.password)
	if err := e.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	go e.age(time.Now())
	return e, nil
}

// age lets TTLs run by the monotonic clock.
func (e *Embedded) age(last time.Time) {
	defer close(e.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-e.stop:
			return
		case now := <-t.C:
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Addr returns the host and port that it listens on.
func (e *Embedded) Addr() string { return e.server.Addr() }

// Client returns a new client, which the caller closes.
func (e *Embedded) Client() *redis.Client {
	return redis.NewClient(bounded(&redis.Options{Addr: e.Addr(), Password: e.password}))
}

// Close stops it; clients then get errors. It may be called twice.
func (e *Embedded) Close() error {
	e.once.Do(func() {
		close(e.stop)
		<-e.done
		e.server.Close()
	})
	return nil
}
