package service_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
)

// BenchmarkPool shows what the size of the pools does: 32 callers at once accept a
// request each and read it back. Time and throughput are of the whole.
func BenchmarkPool(b *testing.B) {
	configs := map[string]func() db.Config{
		"sqlite":   func() db.Config { return db.Config{Path: filepath.Join(b.TempDir(), "x.db")} },
		"postgres": func() db.Config { return db.Config{URL: dbtest.EmptyPostgresURL(b)} },
	}
	for _, dialect := range []string{"sqlite", "postgres"} {
		for _, conns := range []int{1, 2, 4, 8, 16, 32} {
			b.Run(fmt.Sprintf("%s/conns=%d", dialect, conns), func(b *testing.B) {
				cfg := configs[dialect]()
				cfg.MaxConns = conns
				d, err := db.Open(b.Context(), cfg)
				require.NoError(b, err)
				defer func() { require.NoError(b, d.Close()) }()
				require.NoError(b, d.Migrate(b.Context()))
				h := servicetest.New(b, d, service.Config{MaxQueued: 1 << 20})
				var n atomic.Int64
				b.SetParallelism(16) // times GOMAXPROCS
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						seed := uint32(n.Add(1))
						owner := model.Caller{AnonKey: strconv.Itoa(int(seed % 500))}
						job, _, err := h.Farm.Generate(b.Context(), owner, service.GenerateRequest{Prompt: "kick", Variations: 1, Seed: &seed}, "", nil)
						if err == nil {
							_, err = h.Library.Sound(b.Context(), owner, job.Sounds[0].ID)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
				waits := d.Stats()["write"]
				b.ReportMetric(waits.WaitDuration.Seconds()*1000/float64(b.N), "ms-waiting/op")
			})
		}
	}
}
