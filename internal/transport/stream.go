package transport

import (
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Stream is the writing side of a transport whose bytes go into answers of HTTP requests: into one
// that lives as long as the transport, or into one after the other. Whoever serves a request waits
// for Woken and Gone. Init comes first; all other methods may be called concurrently, Write by one
// goroutine at a time.
type Stream struct {
	// wake holds one signal: there is something to take.
	wake chan struct{}
	// gone is closed when the transport has ended, for cause.
	gone   chan struct{}
	ending sync.Once
	cause  gateway.Cause

	mu sync.Mutex
	// writing is the request whose answer is being written, if any.
	writing *http.ResponseController
}

// Init prepares the stream.
func (s *Stream) Init() { s.wake, s.gone = make(chan struct{}, 1), make(chan struct{}) }

// Wake implements gateway.Transport.
func (s *Stream) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Woken delivers a signal when Wake was called since the last one.
func (s *Stream) Woken() <-chan struct{} { return s.wake }

// End ends the transport: a write that is under way fails. The first cause counts, and is returned.
func (s *Stream) End(cause gateway.Cause) gateway.Cause {
	s.ending.Do(func() {
		s.cause = cause
		close(s.gone)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.writing != nil {
			_ = s.writing.SetWriteDeadline(time.Unix(1, 0)) // where it cannot be set, the write ends by itself
		}
	})
	return s.cause
}

// Gone is closed by End.
func (s *Stream) Gone() <-chan struct{} { return s.gone }

// Cause is why the transport has ended; it may be asked when Gone is closed.
func (s *Stream) Cause() gateway.Cause { return s.cause }

// IsGone reports whether the transport has ended.
func (s *Stream) IsGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// ErrGone is the error of a write to a transport that has ended.
var ErrGone = errors.New("connection has ended")

// pieceBytes is how much is written before the deadline is renewed: about what
// the HTTP server buffers. See Listener for a finer measure.
const pieceBytes = 4 << 10

// Write sends bytes to the client and sees that they leave. A client that takes
// none of them for the timeout is an error that WriteFailed knows.
func (s *Stream) Write(w http.ResponseWriter, b []byte, timeout time.Duration) (err error) {
	rc := http.NewResponseController(w)
	s.mu.Lock()
	if s.IsGone() {
		s.mu.Unlock()
		return ErrGone
	}
	s.writing = rc
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writing = nil
		if err == nil && s.IsGone() {
			_ = rc.SetWriteDeadline(time.Time{}) // End came too late to cut it, and the connection serves other requests
		}
	}()
	for len(b) > 0 {
		piece := b[:min(len(b), pieceBytes)]
		b = b[len(piece):]
		s.renew(rc, timeout)
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	s.renew(rc, timeout)
	if err := rc.Flush(); err != nil {
		return err
	}
	s.renew(rc, 0)
	return nil
}

// renew sets the deadline unless the transport was ended meanwhile.
func (s *Stream) renew(rc *http.ResponseController, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.IsGone() {
		return
	}
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	_ = rc.SetWriteDeadline(deadline) // servers without deadlines have their own ideas of slow clients
}

// WriteFailed is why a connection ends whose client could not be written to.
func WriteFailed(err error) gateway.Cause {
	if isSlow(err) {
		return gateway.Cause{Reason: gateway.CloseSlowClient, Text: "The client did not take any data for too long."}
	}
	return gateway.Cause{Reason: gateway.CloseNormal}
}

func isSlow(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
