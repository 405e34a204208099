package live

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Cancellations calls stop with the tasks that a Publisher tells are cancelled, until ctx
// ends. What is told while Redis is away is lost.
func Cancellations(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger, stop func(tasks []uuid.UUID)) {
	sub := rdb.Subscribe(ctx, cancelChannel)
	defer func() { _ = sub.Close() }() // only read
	news := sub.Channel()              // connects again by itself
	for {
		select {
		case m, ok := <-news:
			if !ok {
				return
			}
			tasks, err := decodeIDs(m.Payload)
			if err != nil {
				log.WarnContext(ctx, "a cancellation makes no sense", "err", err)
				continue
			}
			stop(tasks)
		case <-ctx.Done():
			return
		}
	}
}
