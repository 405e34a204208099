package service

import (
	"context"
	"fmt"
	"time"

	"patchlab/db"
	"patchlab/db/repo"
)

// Preview is what of one kind would go.
type Preview struct {
	Count int
	First []string // up to PreviewFirst ids or keys
}

// PreviewFirst is how many ids a Preview has.
const PreviewFirst = 3

// Add counts things in.
func (p *Preview) Add(names ...string) {
	p.Count += len(names)
	p.First = append(p.First, names[:min(len(names), PreviewFirst-len(p.First))]...)
}

// Forecast is what the verbs of the Keeper would remove, if they ran one after the other, in
// this order.
type Forecast struct {
	Expired         Preview // sounds, by ExpireAnonymous
	Packs           Preview // by PurgePacks
	Sounds          Preview // by PurgeSounds
	Audio           Preview // of sounds, by ExpireAudio
	ZIPs            Preview // of packs, by ExpireZIPs
	Assets          Preview // by RemoveUnreferencedAssets
	Trash           Preview // keys of blobs, as DueTrash names them
	IdempotencyKeys Preview // by ExpireIdempotencyKeys, named by their jobs
	Shares          Preview // by ForgetIdleShares, named by their owners
}

// Forecast looks at what would be removed, and changes nothing: it reads one snapshot, by a
// connection that cannot write.
func (k *Keeper) Forecast(ctx context.Context) (Forecast, error) {
	now := k.now()
	bounds := repo.Bounds{
		Now: now, Deleted: now.Add(-k.Config.DeleteGrace), Audio: time.Unix(0, 0).UTC(), Keys: now.Add(-k.Config.IdempotencyTTL),
	}
	if k.Config.AssetTTL > 0 {
		bounds.Audio = now.Add(-k.Config.AssetTTL)
	}
	var found repo.Forecast
	err := k.DB.Reader().View(ctx, func(q db.Queryer) (err error) {
		found, err = repo.Doomed(ctx, q, bounds, PreviewFirst)
		return err
	})
	if err != nil {
		return Forecast{}, fmt.Errorf("look at what would be removed: %w", err)
	}
	return Forecast{
		Expired: Preview(found.Expired), Packs: Preview(found.Packs), Sounds: Preview(found.Sounds), Audio: Preview(found.Audio),
		ZIPs: Preview(found.ZIPs), Assets: Preview(found.Assets), Trash: Preview(found.Trash),
		IdempotencyKeys: Preview(found.IdempotencyKeys), Shares: Preview(found.Shares),
	}, nil
}
