//go:build unix && (!linux || race)

package directwrite

import "syscall"

// write is write(2) on a non-blocking socket. The race detector knows syscall.Write, and that who
// reads the bytes comes after it.
func write(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
