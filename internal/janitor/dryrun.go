package janitor

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"patchlab/internal/service"
)

// Finding is what a verb that removes would remove now.
type Finding struct {
	Chore string
	service.Preview
}

// DryRun looks at what one round of every verb that removes would do, and changes nothing.
// The counts are those of RunOnce, where nothing happens in between: what one verb frees
// counts for the next. A verb that cannot look is left out, and named by the error.
func (j *Janitor) DryRun(ctx context.Context) ([]Finding, error) {
	var findings []Finding
	var errs []error
	look := func(chore string, preview service.Preview, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", chore, err))
			return
		}
		findings = append(findings, Finding{chore, preview})
	}
	forecast, err := j.keeper.Forecast(ctx)
	for _, f := range []struct {
		chore   string
		preview service.Preview
	}{
		{Expire, forecast.Expired},
		{Packs, forecast.Packs},
		{Sounds, forecast.Sounds},
		{Audio, forecast.Audio},
		{ZIPs, forecast.ZIPs},
		{Assets, forecast.Assets},
		{Trash, forecast.Trash},
		{Idempotency, forecast.IdempotencyKeys},
		{Shares, forecast.Shares},
	} {
		look(f.chore, f.preview, err)
	}
	var orphans service.Preview
	err = j.eachOrphan(ctx, "", func(keys []string, _ string) error {
		orphans.Add(keys...)
		return nil
	})
	look(Orphans, orphans, err)
	uploads, err := j.store.CountTemp(ctx, j.cfg.Now().Add(-j.cfg.UploadsAge))
	look(Uploads, service.Preview{Count: uploads}, err)
	archived, err := j.tickets.CountArchived(ctx)
	look(Archived, service.Preview{Count: archived}, err)
	stale, err := j.staleProgress(ctx)
	look(Stale, stale, err)
	return findings, errors.Join(errs...)
}

func (j *Janitor) staleProgress(ctx context.Context) (service.Preview, error) {
	var found service.Preview
	seen := map[uuid.UUID]bool{} // Redis may name a key twice
	err := j.progress.Endless(ctx, func(jobs []uuid.UUID) error {
		ended, err := j.keeper.EndedJobs(ctx, jobs)
		for _, id := range ended {
			if !seen[id] {
				seen[id] = true
				found.Add(id.String())
			}
		}
		return err
	})
	return found, err
}
