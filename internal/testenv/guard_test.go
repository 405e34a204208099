package testenv

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that has ended by itself has no number any more: whoever has it now is a
// stranger, whom the guard leaves alone.
func TestTheGuardHarmsNoStranger(t *testing.T) {
	t.Parallel()
	stranger := exec.CommandContext(t.Context(), "sleep", "60")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, stranger.Start())
	gone := make(chan struct{})
	go func() {
		_ = stranger.Wait()
		close(gone)
	}()
	guarded := func(ended bool) {
		t.Helper()
		dir := t.TempDir() + "/folder"
		require.NoError(t, os.Mkdir(dir, 0o700))
		g, err := newGuard(stranger.Process.Pid, syscall.SIGKILL, dir)
		require.NoError(t, err)
		if ended {
			g.ended()
		}
		require.NoError(t, g.pipe.Close()) // as the end of this process would
		_ = g.cmd.Wait()
		_, err = os.Stat(dir)
		require.True(t, errors.Is(err, os.ErrNotExist), "the folder goes in any case")
	}
	guarded(true)
	select {
	case <-gone:
		t.Fatal("a stranger was killed")
	case <-time.After(100 * time.Millisecond):
	}
	guarded(false)
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the guard does not do its work")
	}
}
