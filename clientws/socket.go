package clientws

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is the connection as the WebSocket library sees it. The library only
// reads: once the upgrade is answered its own writes (errors that it wants to
// tell the peer from the reader's side) and write deadlines are swallowed,
// because one writer at a time is the rule and the library is never it.
type socket struct {
	net.Conn
	// raw is the TCP socket if the connection is plain TCP, else nil.
	raw syscall.RawConn

	// upgraded: the answer to the upgrade has been written.
	upgraded atomic.Bool
	// violation is the close code with which the library wanted to refuse the peer's input.
	violation uint16

	// The rest is the reader's.

	// unread came from the socket and waits for the library.
	unread []byte
	// borrowed is the buffer behind unread if that is a borrowed one.
	borrowed *readBuffer
	// first takes the bytes that wake an idle connection: a ping fits, and
	// then nothing has to be borrowed.
	first [32]byte

	// for readOnce
	wait   bool
	more   bool // the last read filled its space: there may be more
	failed error
	once   func(fd uintptr) bool
}

func (s *socket) open(conn net.Conn, unread []byte) {
	s.Conn, s.unread = conn, unread
	if s.raw = rawUnder(conn); s.raw != nil {
		s.once = s.readOnce
	}
}

// Read implements net.Conn.
func (s *socket) Read(b []byte) (int, error) {
	if len(s.unread) > 0 {
		n := copy(b, s.unread)
		s.unread = s.unread[n:]
		s.giveBack()
		return n, nil
	}
	if s.failed != nil {
		return 0, s.failed
	}
	return s.Conn.Read(b)
}

// giveBack returns the buffer once nothing in it is wanted any more.
func (s *socket) giveBack() {
	if len(s.unread) > 0 {
		return
	}
	s.unread = nil
	if s.borrowed != nil {
		readBuffers.Put(s.borrowed)
		s.borrowed = nil
	}
}

// idle reports whether the library would have to wait for the socket.
func (s *socket) idle() bool { return len(s.unread) == 0 && s.failed == nil }

// fill reads what an idle socket has, without waiting, and reports whether there
// is something to do: bytes or an error.
func (s *socket) fill() bool {
	if !s.more {
		return false
	}
	s.borrowed, s.wait = readBuffers.Get().(*readBuffer), false
	s.read()
	s.giveBack()
	return !s.idle()
}

// park waits for bytes or an error with the least stack and no buffer.
func (s *socket) park() {
	s.wait = true
	s.read()
}

// extend borrows a buffer for bytes that did not fit where park put them.
func (s *socket) extend() {
	if !s.more {
		return
	}
	s.borrowed, s.wait = readBuffers.Get().(*readBuffer), false
	s.unread = s.borrowed[:copy(s.borrowed[:], s.first[:])]
	s.read()
}

func (s *socket) read() {
	s.more = false
	if err := s.raw.Read(s.once); err != nil {
		s.failed = err
	}
}

// space is where readOnce reads to: what is behind unread.
func (s *socket) space() []byte {
	if s.borrowed != nil {
		return s.borrowed[len(s.unread):]
	}
	return s.first[:]
}

// took makes the n bytes that were read into space part of unread.
func (s *socket) took(n int) {
	s.more = n == len(s.space())
	if s.borrowed != nil {
		s.unread = s.borrowed[:len(s.unread)+n]
		return
	}
	s.unread = s.first[:n]
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	if !s.upgraded.Load() {
		return s.Conn.Write(b)
	}
	if len(b) >= 4 && b[0] == finalBit|opClose {
		s.violation = binary.BigEndian.Uint16(b[2:])
	}
	return len(b), nil
}

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(t time.Time) error {
	if !s.upgraded.Load() {
		return s.Conn.SetWriteDeadline(t)
	}
	return nil
}

// SetDeadline implements net.Conn. The library uses it before the upgrade only.
func (s *socket) SetDeadline(t time.Time) error {
	if !s.upgraded.Load() {
		return s.Conn.SetDeadline(t)
	}
	return s.Conn.SetReadDeadline(t)
}
