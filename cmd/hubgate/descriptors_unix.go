//go:build !windows

package main

import (
	"errors"
	"syscall"
)

// descriptorLimit is how many file descriptors the process may have, 0 if
// nobody knows. Go has raised the soft limit to the hard one.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}

// errNoDescriptor is the error of a process that has all descriptors that it may have.
const errNoDescriptor = syscall.EMFILE

// isNoDescriptor says whether the process, or the machine, has no descriptor left.
func isNoDescriptor(err error) bool {
	return errors.Is(err, errNoDescriptor) || errors.Is(err, syscall.ENFILE)
}
