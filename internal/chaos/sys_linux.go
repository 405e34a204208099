package chaos

import "syscall"

// attributes of a process that ends when the thread that started it does, however that
// ends, and is not met by the terminal's Ctrl-C: that is ours to pass on.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
