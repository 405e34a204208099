package stall_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/stall"
)

// peer accepts one connection and hands it to a test.
func peer(t *testing.T, silence time.Duration) (near, far net.Conn) {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
		close(accepted)
	}()
	near, err = stall.Dialer{Connect: time.Second, Silence: silence}.DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	far = <-accepted
	require.NotNil(t, far)
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
		require.NoError(t, l.Close())
	})
	return near, far
}

func TestAReadEndsWithTheSilence(t *testing.T) {
	t.Parallel()
	near, _ := peer(t, 50*time.Millisecond)
	_, err := near.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestAWriteEndsWithTheSilence(t *testing.T) {
	t.Parallel()
	near, _ := peer(t, 50*time.Millisecond)
	var err error
	for err == nil { // until the buffers of the kernel are full
		_, err = near.Write(make([]byte, 1<<20))
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestTalkGoesOn(t *testing.T) {
	t.Parallel()
	near, far := peer(t, 200*time.Millisecond)
	go func() {
		for range 10 {
			time.Sleep(50 * time.Millisecond)
			_, _ = far.Write([]byte("x"))
		}
	}()
	_, err := io.ReadFull(near, make([]byte, 10)) // half a second in all
	require.NoError(t, err)
}

// As HTTP does it: somebody waits for the answer while the request is still sent.
func TestAWaitingReadHasItsTimeAnewWithEachWrite(t *testing.T) {
	t.Parallel()
	near, far := peer(t, 300*time.Millisecond)
	answer := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 1))
		answer <- err
	}()
	for range 6 {
		time.Sleep(100 * time.Millisecond)
		_, err := near.Write([]byte("x"))
		require.NoError(t, err)
	}
	_, err := far.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, <-answer)
}

func TestTheOwnersDeadlineHolds(t *testing.T) {
	t.Parallel()
	near, _ := peer(t, time.Minute)
	require.NoError(t, near.SetDeadline(time.Now().Add(30*time.Millisecond)))
	_, err := near.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = near.Write(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, near.SetReadDeadline(time.Time{}))
	require.NoError(t, near.SetWriteDeadline(time.Time{}))
	_, err = near.Write(make([]byte, 1))
	require.NoError(t, err)
}

func TestConnectingIsBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := stall.Dialer{}.DialContext(ctx, "tcp", "127.0.0.1:1")
	require.ErrorIs(t, err, context.Canceled)
	_, err = stall.Dialer{}.DialTimeout("tcp", "192.0.2.1:80", time.Nanosecond) // an address of nobody's
	var timeout net.Error
	require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
	_, err = stall.Dialer{Connect: time.Second}.Dial("tcp", "127.0.0.1:1")
	require.Error(t, err)
}
