package cluster

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// answerer is the http.ResponseWriter of a request that another node has this one answer. Small
// writes wait for more, for Flush or for the end.
type answerer struct {
	s      *stream
	header http.Header
	status int
	// head is the frame with the status and the header, if it was not sent yet.
	head []byte
	// body are bytes that were not sent yet.
	body     []byte
	hijacked bool
	served   bool  // the handler has returned
	failed   error // of a write: the answer has a hole, and is broken off
}

// Header implements http.ResponseWriter.
func (a *answerer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. Informational answers are not forwarded.
func (a *answerer) WriteHeader(status int) {
	if a.status != 0 || a.hijacked || status < 200 || status > 999 {
		return
	}
	a.status = status
	h := responseHead{status, a.header}
	a.head = h.append(a.s.frame(httpResponse))
}

// Write implements http.ResponseWriter.
func (a *answerer) Write(b []byte) (int, error) {
	if a.hijacked {
		return 0, http.ErrHijacked
	}
	a.WriteHeader(http.StatusOK)
	if a.body = append(a.body, b...); len(a.body) < streamPiece {
		return len(b), nil
	}
	if err := a.send(httpPiece); err != nil {
		return 0, err
	}
	return len(b), nil
}

// send sends what waits.
func (a *answerer) send(op httpOp) error {
	if a.failed == nil {
		_, a.failed = a.s.write(a.unsent(), a.body, op)
		a.body = a.body[:0]
	}
	return a.failed
}

// unsent is the head if it was not sent yet.
func (a *answerer) unsent() (frames [][]byte) {
	if a.head != nil {
		frames = [][]byte{a.head}
		a.head = nil
	}
	return frames
}

// FlushError implements what http.ResponseController looks for.
func (a *answerer) FlushError() error {
	if a.hijacked {
		return http.ErrHijacked
	}
	a.WriteHeader(http.StatusOK)
	return a.send(httpFlushed)
}

// Flush implements http.Flusher.
func (a *answerer) Flush() { _ = a.FlushError() }

// SetReadDeadline implements what http.ResponseController looks for.
func (a *answerer) SetReadDeadline(t time.Time) error {
	a.s.readDeadline.set(t)
	return nil
}

// SetWriteDeadline implements what http.ResponseController looks for.
func (a *answerer) SetWriteDeadline(t time.Time) error {
	a.s.writeDeadline.set(t)
	return nil
}

// Hijack implements http.Hijacker.
func (a *answerer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.hijacked || a.status != 0 {
		return nil, nil, http.ErrHijacked
	}
	a.s.deafness(false)
	if err := a.s.send(a.s.frame(httpHijacked)); err != nil {
		return nil, nil, err
	}
	a.hijacked = true
	conn := &streamConn{s: a.s, reader: streamReader{s: a.s}}
	a.s.whenFailed(nil) // the request is over, and the connection's owner sees its end
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, 16), bufio.NewWriterSize(conn, 16)), nil
}

// finish ends the answer when the handler has returned, or has panicked.
func (a *answerer) finish() {
	if p := recover(); p != nil || !a.served && a.status == 0 {
		if p != nil && p != http.ErrAbortHandler {
			a.s.p.b.opts.Logger.Error("panic", "panic", p, "stack", string(debug.Stack()))
		}
		a.s.abort()
		a.s.finish()
		return
	}
	if a.hijacked {
		return // its owner ends it
	}
	a.WriteHeader(http.StatusOK)
	if len(a.body) > 0 {
		_ = a.send(httpPiece)
	}
	if a.failed != nil || a.s.end(a.unsent()...) != nil {
		a.s.abort()
	}
	a.s.finish()
}

// streamConn is a connection that was hijacked at another node.
type streamConn struct {
	s      *stream
	reader streamReader
}

// Read implements net.Conn.
func (c *streamConn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// Write implements net.Conn.
func (c *streamConn) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.s.write(nil, b, httpPiece)
	if errors.Is(err, errStreamDone) {
		err = net.ErrClosed
	}
	return n, err
}

// Close implements net.Conn. What was written before still leaves.
func (c *streamConn) Close() error {
	if err := c.s.end(); err != nil {
		return net.ErrClosed
	}
	c.s.fail(net.ErrClosed)
	c.s.finish()
	return nil
}

// address is what the other node knows the client by.
type address string

// Network implements net.Addr.
func (address) Network() string { return "cluster" }

// String implements net.Addr.
func (a address) String() string { return string(a) }

// LocalAddr implements net.Conn.
func (c *streamConn) LocalAddr() net.Addr { return address(c.s.p.b.Self().String()) }

// RemoteAddr implements net.Conn.
func (c *streamConn) RemoteAddr() net.Addr { return address(c.s.p.inc.String()) }

// SetDeadline implements net.Conn.
func (c *streamConn) SetDeadline(t time.Time) error {
	c.s.readDeadline.set(t)
	c.s.writeDeadline.set(t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (c *streamConn) SetReadDeadline(t time.Time) error {
	c.s.readDeadline.set(t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *streamConn) SetWriteDeadline(t time.Time) error {
	c.s.writeDeadline.set(t)
	return nil
}
