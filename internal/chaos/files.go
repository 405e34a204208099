package chaos

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"sync"

	"github.com/google/uuid"

	"patchlab/db"
	"patchlab/internal/format"
	"patchlab/internal/janitor"
	"patchlab/internal/service"
	"patchlab/queue"
	"patchlab/storage"
)

// verified remembers the files that are what their recipe makes, by their SHA-256: equal
// ones are not rendered twice.
type verified struct {
	mu   sync.Mutex
	sums map[string]bool
}

// hold renders the recipe in a file again and compares.
func (s *verified) hold(ctx context.Context, file []byte) error {
	key := sum(file)
	s.mu.Lock()
	known := s.sums[key]
	s.mu.Unlock()
	if known {
		return nil
	}
	if _, err := format.Verify(ctx, bytes.NewReader(file), int64(len(file))); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sums == nil {
		s.sums = map[string]bool{}
	}
	s.sums[key] = true
	return nil
}

// download downloads a sound and holds it to its recipe.
func (v *visitor) download(ctx context.Context, id string) ([]byte, error) {
	status, file, err := v.insist(ctx, http.MethodGet, "/v1/sounds/"+id+"/download", "", "")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("download sound %s: %d %.300s", id, status, file)
	}
	if err := v.tally.verified.hold(ctx, file); err != nil {
		return nil, fmt.Errorf("sound %s: %w", id, err)
	}
	return file, nil
}

// fetch downloads a sound and holds it to its recipe and its record.
func (v *visitor) fetch(ctx context.Context, s soundRow) error {
	file, err := v.download(ctx, s.ID)
	if err == nil && (int64(len(file)) != s.Size || sum(file) != s.ETag) {
		err = fmt.Errorf("sound %s: %d bytes with SHA-256 %s, but its record says %d and %s", s.ID, len(file), sum(file), s.Size, s.ETag)
	}
	return err
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// fetchPack downloads a pack and holds each member to the manifest, and every one of
// which verify says so to its recipe. It returns how many sounds are inside.
func (v *visitor) fetchPack(ctx context.Context, id string, verify func(n int) bool) (int, error) {
	status, file, err := v.insist(ctx, http.MethodGet, "/v1/packs/"+id+"/download", "", "")
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("download pack %s: %d %.300s", id, status, file)
	}
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return 0, fmt.Errorf("open pack %s: %w", id, err)
	}
	members := map[string][]byte{}
	for _, f := range z.File {
		if members[path.Base(f.Name)], err = member(f); err != nil {
			return 0, fmt.Errorf("pack %s: %s: %w", id, f.Name, err)
		}
	}
	var manifest struct {
		Sounds []struct{ File, SHA256 string }
	}
	if err := json.Unmarshal(members["manifest.json"], &manifest); err != nil {
		return 0, fmt.Errorf("read the manifest of pack %s: %w", id, err)
	}
	inside := 0
	for n, s := range manifest.Sounds {
		if s.File == "" {
			continue // it failed, and the manifest says so
		}
		inside++
		data := members[path.Base(s.File)]
		if sum(data) != s.SHA256 {
			return inside, fmt.Errorf("pack %s: %s is not the file of the manifest", id, s.File)
		}
		if !verify(n) {
			continue
		}
		if err := v.tally.verified.hold(ctx, data); err != nil {
			return inside, fmt.Errorf("pack %s: %s: %w", id, s.File, err)
		}
	}
	return inside, nil
}

// member reads a file of a ZIP.
func member(f *zip.File) (data []byte, err error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = r.Close() }()
	const most = 64 << 20
	if data, err = io.ReadAll(io.LimitReader(r, most)); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return data, nil
}

// sweep runs a janitor with no patience on a farm at rest, and then holds the blobs to
// the rows. It returns how many blobs there are, and what the janitor has removed.
func sweep(ctx context.Context, d *db.DB, store storage.Store, tickets *queue.Client, v *verdict) (blobs int, removed map[string]int, err error) {
	const atOnce = 1 // ns; 0 is the default
	deps := service.Deps{DB: d, Tickets: tickets, Config: service.Config{TrashAfter: atOnce}}
	j := janitor.New(service.NewFarm(deps), service.NewKeeper(deps), store, tickets, noProgress{}, janitor.Config{OrphansAge: atOnce, UploadsAge: atOnce})
	if removed, err = j.RunOnce(ctx); err != nil {
		return 0, removed, fmt.Errorf("sweep: %w", err)
	}
	var rows []struct {
		Key  string `db:"key"`
		Size int64  `db:"size"`
	}
	if err := d.Reader().Select(ctx, &rows, readKeys); err != nil {
		return 0, removed, fmt.Errorf("read the keys: %w", err)
	}
	sizes := make(map[string]int64, len(rows))
	for _, r := range rows {
		sizes[r.Key] = r.Size
	}
	err = store.List(ctx, "", func(i storage.Info) error {
		blobs++
		size, known := sizes[i.Key]
		switch {
		case !known:
			v.add("a blob without a row is left after the sweep: %s", i.Key)
		case size != i.Size:
			v.add("blob %s has %d bytes, its row says %d", i.Key, i.Size, size)
		}
		delete(sizes, i.Key)
		return nil
	})
	if err != nil {
		return blobs, removed, fmt.Errorf("list the blobs: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(sizes)) {
		v.add("a row without a blob: %s", key)
	}
	return blobs, removed, nil
}

// noProgress is a janitor.Progress without any: what the farm tells live is not judged here.
type noProgress struct{}

// Endless implements janitor.Progress.
func (noProgress) Endless(context.Context, func([]uuid.UUID) error) error { return nil }

// Forget implements janitor.Progress.
func (noProgress) Forget(context.Context, []uuid.UUID) (int, error) { return 0, nil }
