//go:build unix

package gateway

import "syscall"

// directWriter writes to sockets without waiting for them. It belongs to one
// worker; the function it hands to the socket is made once, so that a write
// allocates nothing.
type directWriter struct {
	buf []byte
	n   int
	err error
	fn  func(fd uintptr)
}

func (d *directWriter) init() { d.fn = d.once }

// once is one write(2). What the socket does not take is the pump's.
func (d *directWriter) once(fd uintptr) {
	for {
		n, err := writeNow(fd, d.buf)
		switch err {
		case nil:
			d.n, d.err = n, nil
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			d.n, d.err = 0, nil
		default:
			d.n, d.err = 0, err
		}
		return
	}
}

// write returns how many bytes the socket took. The socket cannot be closed meanwhile. Control
// does that without the lock for writers and the poller's state, which RawConn.Write visits: the
// outbox has only one writer in any case, and this one never waits.
func (d *directWriter) write(raw syscall.RawConn, b []byte) (int, error) {
	d.buf = b
	err := raw.Control(d.fn)
	d.buf = nil
	if err != nil {
		return 0, err
	}
	return d.n, d.err
}
