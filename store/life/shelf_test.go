package life

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
	"github.com/hubgate/hubgate/store/stream/streamtest"
)

// shelf is a stream in memory that can go wrong.
type shelf struct {
	mu sync.Mutex
	streamtest.Messages
	down     bool
	refuse   int  // so many right writes are refused
	lose     int  // so many answers to writes are lost
	deaf     bool // what is read has no answer
	writes   int
	purges   int
	puts     map[string][]byte
	putFails int
	slow     time.Duration // a write takes so long
}

func (s *shelf) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *shelf) reach(ctx context.Context) error {
	var down bool
	s.do(func() { down = s.down })
	if down {
		<-ctx.Done()
		return stream.Unavailable(ctx.Err())
	}
	return nil
}

func (s *shelf) Ensure(ctx context.Context) error { return s.reach(ctx) }

func (s *shelf) Last(ctx context.Context, subject string) (stream.Message, error) {
	if err := s.reach(ctx); err != nil {
		return stream.Message{}, err
	}
	var deaf bool
	if s.do(func() { deaf = s.deaf }); deaf {
		<-ctx.Done()
		return stream.Message{}, stream.Unavailable(ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Messages.Last(subject)
}

func (s *shelf) Next(ctx context.Context, filter string, from uint64) (stream.Message, error) {
	if err := s.reach(ctx); err != nil {
		return stream.Message{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Messages.Next(filter, from)
}

// Following gives few messages at once, so that logs are read in several steps.
func (s *shelf) Following(ctx context.Context, filter string, from uint64) (some []stream.Message, err error) {
	for len(some) < 3 {
		m, err := s.Next(ctx, filter, from)
		if err != nil && len(some) == 0 {
			return nil, err
		}
		if err != nil {
			break
		}
		some, from = append(some, m), m.Sequence+1
	}
	return some, nil
}

func (s *shelf) Write(ctx context.Context, subject string, data []byte, sequence uint64, _ time.Duration) (uint64, error) {
	if err := s.reach(ctx); err != nil {
		return 0, err
	}
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if err := s.Follows(subject, sequence); err != nil {
		return 0, err
	}
	if s.refuse > 0 {
		s.refuse--
		return 0, stream.ErrConflict
	}
	written := s.Messages.Put(subject, data)
	if s.lose > 0 {
		s.lose--
		return 0, stream.Unavailable(context.DeadlineExceeded)
	}
	return written, nil
}

func (s *shelf) PurgeBefore(ctx context.Context, subject string, sequence uint64) error {
	if err := s.reach(ctx); err != nil {
		return err
	}
	s.do(func() {
		s.purges++
		s.Messages.PurgeBefore(subject, sequence)
	})
	return nil
}

func (s *shelf) Put(ctx context.Context, subject, id string, data []byte) error {
	if err := s.reach(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putFails > 0 {
		if s.putFails--; s.putFails == 0 {
			return stream.ErrFull
		}
	}
	if s.puts == nil {
		s.puts = make(map[string][]byte)
	}
	if _, again := s.puts[id]; !again {
		s.puts[id] = slices.Clone(data)
	}
	return nil
}

// logged is what a reader of a log finds.
func (s *shelf) logged(inc string) *reading {
	r := newReading()
	s.do(func() {
		for _, m := range s.All {
			if m.Subject == "log."+inc {
				r.take(m.Data)
			}
		}
	})
	return r
}

func (s *shelf) bytes(inc string) (n int) {
	s.do(func() {
		for _, m := range s.All {
			if m.Subject == "log."+inc {
				n += len(m.Data)
			}
		}
	})
	return n
}

// fenced is a fence that a test opens and closes.
type fenced struct{ atomic.Bool }

func (f *fenced) Fenced() bool { return f.Load() }

// person is a client.
type person string

func (p person) AppendRecord(dst []byte) []byte { return fmt.Append(dst, "record of ", string(p)) }

// scribe is a log that is being written.
type scribe struct {
	*lifeLog
	shelf *shelf
	fence *fenced
	end   func()
}

func startLog(s *shelf, inc string) *scribe {
	w := &scribe{shelf: s, fence: new(fenced)}
	w.lifeLog = newLog(s, "log.", inc, w.fence, counts.New(events))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { w.writer.Run(ctx) })
	w.end = func() {
		cancel()
		wg.Wait()
	}
	return w
}

func (w *scribe) bear(names ...string) {
	for _, name := range names {
		w.born(context.Background(), "chat", name, person(name))
	}
}

// holdEnd has a client be born and end while the store is away, and the node be given up by a-2 meanwhile: the end is held back.
func (w *scribe) holdEnd(t *testing.T, name string) {
	t.Helper()
	w.shelf.do(func() { w.shelf.down = true })
	w.bear(name)
	w.fence.Store(true)
	require.False(t, w.ending(t.Context(), name, person(name)))
	w.shelf.do(func() { w.shelf.down = false })
	w.abandon("a-2")
	w.fence.Store(false)
}

func (w *scribe) leave(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		require.True(t, w.ending(context.Background(), name, person(name)))
		w.ended(name)
	}
}

func (w *scribe) settle(t *testing.T) {
	t.Helper()
	for range 1000 {
		if _, written := w.empty(); written {
			return
		}
		time.Sleep(commitEvery)
	}
	require.Fail(t, "the log is not written")
}

func ids(r *reading) string {
	var list []string
	for id := range r.open {
		list = append(list, id)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
