package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// Open implements Store. Nothing is read yet but what the blob is; each place that
// is read from after a Seek costs one request for the range from there to the end.
func (s *S3) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	info, err := s.Stat(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	return &s3Reader{ctx: ctx, s: s, info: info}, info, nil
}

// s3Reader reads an object by ranges. The object is written once, so that its parts
// belong together whenever they are read.
type s3Reader struct {
	ctx  context.Context //nolint:containedctx // that of Open bounds the reading, as io.Reader has none
	s    *S3
	info Info
	at   int64 // place of the next byte
	body io.ReadCloser
	end  context.CancelFunc // of the request behind body
}

// Read implements io.Reader.
func (r *s3Reader) Read(p []byte) (int, error) {
	if r.at >= r.info.Size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.body == nil {
		if err := r.request(); err != nil {
			return 0, err
		}
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	if errors.Is(err, io.EOF) {
		if r.at < r.info.Size {
			err = io.ErrUnexpectedEOF
		} else if n > 0 {
			err = nil // the end is told next time
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = callError(r.ctx, "read", r.info.Key, err)
	}
	return n, err
}

// request asks for the blob from the present place on. The answer must begin in
// time; how long its body takes is bounded by the silence of the connection.
func (r *s3Reader) request() error {
	var opts minio.GetObjectOptions
	if r.at > 0 {
		if err := opts.SetRange(r.at, 0); err != nil {
			return fmt.Errorf("read %s: %w", r.info.Key, err)
		}
	}
	ctx, cancel := context.WithCancel(r.ctx)
	late := time.AfterFunc(r.s.question, cancel)
	body, _, _, err := r.s.core.GetObject(ctx, r.s.cfg.Bucket, r.info.Key, opts)
	if !late.Stop() && err == nil {
		err = errors.Join(context.DeadlineExceeded, body.Close())
	}
	if err != nil {
		cancel()
		return callError(r.ctx, "read", r.info.Key, err)
	}
	r.body, r.end = body, cancel
	return nil
}

// Seek implements io.Seeker. The request under way is given up where the place
// changes.
func (r *s3Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.info.Size
	case io.SeekStart:
	default:
		return 0, fmt.Errorf("seek %s: whence is %d", r.info.Key, whence)
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek %s: a place before its start", r.info.Key)
	}
	if offset != r.at {
		if err := r.drop(); err != nil {
			return 0, err
		}
		r.at = offset
	}
	return offset, nil
}

// Close implements io.Closer.
func (r *s3Reader) Close() error { return r.drop() }

func (r *s3Reader) drop() error {
	if r.body == nil {
		return nil
	}
	r.end()
	err := r.body.Close()
	r.body = nil
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close %s: %w", r.info.Key, err)
	}
	return nil
}
