//go:build !linux

package bench

import (
	"errors"
	"fmt"
)

// sampleProcess is only built for Linux.
func sampleProcess(int) (Sample, error) {
	return Sample{}, fmt.Errorf("reading another process: %w", errors.ErrUnsupported)
}

// sampleTree is only built for Linux.
func sampleTree(pid int) (Sample, error) { return sampleProcess(pid) }
