//go:build !linux

package chaos

import "syscall"

// attributes of a process that is not met by the terminal's Ctrl-C.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
