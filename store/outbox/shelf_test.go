package outbox

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store/stream"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

// shelf is a stream in memory that can fail.
type shelf struct {
	mu       sync.Mutex
	last     uint64
	messages []stream.Message
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
	m, ok := s.lastLocked(subject)
	if !ok {
		return m, stream.ErrNotFound
	}
	return m, nil
}

func (s *shelf) lastLocked(subject string) (found stream.Message, ok bool) {
	for _, m := range s.messages {
		if m.Subject == subject {
			found, ok = m, true
		}
	}
	return found, ok
}

func (s *shelf) Next(_ context.Context, filter string, from uint64) (stream.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix, any := strings.CutSuffix(filter, "*")
	for _, m := range s.messages {
		if m.Sequence >= from && (m.Subject == filter || any && strings.HasPrefix(m.Subject, prefix)) {
			return m, nil
		}
	}
	return stream.Message{}, stream.ErrNotFound
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
	if m, _ := s.lastLocked(subject); m.Sequence != sequence {
		return 0, stream.ErrConflict
	}
	s.last++
	s.messages = append(s.messages, stream.Message{Subject: subject, Data: append([]byte(nil), data...), Sequence: s.last})
	if fault == "lost" {
		return 0, errDown
	}
	return s.last, nil
}

func (s *shelf) PurgeBefore(_ context.Context, subject string, sequence uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []stream.Message
	for _, m := range s.messages {
		if m.Subject != subject || m.Sequence >= sequence {
			kept = append(kept, m)
		}
	}
	s.messages = kept
	return nil
}

// lose forgets everything.
func (s *shelf) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

func (s *shelf) bytes() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
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
