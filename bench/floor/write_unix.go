//go:build unix

package main

import (
	"errors"
	"syscall"
)

// writeBare is one write(2), without the runtime's poller and locks.
func writeBare(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

// retryable says that the socket only lacked room.
func retryable(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR)
}
