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
	listen(ctx, rdb, cancelChannel, func(payload string) {
		tasks, err := decodeIDs(payload)
		if err != nil {
			log.WarnContext(ctx, "a cancellation makes no sense", "err", err)
			return
		}
		stop(tasks)
	})
}

// Settings calls changed when a Publisher tells of new settings, until ctx ends. What is
// told while Redis is away is lost.
func Settings(ctx context.Context, rdb redis.UniversalClient, changed func()) {
	listen(ctx, rdb, settingsChannel, func(string) { changed() })
}

// listen calls heard with each message on a channel, until ctx ends.
func listen(ctx context.Context, rdb redis.UniversalClient, channel string, heard func(payload string)) {
	sub := rdb.Subscribe(ctx, channel)
	defer func() { _ = sub.Close() }() // only read
	news := sub.Channel()              // connects again by itself
	for {
		select {
		case m, ok := <-news:
			if !ok {
				return
			}
			heard(m.Payload)
		case <-ctx.Done():
			return
		}
	}
}
