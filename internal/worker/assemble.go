package worker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"patchlab/engine"
	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/service"
	"patchlab/storage"
)

// codePack is the code of a pack that cannot be made.
const codePack = "pack_failed"

// assemble gives a pack its ZIP: one that is there already, or a new one, which is
// streamed out of the store and into it.
func (w *Worker) assemble(ctx context.Context, claim service.Claim) (outcome string, err error) {
	pack := w.packOf(claim.Pack)
	if err := pack.Check(); err != nil {
		return "", final(codePack, "the pack is too large for one ZIP", err)
	}
	digest := pack.Digest()
	if done, err := w.reuse(ctx, claim.Ticket, digest, nil); done || err != nil {
		return OutcomeReused, err
	}
	id, err := w.cfg.NewID()
	if err != nil {
		return "", fmt.Errorf("name the file: %w", err)
	}
	info, err := w.upload(ctx, w.cfg.PackTimeout, storage.NewKey(digest, id, format.Extension(format.ZIP)), claim.Ticket,
		func(ctx context.Context, to io.Writer) error { return format.WritePack(ctx, to, pack) })
	if err != nil {
		return "", err
	}
	return OutcomeRendered, w.settle(ctx, claim.Ticket, model.Asset{
		Digest: digest, Format: format.ZIP, Key: info.Key, Size: info.Size, ETag: info.ETag,
		Engine: engine.Version, Encoder: format.PackVersion,
	})
}

func (w *Worker) packOf(b *service.PackBuild) *format.Pack {
	pack := &format.Pack{Name: b.Name, Sounds: make([]format.PackSound, len(b.Sounds))}
	for i := range b.Sounds {
		s := &b.Sounds[i]
		out := format.PackSound{Name: s.Name, Recipe: format.NewRecipe(s.Patch, s.Format)}
		if a := s.Asset; a != nil && s.State == model.Succeeded {
			out.Recipe.Engine, out.Recipe.Encoder = a.Engine, a.Encoder
			out.Size, out.ETag, out.Frames = a.Size, a.ETag, a.Frames
			out.Open = func(ctx context.Context) (io.ReadCloser, error) {
				file, _, err := w.store.Open(ctx, a.Key)
				if errors.Is(err, storage.ErrNotFound) {
					return nil, w.lost(ctx, a, err)
				}
				if err != nil {
					return nil, fmt.Errorf("open the file of sound %s: %w", s.ID, err)
				}
				return file, nil
			}
		} else {
			out.Failure = "it was not rendered"
			if s.Error != nil {
				out.Failure = s.Error.Message
			}
		}
		pack.Sounds[i] = out
	}
	return pack
}

// lost forgets a file that the store does not have, so that the next build of the pack
// renders its sound again.
func (w *Worker) lost(ctx context.Context, a *model.Asset, cause error) error {
	cctx, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
	defer cancel()
	if err := w.farm.DropAsset(cctx, *a); err != nil {
		return fmt.Errorf("forget a lost file: %w", err)
	}
	return final(codePack, "the store has lost a file of this pack: build it again", cause)
}
