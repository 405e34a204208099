package service_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/db/dbtest"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/internal/service/servicetest"
	"patchlab/internal/testenv"
)

// hookedClock calls a function each time somebody looks at it.
type hookedClock struct{ looked func() }

func (c hookedClock) Now() time.Time {
	c.looked()
	return time.Now()
}

// The database goes away between the commit of a request and the reading back of
// its job: what was accepted is said to be accepted, or the client would ask again.
func TestAcceptedIsAcceptedThoughItCannotBeReadBack(t *testing.T) {
	t.Parallel()
	proxy := testenv.StartProxy(t, "unix", testenv.SharedPostgres(t).Socket())
	d, err := db.Open(t.Context(), db.Config{URL: dbtest.Through(t, dbtest.PostgresURL(t), proxy.Addr()), MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	var looks atomic.Int32
	farm := service.NewFarm(service.Deps{
		DB: d, Tickets: &servicetest.Queue{}, Publisher: &servicetest.News{},
		Clock: hookedClock{func() {
			if looks.Add(1) == 2 { // the first is the transaction's
				proxy.Cut()
			}
		}},
	})
	seed, who := uint32(7), model.Caller{AnonKey: "a"}
	job, existed, err := farm.Generate(t.Context(), who, service.GenerateRequest{Prompt: " deep kick ", Variations: 2, Seed: &seed}, "key", []byte("hash"))
	require.NoError(t, err)
	require.False(t, existed)
	require.GreaterOrEqual(t, looks.Load(), int32(2))
	proxy.Heal()

	read, err := farm.JobByID(t.Context(), job.ID, 0)
	require.NoError(t, err)
	require.Len(t, job.Sounds, 2)
	// What nobody knows without the database is left out; the rest is the same.
	require.Nil(t, job.QueuePosition)
	read.QueuePosition, read.ETA = nil, nil
	for i := range read.Sounds {
		require.JSONEq(t, string(read.Sounds[i].Explanation), string(job.Sounds[i].Explanation))
		read.Sounds[i].Explanation, job.Sounds[i].Explanation = nil, nil
		require.WithinDuration(t, read.Sounds[i].CreatedAt, job.Sounds[i].CreatedAt, time.Microsecond)
		require.WithinDuration(t, *read.Sounds[i].ExpiresAt, *job.Sounds[i].ExpiresAt, time.Microsecond)
		read.Sounds[i].CreatedAt, read.Sounds[i].ExpiresAt = job.Sounds[i].CreatedAt, job.Sounds[i].ExpiresAt
	}
	require.WithinDuration(t, read.CreatedAt, job.CreatedAt, time.Microsecond)
	read.CreatedAt = job.CreatedAt
	require.Equal(t, read, job)

	again, existed, err := farm.Generate(t.Context(), who, service.GenerateRequest{Prompt: " deep kick ", Variations: 2, Seed: &seed}, "key", []byte("hash"))
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, job.ID, again.ID)
}
