package outbox

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store/stream"
	"github.com/hubgate/hubgate/store/stream/streamtest"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

// shelf is a stream in memory that can fail.
type shelf struct {
	mu sync.Mutex
	streamtest.Messages
	// fault says what becomes of a write: "", lost (it is stored, the answer is not heard), refused (somebody
	// else seems to have written), down or full.
	fault  func() string
	writes int
	// read is called after each message that was read, if it is there.
	read func()
}

var errDown = stream.Unavailable(errors.New("down"))

func (s *shelf) Ensure(context.Context) error { return nil }

func (s *shelf) Last(_ context.Context, subject string) (stream.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Messages.Last(subject)
}

func (s *shelf) Next(_ context.Context, filter string, from uint64) (stream.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Messages.Next(filter, from)
}

// Following gives one message at a time.
func (s *shelf) Following(ctx context.Context, filter string, from uint64) ([]stream.Message, error) {
	m, err := s.Next(ctx, filter, from)
	if err != nil {
		return nil, err
	}
	if s.read != nil {
		s.read()
	}
	return []stream.Message{m}, nil
}

func (s *shelf) Write(_ context.Context, subject string, data []byte, sequence uint64, _ time.Duration) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	fault := ""
	if s.fault != nil {
		fault = s.fault()
	}
	switch fault {
	case "refused":
		return 0, stream.ErrConflict
	case "down":
		return 0, errDown
	case "full":
		return 0, stream.ErrFull
	}
	if err := s.Follows(subject, sequence); err != nil {
		return 0, err
	}
	written := s.Put(subject, data)
	if fault == "lost" {
		return 0, errDown
	}
	return written, nil
}

func (s *shelf) PurgeBefore(_ context.Context, subject string, sequence uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Messages.PurgeBefore(subject, sequence)
	return nil
}

// lose forgets everything.
func (s *shelf) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.All = nil
}

func (s *shelf) bytes() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.All {
		n += len(m.Data)
	}
	return n
}

// fencing is a fence that is set by hand.
type fencing struct {
	mu sync.Mutex
	on bool
}

func (f *fencing) Fenced() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on
}

// on makes an Outbox on a shelf, which is not started.
func on(s *shelf, inc string) *Outbox {
	o := New(Options{Inc: inc, Fence: new(fencing), Store: Store{JetStream: noJetStream{}}})
	o.stream, o.log.writer.Store = s, s
	return o
}
