package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/internal/directwrite"
)

// Listener wraps a listener so that on its connections a write never waits for
// longer than sendTimeout without the peer taking a byte, however long the
// whole write takes (D12). TLS goes on top of it. sendTimeout is asked anew for
// each write that has to wait.
//
// Write deadlines of these connections mean the same: the time from
// SetWriteDeadline to the deadline is how long the peer may take no byte, if
// that is shorter. A deadline in the past ends a write at once, as usual.
func Listener(l net.Listener, sendTimeout func() time.Duration) net.Listener {
	return &patientListener{Listener: l, timeout: sendTimeout}
}

type patientListener struct {
	net.Listener
	timeout func() time.Duration
}

func (l *patientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newPatientConn(conn, l.timeout), nil
}

// patientConn gives a slow peer time as long as it takes anything.
type patientConn struct {
	net.Conn
	timeout func() time.Duration
	// raw is for writes that need not wait; nil if that is not possible.
	raw syscall.RawConn
	// limit replaces timeout: nanoseconds, 0 for none, cutOff for a deadline in the past.
	limit atomic.Int64
	// now, if not 0, is the socket's descriptor plus one, and Read does not wait: see socket.readNow.
	// It is the reader's own.
	now uintptr
}

const cutOff = -1

func newPatientConn(conn net.Conn, timeout func() time.Duration) *patientConn {
	c := &patientConn{Conn: conn, timeout: timeout}
	if tcp, ok := conn.(*net.TCPConn); ok && directwrite.Possible {
		c.raw, _ = tcp.SyscallConn() // an error here is the next write's error too
	}
	return c
}

// NetConn returns the wrapped connection.
func (c *patientConn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *patientConn) Read(b []byte) (int, error) {
	if c.now != 0 {
		n, err := readNow(c.now-1, b)
		if err == errNothing {
			err = errAgain
		}
		return n, err
	}
	return c.Conn.Read(b)
}

// writers are for writes without waiting.
var writers = sync.Pool{New: func() any { return directwrite.New() }}

// writeNow writes what the socket takes without waiting; the common case is
// all of it, and then no deadline has to be set and removed.
func (c *patientConn) writeNow(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return 0, nil
	}
	w := writers.Get().(*directwrite.Writer)
	defer writers.Put(w)
	return w.Write(c.raw, b)
}

// waits is in how many parts the time is waited for that the peer may take no byte. When in a
// part it took one is not known, so that time may be longer by one part.
const waits = 20

// Write implements net.Conn. Only one Write may be under way.
func (c *patientConn) Write(b []byte) (int, error) {
	if c.limit.Load() == cutOff {
		return 0, os.ErrDeadlineExceeded
	}
	written, err := c.writeNow(b)
	if err != nil || written == len(b) {
		return written, err
	}
	for idle := 0; ; {
		wait := c.mayIdle()
		if wait == cutOff {
			return written, os.ErrDeadlineExceeded
		}
		parts := waits
		if _, ok := c.Conn.(*tls.Conn); ok {
			parts = 1 // a TLS connection does not survive a deadline
		}
		if err := c.Conn.SetWriteDeadline(time.Now().Add(wait / time.Duration(parts))); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:])
		written += n
		switch {
		case err == nil:
			return written, c.Conn.SetWriteDeadline(time.Time{})
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return written, err
		case n > 0:
			idle = 0
		default:
			idle++
		}
		if idle >= parts || parts == 1 {
			return written, err
		}
	}
}

func (c *patientConn) mayIdle() time.Duration {
	limit, timeout := c.limit.Load(), c.timeout()
	switch {
	case limit == cutOff:
		return cutOff
	case limit > 0:
		return min(time.Duration(limit), timeout)
	}
	return timeout
}

// SetWriteDeadline implements net.Conn; see Listener for what it means.
func (c *patientConn) SetWriteDeadline(t time.Time) error {
	var limit int64
	if !t.IsZero() {
		limit = int64(max(cutOff, time.Until(t)))
		if limit == 0 {
			limit = cutOff
		}
	}
	before := c.limit.Swap(limit)
	switch {
	case limit == cutOff:
		return c.Conn.SetWriteDeadline(t)
	case before == cutOff:
		return c.Conn.SetWriteDeadline(time.Time{})
	}
	return nil
}

// SetDeadline implements net.Conn.
func (c *patientConn) SetDeadline(t time.Time) error {
	return errors.Join(c.Conn.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite lets the HTTP server say goodbye in good order.
func (c *patientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// isPatient reports whether a Listener's connection is under conn.
func isPatient(conn net.Conn) bool { return patientUnder(conn) != nil }

// patientUnder returns the Listener's connection under conn, nil if there is none.
func patientUnder(conn net.Conn) *patientConn {
	for {
		if patient, ok := conn.(*patientConn); ok {
			return patient
		}
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = over.NetConn()
	}
}

// closeAtOnce closes the lowest connection, so that nothing (a TLS alert) is
// waited for.
func closeAtOnce(conn net.Conn) error {
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn.Close()
		}
		conn = over.NetConn()
	}
}
