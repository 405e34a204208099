// Package limit bounds how often somebody may ask. A request counts once,
// whatever its size.
package limit

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// Bucket names what is counted together.
type Bucket string

// The buckets.
const (
	Generations Bucket = "generations" // an hour, by owner; and by address, so that a dropped cookie gains nothing
	Packs       Bucket = "packs"       // likewise
	Interpret   Bucket = "interpret"   // a second, by address: it is asked while somebody types
	Requests    Bucket = "requests"    // a minute, by address: everything else
)

// Config says how much is allowed.
type Config struct {
	Off         bool // everything is allowed
	Generations int  // an hour and owner
	Packs       int  // an hour and owner
	Requests    int  // a minute and address
	Log         *slog.Logger
}

const (
	// perAddress is how many owners' worth of generations one address may ask for:
	// a school or an office shares one.
	perAddress = 4
	// Interpretations are cheap, and a fast typist asks for some each second.
	interpretRate, interpretBurst = 10, 40
	// callTimeout bounds a question to Redis.
	callTimeout = 500 * time.Millisecond
	// logEvery is the least time between two log lines about an absent Redis.
	logEvery = 10 * time.Second
)

// Decision is the answer to one request.
type Decision struct {
	Allowed    bool
	Limit      int           // requests in the window
	Remaining  int           // that are left now
	Reset      time.Duration // until all of them are there again
	RetryAfter time.Duration // until the next is allowed; 0 where this one is
}

// Limiter counts requests in Redis, by the generic cell rate algorithm.
type Limiter struct {
	cfg  Config
	rate *redis_rate.Limiter

	mu     sync.Mutex
	logged time.Time
}

// New returns a Limiter on rdb, which the caller keeps and closes.
func New(rdb redis.UniversalClient, cfg Config) *Limiter {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Limiter{cfg: cfg, rate: redis_rate.NewLimiter(rdb)}
}

// Allow counts a request of an owner ("" where it has none yet) from an address.
// While Redis is away everything is allowed: a limit guards the farm against
// haste, and is no reason to stand still.
func (l *Limiter) Allow(ctx context.Context, bucket Bucket, owner string, addr netip.Addr) Decision {
	if l.cfg.Off {
		return Decision{Allowed: true}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	from := "addr:" + Network(addr)
	switch bucket {
	case Generations, Packs:
		most := l.cfg.Generations
		if bucket == Packs {
			most = l.cfg.Packs
		}
		d := l.count(ctx, bucket, from, redis_rate.PerHour(perAddress*most))
		if d.Allowed && owner != "" {
			d = l.count(ctx, bucket, owner, redis_rate.PerHour(most))
		}
		return d
	case Interpret:
		return l.count(ctx, bucket, from, redis_rate.Limit{Rate: interpretRate, Burst: interpretBurst, Period: time.Second})
	default:
		return l.count(ctx, bucket, from, redis_rate.PerMinute(l.cfg.Requests))
	}
}

func (l *Limiter) count(ctx context.Context, bucket Bucket, who string, limit redis_rate.Limit) Decision {
	res, err := l.rate.Allow(ctx, string(bucket)+":"+who, limit)
	if err != nil {
		l.absent(ctx, err)
		return Decision{Allowed: true}
	}
	d := Decision{Allowed: res.Allowed > 0, Limit: limit.Burst, Remaining: res.Remaining, Reset: res.ResetAfter}
	if !d.Allowed {
		d.RetryAfter = max(res.RetryAfter, time.Millisecond)
	}
	return d
}

// absent logs that Redis did not answer, now and then.
func (l *Limiter) absent(ctx context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.logged) > logEvery {
		l.logged = now
		l.cfg.Log.WarnContext(ctx, "rates are not limited: Redis does not answer", "err", err)
	}
}

// Network returns what counts as one address: an IPv6 customer has a /64.
func Network(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}
