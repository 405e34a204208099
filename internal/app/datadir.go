package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockName is the file in the data folder that the running process holds.
const lockName = "patchlab.lock"

// dataDir is the data folder of an embedded process, held against every other
// process until it is released. The kernel releases it when the process dies,
// however it dies.
type dataDir struct {
	lock *os.File
}

// openDataDir makes the folder where it is missing, and locks it.
func openDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data folder: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(
			fmt.Errorf("the data folder %s is in use by another patchlab: stop that one, or set DATA_DIR to another folder", path),
			f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", path, err), f.Close())
	}
	return &dataDir{lock: f}, nil
}

func (d *dataDir) release() error {
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("release the data folder: %w", err)
	}
	return nil
}
