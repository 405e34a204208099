package service

import (
	"context"
)

// Keeper removes what nobody needs any more. All verbs work in bounded batches
// and are safe in several processes at once.
type Keeper struct{ Deps }

// NewKeeper makes a Keeper.
func NewKeeper(deps Deps) *Keeper { return &Keeper{Deps: deps.withDefaults()} }

// ExpireAnonymous removes the anonymous jobs, with their sounds, whose time is
// over and that are not waiting or running.
func (k *Keeper) ExpireAnonymous(ctx context.Context) (jobs, sounds int, err error) {
	return 0, 0, errSkeleton
}

// RemoveUnreferencedAssets removes the assets that no sound refers to and puts
// their blobs on the trash list.
func (k *Keeper) RemoveUnreferencedAssets(ctx context.Context) (int, error) { return 0, errSkeleton }

// DueTrash returns up to limit keys of blobs that may be deleted now. Delete
// them, then call ForgetTrash.
func (k *Keeper) DueTrash(ctx context.Context, limit int) ([]string, error) { return nil, errSkeleton }

// ForgetTrash strikes deleted blobs off the trash list.
func (k *Keeper) ForgetTrash(ctx context.Context, keys []string) error { return errSkeleton }

// LiveKeys returns which of the keys (at most 500) the database knows, as an
// asset or as trash. A blob that it does not know, and that is more than 24 h
// old by the time in its key, is an orphan.
func (k *Keeper) LiveKeys(ctx context.Context, keys []string) (map[string]bool, error) {
	return nil, errSkeleton
}

// ExpireIdempotencyKeys removes the keys whose time is over.
func (k *Keeper) ExpireIdempotencyKeys(ctx context.Context) (int, error) { return 0, errSkeleton }

// ForgetIdleShares removes the fair-share marks that no longer matter.
func (k *Keeper) ForgetIdleShares(ctx context.Context) (int, error) { return 0, errSkeleton }
