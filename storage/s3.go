package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/cors"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"patchlab/internal/model"
	"patchlab/internal/stall"
)

const (
	// partSize is what a Put holds in memory: a blob up to this size goes in one
	// request, a larger one in parts of it. S3 takes 10,000 parts of at least 5 MiB.
	partSize = 8 << 20
	maxParts = 10_000
	// firstBuffer is the start of a buffer that grows to partSize: a short sound.
	firstBuffer = 1 << 20

	s3Connect      = 5 * time.Second
	defaultSilence = 15 * time.Second
	// s3Tries is how often a request is sent in all, where the network or the server
	// failed.
	s3Tries = 2
	s3Pause = 200 * time.Millisecond
	s3Conns = 64

	// Metadata of our own. marker tells one Put from another, so that a request that
	// was repeated because its answer was lost finds itself, not a stranger.
	metaDigest = "Sha256"
	metaMarker = "Put"

	// ownDigest keeps the library from signing the bytes as they leave, which it does
	// over plain HTTP whatever digest it was given.
	ownDigest = true
)

// S3Config says where a bucket is.
type S3Config struct {
	Endpoint  string // http(s)://host[:port] of the server
	Bucket    string
	Region    string // such as us-east-1
	AccessKey string
	SecretKey string
	// PublicEndpoint is how browsers reach the server; "" = they do not.
	PublicEndpoint string
	// Silence is how long a transfer may stand still; default 15 s. What carries no
	// blob (is it there, delete it) has two thirds of that in all.
	Silence time.Duration
	// Origin is the browser app's own, which may read what PublicEndpoint serves.
	Origin string
}

// S3 is a Store in a bucket of any server that speaks S3. The key of a blob is that
// of its object. An upload that did not end is kept by the server, invisible, until
// SweepTemp or a rule of the server's own removes it.
type S3 struct {
	core   *minio.Core
	public *minio.Client // nil without a public endpoint
	origin string        // of the addresses that public signs
	cfg    S3Config
	// question bounds what carries no blob.
	question time.Duration
	buffers  sync.Pool // of *[]byte
	idle     func()
}

var _ Store = (*S3)(nil)

// NewS3 returns a store; it does not ask the server yet.
func NewS3(cfg S3Config) (*S3, error) {
	if cfg.Silence <= 0 {
		cfg.Silence = defaultSilence
	}
	s := &S3{cfg: cfg, question: cfg.Silence * 2 / 3}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           stall.Dialer{Connect: s3Connect, Silence: cfg.Silence}.DialContext,
		TLSHandshakeTimeout:   s.question,
		ResponseHeaderTimeout: cfg.Silence,
		MaxIdleConnsPerHost:   s3Conns,
		IdleConnTimeout:       cfg.Silence / 2, // before the silence ends it
		DisableCompression:    true,            // sizes and ranges are those of the bytes
	}
	s.idle = transport.CloseIdleConnections
	client, err := newClient(cfg, cfg.Endpoint, transport)
	if err != nil {
		return nil, err
	}
	s.core = &minio.Core{Client: client}
	if cfg.PublicEndpoint != "" {
		if s.public, err = newClient(cfg, cfg.PublicEndpoint, nil); err != nil {
			return nil, err
		}
		// Some servers have the bucket, and more, in the name of the host.
		at, err := s.public.PresignedGetObject(context.Background(), cfg.Bucket, "x", time.Minute, nil)
		if err != nil {
			return nil, fmt.Errorf("open the S3 store: sign an address: %w", err)
		}
		s.origin = at.Scheme + "://" + at.Host
	}
	return s, nil
}

func newClient(cfg S3Config, endpoint string, transport http.RoundTripper) (*minio.Client, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("open the S3 store: %q is not an http or https URL", endpoint)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure:     u.Scheme == "https",
		Transport:  transport,
		Region:     cfg.Region, // or each client would ask for it
		MaxRetries: s3Tries,
	})
	if err != nil {
		return nil, fmt.Errorf("open the S3 store: %w", err)
	}
	return client, nil
}

// Close ends the connections that are idle.
func (s *S3) Close() error {
	s.idle()
	return nil
}

// Prepare makes the bucket where it is missing and proves, with a blob of its own,
// that blobs can be stored, read in part, and deleted. Several processes may do it
// at once.
func (s *S3) Prepare(ctx context.Context) error {
	exists, err := s.core.BucketExists(ctx, s.cfg.Bucket)
	if err != nil {
		return fmt.Errorf("look for the bucket %q at %s: %w", s.cfg.Bucket, s.cfg.Endpoint, err)
	}
	if !exists {
		err := s.core.MakeBucket(ctx, s.cfg.Bucket, minio.MakeBucketOptions{Region: s.cfg.Region})
		if code := minio.ToErrorResponse(err).Code; err != nil && code != minio.BucketAlreadyOwnedByYou && code != minio.BucketAlreadyExists {
			return fmt.Errorf("make the bucket %q at %s: %w", s.cfg.Bucket, s.cfg.Endpoint, err)
		}
	}
	if err := s.selfTest(ctx); err != nil {
		return fmt.Errorf("try the bucket %q at %s: %w", s.cfg.Bucket, s.cfg.Endpoint, err)
	}
	return nil
}

func (s *S3) selfTest(ctx context.Context) (err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name a blob: %w", err)
	}
	want := []byte("PatchLAB was here: " + id.String())
	key := NewKey(hexSum(want), id, "txt")
	if _, err := s.Put(ctx, key, bytes.NewReader(want)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	defer func() { err = errors.Join(err, s.Delete(ctx, key)) }()
	if _, err := s.Put(ctx, key, bytes.NewReader(want)); !errors.Is(err, ErrExists) {
		return errors.New("the server does not hold to If-None-Match, and would write a blob twice")
	}
	r, _, err := s.Open(ctx, key)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	const from = 5
	if _, err := r.Seek(from, io.SeekStart); err != nil {
		return errors.Join(fmt.Errorf("seek: %w", err), r.Close())
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !bytes.Equal(got, want[from:]) {
		return errors.New("the server does not give back the range that was asked for")
	}
	return nil
}

// AllowOrigin lets pages of the configured origin read blobs at the public
// endpoint, where the bucket has no rules for that yet. A server may not know such
// rules (MinIO has one setting for all buckets): that is the operator's to mend,
// and the error says so.
func (s *S3) AllowOrigin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.question)
	defer cancel()
	rules, err := s.core.GetBucketCors(ctx, s.cfg.Bucket)
	if err == nil && rules != nil {
		return nil
	}
	err = s.core.SetBucketCors(ctx, s.cfg.Bucket, cors.NewConfig([]cors.Rule{{
		AllowedOrigin: []string{s.cfg.Origin},
		AllowedMethod: []string{http.MethodGet, http.MethodHead},
		AllowedHeader: []string{"Range", "If-Range"},
		ExposeHeader:  []string{"Content-Length", "Content-Range", "ETag"},
	}}))
	if err != nil {
		return fmt.Errorf("allow %s to read the bucket %q: %w", s.cfg.Origin, s.cfg.Bucket, err)
	}
	return nil
}

// Put implements Store.
func (s *S3) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	if _, err := ParseKey(key); err != nil {
		return Info{}, err
	}
	buf := s.buffer()
	src := &source{ctx: ctx, r: r}
	last, err := fill(src, buf)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Info{}, putError(ctx, key, err)
	}
	p := &put{s: s, key: key, marker: uuid.NewString(), hash: sha256.New()}
	if last {
		err = p.whole(ctx, *buf)
	} else {
		err = p.inParts(ctx, src, buf)
	}
	if err != nil {
		return Info{}, putError(ctx, key, err)
	}
	if !p.lent {
		s.buffers.Put(buf)
	}
	return Info{Key: key, Size: p.size, ETag: hex.EncodeToString(p.hash.Sum(nil))}, nil
}

// putError tells whose fault it was that a blob was not stored.
func putError(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("store %s: %w", key, ctx.Err())
	}
	var src sourceError
	if errors.As(err, &src) {
		return fmt.Errorf("store %s: read the source: %w", key, src.error)
	}
	if errors.Is(err, ErrExists) {
		return fmt.Errorf("store %s: %w", key, ErrExists)
	}
	return s3Error("store", key, err)
}

// buffer returns an empty buffer.
func (s *S3) buffer() *[]byte {
	if buf, ok := s.buffers.Get().(*[]byte); ok {
		*buf = (*buf)[:0]
		return buf
	}
	buf := make([]byte, 0, firstBuffer)
	return &buf
}

// fill appends to a buffer until it holds partSize bytes or the source has ended,
// and reports the latter.
func fill(r io.Reader, buf *[]byte) (last bool, err error) {
	for len(*buf) < partSize {
		if len(*buf) == cap(*buf) {
			*buf = slices.Grow(*buf, min(partSize-len(*buf), cap(*buf)))
		}
		n, err := r.Read((*buf)[len(*buf):min(cap(*buf), partSize)])
		*buf = (*buf)[:len(*buf)+n]
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// put is one Put under way.
type put struct {
	s      *S3
	key    string
	marker string
	hash   interface {
		io.Writer
		Sum(b []byte) []byte
	}
	size int64
	// lent says that a request that failed may still read the buffer: HTTP does not
	// wait for what is on its way out. Nothing else may use that buffer then.
	lent bool
}

// send sends a piece, and again where the network or the server failed. The library
// would do so with one reader for all tries, which may then be read by two of them
// at once.
func (p *put) send(ctx context.Context, piece []byte, request func(body io.Reader) error) error {
	for try := 1; ; try++ {
		err := request(struct{ io.Reader }{bytes.NewReader(piece)}) // which cannot be wound back
		if err == nil {
			return nil
		}
		p.lent = true
		status := minio.ToErrorResponse(err).StatusCode // 0: of no answer
		if try == s3Tries || status != 0 && status < http.StatusInternalServerError && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
			return err
		}
		select {
		case <-time.After(s3Pause):
		case <-ctx.Done():
			return err
		}
	}
}

// options are those of the object, which is to be new.
func (p *put) options(metadata map[string]string) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", UserMetadata: metadata, DisableContentSha256: ownDigest}
	opts.SetMatchETagExcept("*")
	return opts
}

// take counts a piece and returns its digest, which is part of the request's
// signature, so that the server refuses a piece that changed on its way.
func (p *put) take(piece []byte) string {
	_, _ = p.hash.Write(piece) // documented never to fail
	p.size += int64(len(piece))
	return hexSum(piece)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// whole stores a blob with one request.
func (p *put) whole(ctx context.Context, data []byte) error {
	digest := p.take(data)
	opts := p.options(map[string]string{metaMarker: p.marker, metaDigest: digest})
	return p.settle(ctx, p.send(ctx, data, func(body io.Reader) error {
		_, err := p.s.core.PutObject(ctx, p.s.cfg.Bucket, p.key, body, int64(len(data)), "", digest, opts)
		return err
	}))
}

// inParts stores a blob that begins with what buf holds and goes on with src.
func (p *put) inParts(ctx context.Context, src io.Reader, buf *[]byte) error {
	s := p.s
	upload, err := s.core.NewMultipartUpload(ctx, s.cfg.Bucket, p.key, minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{metaMarker: p.marker},
	})
	if err != nil {
		return fmt.Errorf("begin an upload: %w", err)
	}
	parts, err := p.parts(ctx, upload, src, buf)
	if err == nil {
		_, err = s.core.CompleteMultipartUpload(ctx, s.cfg.Bucket, p.key, upload, parts, p.options(nil))
		err = p.settle(ctx, err)
	}
	if err != nil {
		// Not ctx: what was sent must go even where ctx has ended.
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.question)
		defer cancel()
		if aerr := s.core.AbortMultipartUpload(tidy, s.cfg.Bucket, p.key, upload); aerr != nil && minio.ToErrorResponse(aerr).Code != minio.NoSuchUpload {
			err = errors.Join(err, fmt.Errorf("abort the upload: %w", aerr))
		}
		return err
	}
	return nil
}

// parts sends one buffer after the other.
func (p *put) parts(ctx context.Context, upload string, src io.Reader, buf *[]byte) ([]minio.CompletePart, error) {
	var parts []minio.CompletePart
	for last := false; ; {
		if len(parts) == maxParts {
			return nil, fmt.Errorf("it is larger than %d parts of %d bytes", maxParts, partSize)
		}
		number := len(parts) + 1
		opts := minio.PutObjectPartOptions{Sha256Hex: p.take(*buf), DisableContentSha256: ownDigest}
		var part minio.ObjectPart
		err := p.send(ctx, *buf, func(body io.Reader) (err error) {
			part, err = p.s.core.PutObjectPart(ctx, p.s.cfg.Bucket, p.key, upload, number, body, int64(len(*buf)), opts)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("send part %d: %w", number, err)
		}
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: part.ETag})
		if last {
			return parts, nil
		}
		if p.lent {
			*buf, p.lent = make([]byte, 0, partSize), false
		}
		*buf = (*buf)[:0]
		if last, err = fill(src, buf); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if last && len(*buf) == 0 {
			return parts, nil
		}
	}
}

// settle judges the answer to the request that publishes. Where it was sent twice
// because the first answer was lost, the second is refused; the marker then says
// that the blob is ours. After any other failure nobody knows what the server did:
// the blob is taken back, for Put promises it whole and known, or not at all.
func (p *put) settle(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.s.question)
	defer cancel()
	object, serr := p.s.core.StatObject(after, p.s.cfg.Bucket, p.key, minio.StatObjectOptions{})
	ours := serr == nil && object.UserMetadata[metaMarker] == p.marker
	switch response := minio.ToErrorResponse(err); {
	case ours && ctx.Err() == nil:
		return nil
	case ours:
		return errors.Join(err, p.s.Delete(after, p.key))
	case response.StatusCode == http.StatusPreconditionFailed || response.Code == minio.PreconditionFailed:
		return ErrExists
	}
	return fmt.Errorf("publish: %w", err)
}

// Stat implements Store.
func (s *S3) Stat(ctx context.Context, key string) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, fmt.Errorf("look for %s: %w", key, err)
	}
	if _, err := ParseKey(key); err != nil {
		return Info{}, err
	}
	within, cancel := context.WithTimeout(ctx, s.question)
	defer cancel()
	object, err := s.core.StatObject(within, s.cfg.Bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, callError(ctx, "look for", key, err)
	}
	return objectInfo(object), nil
}

func objectInfo(o minio.ObjectInfo) Info {
	return Info{Key: o.Key, Size: o.Size, ETag: o.UserMetadata[metaDigest], ModTime: o.LastModified.UTC()}
}

// Delete implements Store.
func (s *S3) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	if _, err := ParseKey(key); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, s.question)
	defer cancel()
	err := s.core.RemoveObject(within, s.cfg.Bucket, key, minio.RemoveObjectOptions{})
	if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchKey {
		return callError(ctx, "delete", key, err)
	}
	return nil
}

// List implements Store.
func (s *S3) List(ctx context.Context, after string, fn func(Info) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for object := range s.core.ListObjectsIter(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Recursive: true, StartAfter: after}) {
		if object.Err != nil {
			return callError(ctx, "list", "blobs", object.Err)
		}
		if _, err := ParseKey(object.Key); err != nil || object.Key <= after {
			continue // not ours
		}
		if err := fn(objectInfo(object)); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	return nil
}

// SweepTemp implements Store. The time of an upload is that of its beginning. MinIO
// tells of no uploads but those of a key, and removes them by itself after a day.
func (s *S3) SweepTemp(ctx context.Context, before time.Time) (int, error) {
	return s.eachTemp(ctx, before, func(ctx context.Context, key, upload string) error {
		err := s.core.AbortMultipartUpload(ctx, s.cfg.Bucket, key, upload)
		if err != nil && minio.ToErrorResponse(err).Code == minio.NoSuchUpload {
			return nil
		}
		return err
	})
}

// CountTemp implements Store.
func (s *S3) CountTemp(ctx context.Context, before time.Time) (int, error) {
	return s.eachTemp(ctx, before, func(context.Context, string, string) error { return nil })
}

// eachTemp calls fn with the uploads that began before a time.
func (s *S3) eachTemp(ctx context.Context, before time.Time, fn func(ctx context.Context, key, upload string) error) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var n int
	uploads := s.core.ListIncompleteUploads(ctx, s.cfg.Bucket, "", true)
	defer func() {
		cancel()
		for range uploads { // the sender ends when it has been heard out
		}
	}()
	for upload := range uploads {
		if upload.Err != nil {
			return n, callError(ctx, "sweep", "uploads", upload.Err)
		}
		if _, err := ParseKey(upload.Key); err != nil || !upload.Initiated.Before(before) {
			continue
		}
		if err := fn(ctx, upload.Key, upload.UploadID); err != nil {
			return n, callError(ctx, "sweep", "uploads", err)
		}
		n++
	}
	return n, nil
}

// Check implements Store: the server answers, knows us, and has the bucket.
func (s *S3) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check the store: %w", err)
	}
	within, cancel := context.WithTimeout(ctx, s.question)
	defer cancel()
	exists, err := s.core.BucketExists(within, s.cfg.Bucket)
	if err != nil {
		return callError(ctx, "check", "the store", err)
	}
	if !exists {
		return s3Error("check", "the store", fmt.Errorf("the bucket %q is not there", s.cfg.Bucket))
	}
	return nil
}

// Public returns the origin at which browsers reach blobs, "" where they do not.
func (s *S3) Public() string { return s.origin }

// URL returns an address at the public endpoint that serves a blob to whoever has
// it, for a time, under a media type and a Content-Disposition that are part of its
// signature. No server is asked.
func (s *S3) URL(ctx context.Context, key string, ttl time.Duration, mediaType, disposition string) (string, error) {
	if _, err := ParseKey(key); err != nil {
		return "", err
	}
	if s.public == nil {
		return "", errors.New("sign an address: there is no public endpoint")
	}
	u, err := s.public.PresignedGetObject(ctx, s.cfg.Bucket, key, ttl, url.Values{
		"response-content-type":        {mediaType},
		"response-content-disposition": {disposition},
		"response-cache-control":       {"private, no-store"},
	})
	if err != nil {
		return "", fmt.Errorf("sign an address for %s: %w", key, err)
	}
	return u.String(), nil
}

// callError tells the end of the caller's context, an absent blob, and a fault of
// the server apart.
func callError(ctx context.Context, verb, what string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", verb, what, ctx.Err())
	}
	if response := minio.ToErrorResponse(err); response.Code == minio.NoSuchKey {
		return fmt.Errorf("%s %s: %w", verb, what, ErrNotFound)
	}
	return s3Error(verb, what, err)
}

// s3Error is unavailable for a fault of the server; a full one is named.
func s3Error(verb, what string, err error) error {
	message := "the asset store cannot be used at the moment"
	if response := minio.ToErrorResponse(err); response.StatusCode == http.StatusInsufficientStorage || strings.Contains(response.Code, "StorageFull") {
		message = "the asset store is full"
	}
	return model.Wrap(model.CodeUnavailable, fmt.Errorf("%s %s: %w", verb, what, err), message)
}
