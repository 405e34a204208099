package service_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"patchlab/db"
	"patchlab/internal/service"
)

// A database that hangs holds up each who reads a job for as long as they want to
// wait, not for as long as others do.
func TestNobodyWaitsForAnothersLookAtTheRate(t *testing.T) {
	t.Parallel()
	d, err := db.Open(t.Context(), db.Config{Path: filepath.Join(t.TempDir(), "patchlab.db"), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(t.Context()))
	f := service.NewFarm(service.Deps{DB: d})

	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan struct{}, 2)
	go func() { // has the one connection of the readers
		_ = d.Reader().View(context.Background(), func(db.Queryer) error {
			close(held)
			<-release
			return nil
		})
		done <- struct{}{}
	}()
	<-held
	go func() { // patient
		_, _ = f.JobByID(context.Background(), uuid.New(), 0)
		done <- struct{}{}
	}()
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	time.AfterFunc(4*time.Second, func() { close(release) })
	_, err = f.JobByID(ctx, uuid.New(), 0)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
	<-done
	<-done
}
