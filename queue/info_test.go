package queue

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckInfo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		info, want string // want: "" = good
	}{
		{"# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n", ""},
		{"redis_version:6.2.0\nmaxmemory_policy:noeviction", ""},
		{"redis_version:10.0.0\nmaxmemory_policy:noeviction", ""},
		{"redis_version:6.0.16\nmaxmemory_policy:noeviction", `redis has version "6.0.16": PatchLAB needs 6.2 or later`},
		{"redis_version:x\nmaxmemory_policy:noeviction", `redis has version "x": PatchLAB needs 6.2 or later`},
		{"redis_version:7.2.4\nmaxmemory_policy:volatile-lru", `redis has maxmemory-policy "volatile-lru" and may throw tickets away: set it to noeviction`},
		{"", "redis has version \"\": PatchLAB needs 6.2 or later\nredis has maxmemory-policy \"\" and may throw tickets away: set it to noeviction"},
	} {
		err := checkInfo(tc.info)
		if tc.want == "" {
			assert.NoError(t, err, "%q", tc.info)
		} else {
			assert.EqualError(t, err, tc.want, "%q", tc.info)
		}
	}
}
