package testenv_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"patchlab/internal/testenv"
)

// child is set in a copy of this test that starts servers and waits to be killed.
const child = "PATCHLAB_TESTENV_CHILD"

// Whatever ends a test, its servers end too, and their folders go.
func TestServersEndWithTheirProcess(t *testing.T) {
	if os.Getenv(child) != "" {
		postgres, redis, minio := testenv.StartPostgres(t), testenv.StartRedis(t), testenv.StartMinIO(t)
		fmt.Printf("servers %d %d %d %s %s\n", postgres.PID(), redis.PID(), minio.PID(), filepath.Dir(postgres.Socket()), filepath.Dir(redis.Socket()))
		select {} // until it is killed
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServersEndWithTheirProcess$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pids [3]int
	var dirs [2]string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "servers %d %d %d %s %s", &pids[0], &pids[1], &pids[2], &dirs[0], &dirs[1]); n == 5 {
			break
		}
	}
	for _, pid := range pids {
		require.NotZero(t, pid)
		require.NoError(t, syscall.Kill(pid, 0), "it runs")
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	for _, pid := range pids {
		require.Eventually(t, func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }, 20*time.Second, 50*time.Millisecond, "%d lives on", pid)
	}
	for _, dir := range dirs {
		require.Eventually(t, func() bool {
			_, err := os.Stat(dir)
			return errors.Is(err, os.ErrNotExist)
		}, 20*time.Second, 50*time.Millisecond, "%s is still there", dir)
	}
}

func TestPostgresKeepsItsDataThroughAKill(t *testing.T) {
	t.Parallel()
	p := testenv.StartPostgres(t)
	for range 5 {
		p.Kill()
		require.Zero(t, p.PID())
		require.NoError(t, p.Start())
	}
}

// echo answers with what it hears.
func echo(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func dial(t *testing.T, p *testenv.Proxy) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	return c
}

// say sends a text and returns what comes back, and after how long.
func say(c net.Conn, text string) (string, time.Duration, error) {
	began := time.Now()
	if _, err := c.Write([]byte(text)); err != nil {
		return "", 0, err
	}
	buf := make([]byte, len(text))
	_, err := io.ReadFull(c, buf)
	return string(buf), time.Since(began), err
}

func TestProxy(t *testing.T) {
	t.Parallel()
	p := testenv.StartProxy(t, "tcp", echo(t))
	c := dial(t, p)
	got, _, err := say(c, "hello")
	require.NoError(t, err)
	require.Equal(t, "hello", got)

	p.Delay(50 * time.Millisecond)
	got, took, err := say(c, "slow")
	require.NoError(t, err)
	require.Equal(t, "slow", got)
	require.GreaterOrEqual(t, took, 100*time.Millisecond, "there and back")

	p.Throttle(100_000)
	_, took, err = say(c, strings.Repeat("x", 20_000))
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, 200*time.Millisecond)

	// Nothing moves, old connections stay and new ones are made; then all arrives.
	p.Stall()
	require.NoError(t, c.SetDeadline(time.Now().Add(200*time.Millisecond)))
	_, _, err = say(c, "a")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	fresh := dial(t, p)
	require.NoError(t, fresh.SetDeadline(time.Now().Add(100*time.Millisecond)))
	_, _, err = say(fresh, "b")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	p.Heal()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	buf := make([]byte, 1)
	_, err = io.ReadFull(c, buf)
	require.NoError(t, err)
	require.Equal(t, "a", string(buf))

	p.Reset()
	_, _, err = say(c, "x")
	require.Error(t, err)
	c = dial(t, p)
	_, _, err = say(c, "x")
	require.NoError(t, err)

	p.Cut()
	_, _, err = say(c, "x")
	require.Error(t, err)
	refused, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err == nil { // the reset may also come with the first word
		_, _, err = say(refused, "x")
		require.NoError(t, refused.Close())
	}
	require.Error(t, err)
	p.Heal()
	_, _, err = say(dial(t, p), "x")
	require.NoError(t, err)
	require.GreaterOrEqual(t, p.Connections(), int64(4))
}
