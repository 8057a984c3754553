//go:build unix

package natsd

import (
	"os"
	"syscall"
)

// lockExclusively fails if another process has the file locked. The lock ends with the process.
func lockExclusively(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
