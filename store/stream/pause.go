package stream

import (
	"context"
	"time"
)

// Pause waits, and reports false if ctx has ended. It may be called concurrently.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
