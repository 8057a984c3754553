//go:build unix

package clientws

import (
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// directWrites says that sockets can be written to without waiting.
const directWrites = true

// onceWriter is one write(2) on a socket that does not wait. It is pooled with
// its bound function, so that writing allocates nothing.
type onceWriter struct {
	buf []byte
	n   int
	err error
	fn  func(fd uintptr) bool
}

var onceWriters = sync.Pool{New: func() any {
	w := new(onceWriter)
	w.fn = w.once
	return w
}}

func (w *onceWriter) once(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), w.buf)
		switch err {
		case nil:
			w.n = n
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
		default:
			w.err = os.NewSyscallError("write", err)
		}
		return true
	}
}

// writeNow writes what the socket takes without waiting; the common case is
// all of it, and then no deadline has to be set and removed.
func (c *patientConn) writeNow(b []byte) (int, error) {
	if c.raw == nil || len(b) == 0 {
		return 0, nil
	}
	w := onceWriters.Get().(*onceWriter)
	w.buf, w.n, w.err = b, 0, nil
	err := c.raw.Write(w.fn)
	n := w.n
	if err == nil {
		err = w.err
	}
	w.buf, w.err = nil, nil
	onceWriters.Put(w)
	return n, err
}

// readNow is one read(2) on a socket that does not wait: errNothing if there is nothing.
func readNow(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), b)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, errNothing
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// readable reports whether a read would find something: bytes, the end or an error.
func readable(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n != 0 || err != nil // to look once too often does no harm
}
