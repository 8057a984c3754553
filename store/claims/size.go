package claims

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// sizeAge is how old the size of the store may be by which keys are refused.
const sizeAge = time.Second

// size is how much the stream held a moment ago. JetStream itself refuses what is over its bounds, also the answer
// to a request whose key it has taken. So keys are refused before that.
type size struct {
	refreshing  sync.Mutex
	at          time.Time // guarded by refreshing
	keys, bytes atomic.Int64
}

// full reports whether the store has no room for another key. While it does not answer the last size counts.
func (b *Bucket) full(ctx context.Context) bool {
	s := &b.size
	if s.refreshing.TryLock() {
		if now := time.Now(); s.at.IsZero() || now.Sub(s.at) > sizeAge {
			asking, cancel := context.WithTimeout(ctx, attemptTime)
			if keys, bytes, err := b.stream.Size(asking); err == nil {
				s.keys.Store(keys)
				s.bytes.Store(bytes)
			}
			cancel()
			s.at = now
		}
		s.refreshing.Unlock()
	}
	return s.keys.Load() >= b.opts.MaxKeys || s.bytes.Load() >= b.opts.MaxBytes
}
