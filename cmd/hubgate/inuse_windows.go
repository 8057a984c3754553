package main

import "syscall"

// errInUse is the error of an address that somebody else listens on: WSAEADDRINUSE.
const errInUse = syscall.Errno(10048)
