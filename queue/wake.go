package queue

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"patchlab/internal/model"
)

// wakeChannel carries the names of lanes in which there are new tickets, separated by
// spaces.
const wakeChannel = "patchlab:tickets"

// pingEvery is how long a subscription may be silent before it is asked for a sign of
// life, and how long it then has: one whose other end vanished without a word would
// be silent for ever.
const pingEvery = 2 * time.Second

// tell lets the servers know of new tickets in lanes. Where that fails they find the
// tickets with their next safety poll.
func (c *Client) tell(ctx context.Context, lanes []string) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_ = c.rdb.Publish(ctx, wakeChannel, strings.Join(lanes, " ")).Err()
}

// listen wakes the gate for tickets that Clients tell of, until ctx ends. While Redis
// is away it tries again at the pace of the safety poll.
func (s *Server) listen(ctx context.Context) {
	for {
		s.hear(ctx)
		select {
		case <-time.After(s.cfg.Poll):
		case <-ctx.Done():
			return
		}
	}
}

// hear is one subscription, until it breaks or falls silent.
func (s *Server) hear(ctx context.Context) {
	sub := s.rdb.Subscribe(ctx, wakeChannel)
	defer func() { _ = sub.Close() }()                         // only read
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // ends a read
	defer stop()
	asked := false
	for {
		news, err := sub.ReceiveTimeout(ctx, pingEvery)
		var timeout net.Error
		switch {
		case err == nil:
			asked = false
		case !errors.As(err, &timeout) || !timeout.Timeout() || asked || sub.Ping(ctx) != nil:
			return
		default:
			asked = true
		}
		switch news := news.(type) {
		case *redis.Subscription: // who knows what was told before
			s.gate.wake(model.Lanes()...)
		case *redis.Message:
			for lane := range strings.FieldsSeq(news.Payload) {
				s.gate.wake(model.Lane(lane))
			}
		}
	}
}
