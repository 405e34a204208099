//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errLinux = errors.New("load measures on Linux alone")

func ours() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func threadCPU() (time.Duration, error) { return 0, errLinux }

func ownCPU() (time.Duration, error) { return 0, errLinux }
