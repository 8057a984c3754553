package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"
)

// socket is the connection of a WebSocket. It can be watched from below: where the TCP socket is at
// hand, also under TLS, a goroutine waits for it without a buffer and with the least stack.
type socket struct {
	net.Conn
	// raw is the TCP socket, nil where sockets cannot be used directly.
	raw syscall.RawConn
	// under is what a TLS connection reads from; nil without TLS.
	under *patientConn
	// look is wsConn.look, bound once.
	look func(fd uintptr) bool

	reading
}

// reading is the reader's own.
type reading struct {
	mode readMode
	// looked: while waiting, the socket was found empty once.
	looked bool
	// heard: something came since the reader last asked itself whether to stay.
	heard bool
	// streak counts turns that followed each other closely; lastTurn is when the last one was.
	streak   uint8
	lastTurn time.Duration
	// buffer is what is being handled; nil while nothing is.
	buffer *readBuffer
	// failed is why nothing more can be read.
	failed error
}

// readMode is what look does with what there is.
type readMode uint8

const (
	// taking handles what there is and returns.
	taking readMode = iota
	// staying handles what there is and waits for more, until the read deadline.
	staying
	// waiting returns when there is something, and reads nothing.
	waiting
)

// errNothing says that there is nothing to read at present.
var errNothing = errors.New("nothing to read")

func (s *socket) open(conn net.Conn, look func(fd uintptr) bool) {
	s.Conn = conn
	patient := patientUnder(conn)
	if patient == nil || patient.raw == nil {
		return
	}
	switch conn.(type) {
	case *patientConn:
	case *tls.Conn:
		s.under = patient
	default:
		return // whatever lies between, its bytes are not those of the socket
	}
	s.raw, s.look = patient.raw, look
}

// direct is the TCP socket if bytes may be written to it as they are, else nil.
func (s *socket) direct() syscall.RawConn {
	if s.under != nil {
		return nil
	}
	return s.raw
}

// readNow reads what there is without waiting: errNothing if there is nothing.
func (s *socket) readNow(fd uintptr, b []byte) (int, error) {
	if s.under == nil {
		return readNow(fd, b)
	}
	// TLS keeps what it has of a record, and goes on with it next time.
	s.under.now = fd + 1
	n, err := s.Conn.Read(b)
	s.under.now = 0
	if errors.Is(err, errAgain) {
		err = errNothing
	}
	return n, err
}

// errAgain is what a TLS connection is told when there is nothing to read: an error that does not
// end it.
var errAgain error = again{}

// again is a net.Error.
type again struct{}

func (again) Error() string   { return errNothing.Error() }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

// drained reports whether a read of n bytes into a buffer of the given size has emptied the socket.
func (s *socket) drained(n, size int) bool { return s.under == nil && n < size }
