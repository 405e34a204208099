package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Disk is a disk of limited size, in memory, that a test may fill. It is mounted in a
// namespace of its own, of which a sleeping process is the holder: programs see it only
// when they are started inside, and it is gone with them, however the test ends.
type Disk struct {
	*server
	own bool // in a user namespace of our own, as we may not mount otherwise
}

// mountScript mounts the disk at $1, with $2 bytes for the user $3, and stays.
const mountScript = `mount -t tmpfs -o size="$2",mode=0700 patchlab-disk "$1" && : >"$1/.mounted" && exec sleep 1000000`

// NewDisk makes a disk of a number of bytes. It needs root, or user namespaces.
func NewDisk(size int64) (*Disk, error) {
	for _, program := range []string{"unshare", "nsenter", "mount"} {
		if _, err := find(program, "apt-get install util-linux"); err != nil {
			return nil, err
		}
	}
	s, err := newServer("disk", nil)
	if err != nil {
		return nil, err
	}
	d := &Disk{server: s, own: os.Geteuid() != 0}
	s.ready = func(context.Context) error {
		_, err := os.Stat(d.Outside(".mounted"))
		return err
	}
	if err := os.Mkdir(d.Path(""), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make a disk: %w", err), s.Close())
	}
	args := []string{"--mount", "--propagation", "private"}
	if d.own {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, "sh", "-c", mountScript, "sh", d.Path(""), strconv.FormatInt(size, 10))
	if err := s.run(nil, "unshare", args...); err != nil {
		return nil, errors.Join(fmt.Errorf("mount a disk of limited size (it takes root, or user namespaces: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0): %w", err), s.Close())
	}
	return d, nil
}

// Path returns the path of a file on the disk, for the programs inside.
func (d *Disk) Path(name string) string { return filepath.Join(d.dir, "disk", name) }

// Outside returns the path of the same file for everybody else.
func (d *Disk) Outside(name string) string {
	// Not d.PID: Start's check asks while it holds the lock.
	return fmt.Sprintf("/proc/%d/root%s", d.cmd.Process.Pid, d.Path(name))
}

// Inside returns the command that runs a program where the disk can be seen. It
// becomes that program: its number stays.
func (d *Disk) Inside(command ...string) []string {
	args := []string{"nsenter", "--target", strconv.Itoa(d.PID()), "--mount"}
	if d.own {
		args = append(args, "--user", "--preserve-credentials")
	}
	return append(append(args, "--"), command...)
}

// Fill takes all the room that is left, until Free.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(d.Outside("filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	_, err = io.Copy(f, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("fill the disk: %w", err)
	} else {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Free gives back what Fill took.
func (d *Disk) Free() error {
	if err := os.Remove(d.Outside("filler")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
