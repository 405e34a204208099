package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"patchlab/internal/model"
	"patchlab/storage"
)

// upload encodes into the store: the file is never whole in memory. What encode reports
// goes on as it is where it is a *failure, else as one to be tried again.
func (w *Worker) upload(ctx context.Context, limit time.Duration, key string, ticket model.Ticket, encode func(context.Context, io.Writer) error) (storage.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	file := &encoding{buffers: &w.buffers, encode: func(to io.Writer) (err error) {
		defer w.contain(ticket, &err)
		return encode(ctx, to)
	}}
	info, err := w.store.Put(ctx, key, file)
	encodeErr := file.close()
	switch {
	case err == nil && encodeErr == nil:
		return info, nil
	case errors.Is(context.Cause(ctx), context.Canceled), overtaken(ctx):
		return info, context.Cause(ctx)
	default:
		var f *failure
		if errors.As(encodeErr, &f) && !errors.Is(encodeErr, errStored) && ctx.Err() == nil {
			return info, f
		}
		return info, retryable(model.FailureStorage, "the file could not be stored", errors.Join(err, encodeErr))
	}
}

// errStored is what the encoder gets when nobody takes any more of the file.
var errStored = errors.New("worker: the store has stopped reading")

// encoding is a file that is encoded while it is stored: straight into a store that has
// it written, through a pipe to one that reads.
type encoding struct {
	encode  func(io.Writer) error
	buffers *sync.Pool // of *bufio.Writer, for the pipe

	err   error // of encode, when it has ended
	pipe  *io.PipeReader
	ended chan struct{} // closed when the writer of the pipe has ended
}

// WriteTo implements io.WriterTo. Where w fails, the encoder's error is errStored too.
func (e *encoding) WriteTo(w io.Writer) (int64, error) {
	to := &taken{w: w}
	e.err = e.encode(to)
	return to.n, e.err
}

// Read implements io.Reader.
func (e *encoding) Read(p []byte) (int, error) {
	if e.pipe == nil {
		var to *io.PipeWriter
		e.pipe, to = io.Pipe()
		e.ended = make(chan struct{})
		go e.fill(to)
	}
	return e.pipe.Read(p) //nolint:wrapcheck // that of the encoder, or io.EOF
}

// fill writes into the pipe few large pieces: each is handed from one goroutine to another.
func (e *encoding) fill(to *io.PipeWriter) {
	defer close(e.ended)
	buffered := e.buffers.Get().(*bufio.Writer)
	buffered.Reset(to)
	if e.err = e.encode(buffered); e.err == nil {
		e.err = buffered.Flush()
	}
	buffered.Reset(nil)
	e.buffers.Put(buffered)
	_ = to.CloseWithError(e.err) // nil ends the file
}

// close ends an encoder whose reader gave up, and returns the encoder's error.
func (e *encoding) close() error {
	if e.pipe != nil {
		_ = e.pipe.CloseWithError(errStored)
		<-e.ended
	}
	return e.err
}

// taken counts what is written, and marks the errors of the writer.
type taken struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (t *taken) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.n += int64(n)
	if err != nil {
		err = fmt.Errorf("%w: %w", errStored, err)
	}
	return n, err
}
