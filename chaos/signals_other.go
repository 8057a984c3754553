//go:build !unix

package main

import "os"

// There is nothing here that makes a process stand still.
var stopSignal, continueSignal os.Signal = os.Interrupt, os.Interrupt
