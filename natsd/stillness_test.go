package natsd

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stillness is how long this process was not given a processor, at most, since it was started. The engine's elections take seconds
// of such a machine's time: a bound says nothing then.
type stillness struct {
	end func()
	mu  sync.Mutex
	max time.Duration
}

func startStillness(t *testing.T) *stillness {
	s := new(stillness)
	stop, ended := make(chan struct{}), make(chan struct{})
	s.end = sync.OnceFunc(func() { close(stop); <-ended })
	t.Cleanup(s.end)
	go func() {
		defer close(ended)
		tick := time.NewTicker(betweenLooks)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now := time.Now()
			s.mu.Lock()
			s.max = max(s.max, now.Sub(last)-betweenLooks)
			s.mu.Unlock()
			last = now
		}
	}()
	return s
}

// tooStill is how long a process may stand still while something is measured in seconds.
const tooStill = 200 * time.Millisecond

// within checks that something took less than a bound, if the machine was not busy with other things meanwhile.
func (s *stillness) within(t *testing.T, took, bound time.Duration, why string) {
	t.Helper()
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Log(why, "after", took, "; this process stood still for", s.max)
	if s.max < tooStill {
		require.Less(t, took, bound, why)
	}
}
