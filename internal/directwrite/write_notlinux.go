//go:build unix && !linux

package directwrite

import "syscall"

// write is write(2) on a non-blocking socket.
func write(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }
