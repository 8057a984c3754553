package natsd

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockExclusively fails if another process has the file locked. The lock ends with the process.
func lockExclusively(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
}
