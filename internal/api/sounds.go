package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"patchlab/engine/patch"
	"patchlab/internal/model"
)

// sounds handles GET /v1/sounds.
func (a *API) sounds(c *gin.Context) error {
	cursor, limit, err := pageOf(c)
	if err != nil {
		return err
	}
	items, next, err := a.opt.Library.Sounds(c.Request.Context(), caller(c), cursor, limit)
	if err != nil {
		return fmt.Errorf("list sounds: %w", err)
	}
	list := struct {
		Items      []soundDTO `json:"items"`
		NextCursor *string    `json:"next_cursor"`
	}{Items: make([]soundDTO, len(items))}
	for i := range items {
		list.Items[i] = newSound(&items[i])
	}
	if next != "" {
		list.NextCursor = &next
	}
	return a.reply(c, http.StatusOK, list)
}

// pageOf reads which page of a list is asked for.
func pageOf(c *gin.Context, filters ...string) (cursor string, limit int, err error) {
	if err := onlyQuery(c, append(filters, "cursor", "limit")...); err != nil {
		return "", 0, err
	}
	limit = 20
	if s, given := c.GetQuery("limit"); given {
		if limit, err = strconv.Atoi(s); err != nil {
			return "", 0, model.Invalid(model.FieldError{Field: "limit", Message: "must be a whole number from 1 to 100"})
		}
	}
	return c.Query("cursor"), limit, nil
}

// sound handles GET /v1/sounds/{id}.
func (a *API) sound(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	s, err := a.opt.Library.Sound(c.Request.Context(), caller(c), soundID)
	if err != nil {
		return fmt.Errorf("read sound: %w", err)
	}
	return a.reply(c, http.StatusOK, newSound(&s))
}

// downloadTimeout is how long a download may take in all: 30 s of 96 kHz float
// stereo at 20 kB/s.
const downloadTimeout = 20 * time.Minute

// maxRanges is how many parts of a file one request may ask for: each may cost a
// request to the store.
const maxRanges = 16

// download handles GET /v1/sounds/{id}/download.
func (a *API) download(c *gin.Context) error {
	if err := onlyQuery(c, "format", "inline"); err != nil {
		return err
	}
	soundID, err := id(c)
	if err != nil {
		return err
	}
	if f, given := c.GetQuery("format"); given && f != "wav" {
		return model.Invalid(model.FieldError{Field: "format", Message: "must be wav"})
	}
	inline, given := c.GetQuery("inline")
	if given && inline != "1" {
		return model.Invalid(model.FieldError{Field: "inline", Message: "must be 1, or absent"})
	}
	return a.fetch(c, func(ctx context.Context) (file, error) {
		s, err := a.opt.Library.Rendered(ctx, caller(c), soundID)
		return file{asset: s.Asset, name: s.Name, ext: s.Format, mediaType: "audio/wav", inline: given, limit: downloadTimeout}, err
	}, func(ctx context.Context) (model.Job, error) {
		return a.opt.Farm.RestoreAudio(ctx, caller(c), soundID)
	})
}

// file is a stored file as it is sent.
type file struct {
	asset     *model.Asset
	name, ext string
	mediaType string
	inline    bool          // to play in the page instead of saving
	limit     time.Duration // how long it may take
}

// send sends a file, or the part of it that is asked for.
func (a *API) send(c *gin.Context, f file) error {
	if a.opt.Signer != nil && c.Request.Method == http.MethodGet {
		return a.redirect(c, f)
	}
	blob, err := a.opt.Blobs.Open(c.Request.Context(), f.asset.Key)
	if err != nil {
		return fmt.Errorf("open file %s: %w", f.asset.Key, lost(err))
	}
	defer func() {
		if err := blob.Close(); err != nil {
			a.log.WarnContext(c.Request.Context(), "cannot close a blob", "err", err)
		}
	}()
	a.unhurried(c, f.limit)
	c.Set(lastingKey, true)
	h := c.Writer.Header()
	h.Set("ETag", strongETag(f.asset))
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Disposition", disposition(f.name, f.ext, f.inline))
	// The bytes never change, but whose they are must be asked each time.
	h.Set("Cache-Control", "private, no-cache")
	if spans := c.GetHeader("Range"); !strings.HasPrefix(spans, "bytes=") || strings.Count(spans, ",") >= maxRanges {
		c.Request.Header.Del("Range") // a unit that we do not know, or too many parts, is ignored (RFC 9110)
	}
	w := &refusal{ResponseWriter: c.Writer}
	http.ServeContent(w, c.Request, "", time.Time{}, blob)
	if w.status == 0 {
		return nil
	}
	for _, name := range []string{"ETag", "Content-Disposition", "Content-Length", "Last-Modified"} {
		h.Del(name) // they are the file's, not the problem's
	}
	if w.status == http.StatusPreconditionFailed {
		return model.Errorf(model.CodePrecondition, "the file is not the one that If-Match names")
	}
	h.Set("Content-Range", "bytes */"+strconv.FormatInt(f.asset.Size, 10))
	return model.Errorf(model.CodeRange, "the file has no such part; the Content-Range header says how long it is")
}

// signedFor is how long the address of a redirect is good: long enough to follow it
// at once, and for a slow start.
const signedFor = time.Minute

// redirect sends a client that may have a file on to where it is served.
func (a *API) redirect(c *gin.Context, f file) error {
	ctx := c.Request.Context()
	h := c.Writer.Header()
	if etag := strongETag(f.asset); c.GetHeader("If-None-Match") == etag {
		h.Set("ETag", etag)
		h.Set("Cache-Control", "private, no-cache")
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	// Asked here, because what the other server says of a file that is gone is not
	// for people.
	if err := a.opt.Blobs.Stat(ctx, f.asset.Key); err != nil {
		return fmt.Errorf("find file %s: %w", f.asset.Key, lost(err))
	}
	at, err := a.opt.Signer.URL(ctx, f.asset.Key, signedFor, f.mediaType, disposition(f.name, f.ext, f.inline))
	if err != nil {
		return fmt.Errorf("redirect to file %s: %w", f.asset.Key, err)
	}
	h.Set("Cache-Control", "private, no-store")
	h.Set("Location", at)
	c.Status(http.StatusFound)
	c.Writer.WriteHeaderNow()
	return nil
}

// strongETag is the validator of a file, by its bytes.
func strongETag(a *model.Asset) string { return `"` + a.ETag + `"` }

// refusal keeps back what http.ServeContent answers where it serves nothing, so
// that a problem document can take its place.
type refusal struct {
	http.ResponseWriter
	status int // 0 while it serves
}

// WriteHeader implements http.ResponseWriter.
func (r *refusal) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed || status == http.StatusRequestedRangeNotSatisfiable {
		r.status = status
		return
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (r *refusal) Write(p []byte) (int, error) {
	if r.status != 0 {
		return len(p), nil
	}
	return r.ResponseWriter.Write(p) //nolint:wrapcheck // it stands in for the writer
}

// disposition is the Content-Disposition of a sound's file (RFC 6266). Names are
// made of letters, digits and dashes (see package service); anything else is
// replaced here all the same, for a header is no place to trust a name. A name
// beyond ASCII goes into filename*, with a plain one for those who cannot read it.
func disposition(name, ext string, inline bool) string {
	safe := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) && r != utf8.RuneError || unicode.IsDigit(r) || r == '_' {
			return r
		}
		return '-'
	}, name)
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '-'
		}
		return r
	}, safe)
	if strings.Trim(plain, "-") == "" {
		plain = "sound"
	}
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	out := kind + `; filename="` + plain + "." + ext + `"`
	if plain != safe && safe != "" {
		out += `; filename*=UTF-8''` + url.PathEscape(safe) + "." + ext
	}
	return out
}

// waveform handles GET /v1/sounds/{id}/waveform.
func (a *API) waveform(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	var s model.Sound
	err = a.restored(c, func(ctx context.Context) (err error) {
		s, err = a.opt.Library.Rendered(ctx, caller(c), soundID)
		return err
	}, func(ctx context.Context) (model.Job, error) {
		return a.opt.Farm.RestoreAudio(ctx, caller(c), soundID)
	})
	if err != nil {
		return fmt.Errorf("find a sound's waveform: %w", err)
	}
	peaks := make([]int, len(s.Asset.Peaks))
	for i, p := range s.Asset.Peaks {
		peaks[i] = int(p)
	}
	c.Header("Cache-Control", "private, max-age=3600")
	return a.reply(c, http.StatusOK, map[string]any{
		"sound_id": s.ID, "frames": s.Asset.Frames, "sample_rate": s.Asset.SampleRate, "channels": s.Asset.Channels, "peaks": peaks,
	})
}

// recipe handles GET /v1/sounds/{id}/recipe.
func (a *API) recipe(c *gin.Context) error {
	soundID, err := bareID(c)
	if err != nil {
		return err
	}
	r, err := a.opt.Library.Recipe(c.Request.Context(), caller(c), soundID)
	if err != nil {
		return fmt.Errorf("read a sound's recipe: %w", err)
	}
	return a.reply(c, http.StatusOK, struct {
		Engine  string      `json:"engine"`
		Encoder string      `json:"encoder"`
		Format  string      `json:"format"`
		Digest  string      `json:"digest"`
		Patch   patch.Patch `json:"patch"`
	}{r.Engine, r.Encoder, r.Format, r.Digest(), r.Patch})
}
