//go:build unix

package main

import (
	"os"
	"syscall"
)

// What makes a process stand still, and go on.
var (
	stopSignal     os.Signal = syscall.SIGSTOP
	continueSignal os.Signal = syscall.SIGCONT
)
