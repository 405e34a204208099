package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// The oldest Redis that the farm works with: users of their own (ACL, 6.0), and
// the commands with which Asynq keeps its leases.
const (
	leastMajor = 6
	leastMinor = 2
)

// Check reports, for the log of a boot, why the Redis behind rdb cannot carry the
// tickets of a farm: it does not answer, it is too old, or it may evict keys. A
// ticket whose lease was evicted would be stuck for ever.
//
// It asks by INFO alone: hosted servers forbid CONFIG.
func Check(ctx context.Context, rdb redis.UniversalClient) error {
	text, err := rdb.Info(ctx, "server", "memory").Result()
	if err != nil {
		return fmt.Errorf("redis does not answer, or its user may not call INFO: %w", err)
	}
	return checkInfo(text)
}

// checkInfo judges what INFO says.
func checkInfo(text string) error {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	var faults []error
	if version := info["redis_version"]; !recent(version) {
		faults = append(faults, fmt.Errorf("redis has version %q: PatchLAB needs %d.%d or later", version, leastMajor, leastMinor))
	}
	if policy := info["maxmemory_policy"]; policy != "noeviction" {
		faults = append(faults, fmt.Errorf("redis has maxmemory-policy %q and may throw tickets away: set it to noeviction", policy))
	}
	return errors.Join(faults...)
}

func recent(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	return major > leastMajor || major == leastMajor && minor >= leastMinor
}
