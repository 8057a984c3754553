//go:build unix

package directwrite

import (
	"os"
	"syscall"
)

// Possible says that sockets can be written to without waiting.
const Possible = true

// Writer writes to any number of sockets, one after the other. Make one with New. It is for one
// goroutine at a time. The function that it hands to the socket is made once, so that a write
// allocates nothing.
type Writer struct {
	buf []byte
	n   int
	err error
	fn  func(fd uintptr)
}

// New returns a Writer.
func New() *Writer {
	w := new(Writer)
	w.fn = w.once
	return w
}

// Write writes b once and returns how many bytes the socket took, which may be none. It waits for
// nobody and knows no deadline; that nobody else writes to the socket meanwhile is the caller's to
// see to. The error is the socket's: it is closed, or its connection has ended.
func (w *Writer) Write(raw syscall.RawConn, b []byte) (int, error) {
	w.buf, w.n, w.err = b, 0, nil
	// Control keeps the socket from being closed meanwhile, as RawConn.Write does, but without the
	// lock for writers and the poller's state, which that one visits.
	err := raw.Control(w.fn)
	w.buf = nil
	if err != nil {
		return 0, err
	}
	return w.n, w.err
}

// once is one write(2).
func (w *Writer) once(fd uintptr) {
	for {
		n, err := write(fd, w.buf)
		switch err {
		case nil:
			w.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			w.err = os.NewSyscallError("write", err)
		}
		return
	}
}
