package main

import (
	"errors"
	"syscall"
)

// descriptorLimit is 0: Windows bounds sockets by memory only.
func descriptorLimit() uint64 { return 0 }

// errNoDescriptor is the error of a process that may have no more sockets: WSAEMFILE.
const errNoDescriptor = syscall.Errno(10024)

func isNoDescriptor(err error) bool { return errors.Is(err, errNoDescriptor) }
