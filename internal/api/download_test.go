package api_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"patchlab/internal/format"
	"patchlab/internal/model"
	"patchlab/internal/testenv/backing"
)

func TestDownload(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		v := p.visitor(t)
		s := v.rendered()
		url := *s.DownloadURL
		whole := v.get(url).is(http.StatusOK)
		body, etag := whole.body, whole.header.Get("ETag")

		require.Equal(t, "audio/wav", whole.header.Get("Content-Type"))
		require.Equal(t, strconv.Itoa(len(body)), whole.header.Get("Content-Length"))
		require.Equal(t, int64(len(body)), *s.SizeBytes)
		require.Equal(t, "bytes", whole.header.Get("Accept-Ranges"))
		require.Equal(t, `attachment; filename="kick.wav"`, whole.header.Get("Content-Disposition"))
		require.Equal(t, "private, no-cache", whole.header.Get("Cache-Control"), "whose it is is asked each time")
		require.Regexp(t, `^"[0-9a-f]{64}"$`, etag, "strong, and of the content")
		require.Empty(t, whole.header.Get("Last-Modified"))
		recipe, err := format.ReadRecipe(bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		var told struct{ Digest string }
		v.get(s.RecipeURL).is(http.StatusOK).into(&told)
		require.Equal(t, recipe.Digest(), told.Digest, "the file holds the recipe that the API tells")

		head := v.do(http.MethodHead, url, nil).is(http.StatusOK)
		for _, name := range []string{"Content-Length", "ETag", "Content-Type", "Content-Disposition", "Accept-Ranges", "Cache-Control"} {
			require.Equal(t, whole.header.Get(name), head.header.Get(name), name)
		}
		inline := v.get(url + "?inline=1&format=wav").is(http.StatusOK)
		require.Equal(t, `inline; filename="kick.wav"`, inline.header.Get("Content-Disposition"))
		require.Equal(t, body, inline.body)

		n := len(body)
		for ranges, part := range map[string][2]int{
			"bytes=0-0":      {0, 1},
			"bytes=0-99":     {0, 100},
			"bytes=100-":     {100, n},
			"bytes=-100":     {n - 100, n},
			"bytes=50-99999": {50, n},
			"bytes=-9999999": {0, n},
			"bytes=44-143":   {44, 144},
		} {
			a := v.get(url, "Range", ranges).is(http.StatusPartialContent)
			require.Equal(t, body[part[0]:part[1]], a.body, ranges)
			require.Equal(t, "bytes "+strconv.Itoa(part[0])+"-"+strconv.Itoa(part[1]-1)+"/"+strconv.Itoa(n), a.header.Get("Content-Range"))
			require.Equal(t, etag, a.header.Get("ETag"))
		}
		several := v.get(url, "Range", "bytes=0-9,20-29").is(http.StatusPartialContent)
		media, params, err := mime.ParseMediaType(several.header.Get("Content-Type"))
		require.NoError(t, err)
		require.Equal(t, "multipart/byteranges", media)
		parts := multipart.NewReader(bytes.NewReader(several.body), params["boundary"])
		for _, from := range []int{0, 20} {
			part, err := parts.NextPart()
			require.NoError(t, err)
			data, err := io.ReadAll(part)
			require.NoError(t, err)
			require.Equal(t, body[from:from+10], data)
		}
		for _, ranges := range []string{"seconds=0-1", "bytes=", "rubbish"} {
			require.Equal(t, body, v.get(url, "Range", ranges).is(http.StatusOK).body, "%s is ignored", ranges)
		}

		for _, ranges := range []string{"bytes=9999999-", "bytes=5-1", "bytes=x-y"} {
			a := v.get(url, "Range", ranges).fails(http.StatusRequestedRangeNotSatisfiable, model.CodeRange)
			require.Equal(t, "bytes */"+strconv.Itoa(n), a.header.Get("Content-Range"))
			for _, name := range []string{"ETag", "Content-Disposition", "Last-Modified"} {
				require.Empty(t, a.header.Get(name), "%s belongs to the file", name)
			}
			v.do(http.MethodHead, url, nil, "Range", ranges).is(http.StatusRequestedRangeNotSatisfiable)
		}

		require.Equal(t, body[:10], v.get(url, "Range", "bytes=0-9", "If-Range", etag).is(http.StatusPartialContent).body)
		for _, other := range []string{`"other"`, "W/" + etag, "Mon, 02 Jan 2006 15:04:05 GMT"} {
			require.Equal(t, body, v.get(url, "Range", "bytes=0-9", "If-Range", other).is(http.StatusOK).body, other)
		}
		for _, match := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			a := v.get(url, "If-None-Match", match).is(http.StatusNotModified)
			require.Empty(t, a.body)
			require.Equal(t, etag, a.header.Get("ETag"))
		}
		v.get(url, "If-None-Match", `"other"`).is(http.StatusOK)
		v.get(url, "If-Match", etag).is(http.StatusOK)
		v.get(url, "If-Match", `"other"`).fails(http.StatusPreconditionFailed, model.CodePrecondition)

		var wave struct {
			SoundID          string `json:"sound_id"`
			Frames, Channels int
			SampleRate       int `json:"sample_rate"`
			Peaks            []int
		}
		v.get(*s.WaveformURL).is(http.StatusOK).into(&wave)
		require.Equal(t, s.ID, wave.SoundID)
		require.Equal(t, 2205, wave.Frames)
		require.Equal(t, 22050, wave.SampleRate)
		require.Equal(t, 1, wave.Channels)
		require.NotEmpty(t, wave.Peaks)
		require.Zero(t, len(wave.Peaks)%2)
	})
}

// Each range costs a request to the store, so there are only so many to one of ours.
func TestManyRangesAreIgnored(t *testing.T) {
	t.Parallel()
	p := start(t, backing.Laptop(t), setup{slots: 1})
	v := p.visitor(t)
	url := *v.rendered().DownloadURL
	whole := v.get(url).is(http.StatusOK).body
	spans := make([]string, 1000)
	for i := range spans {
		spans[i] = strconv.Itoa(2*i) + "-" + strconv.Itoa(2*i)
	}
	v.get(url, "Range", "bytes="+strings.Join(spans[:8], ",")).is(http.StatusPartialContent)
	require.Equal(t, whole, v.get(url, "Range", "bytes="+strings.Join(spans, ",")).is(http.StatusOK).body)
}

// TestFileNames: whatever a sound is called, the header is one that can be read.
func TestFileNames(t *testing.T) {
	t.Parallel()
	backing.Each(t, func(t *testing.T, on backing.Services) {
		p := start(t, on, setup{slots: 1})
		v := p.visitor(t)
		for words, want := range map[string]string{
			"Big  KICK!":                   "big-kick.wav",
			"Glöckchen":                    "glöckchen.wav",
			"\"; filename=\\\"x.exe":       "filename-x-exe.wav",
			"звук колокола":                "звук-колокола.wav",
			"../../etc/passwd":             "etc-passwd.wav",
			"!!!":                          "sound.wav",
			"kick\r\nSet-Cookie: a=b; c=d": "kick-set-cookie-a-b-c-d.wav",
		} {
			a := v.generate(`{"prompt":`+strconv.Quote(words)+`,"duration":0.05,"channels":1}`, "Prefer", "wait=30").is(http.StatusCreated)
			s := a.job().Sounds[0]
			header := v.get(*s.DownloadURL).is(http.StatusOK).header.Get("Content-Disposition")
			for i := range len(header) {
				require.True(t, header[i] >= 0x20 && header[i] < 0x7f, "%q", header)
			}
			kind, params, err := mime.ParseMediaType(header)
			require.NoError(t, err, header)
			require.Equal(t, "attachment", kind)
			require.Equal(t, want, params["filename"], header)
		}
	})
}
