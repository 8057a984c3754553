//go:build !windows

package main

import "syscall"

// errInUse is the error of an address that somebody else listens on.
const errInUse = syscall.EADDRINUSE
