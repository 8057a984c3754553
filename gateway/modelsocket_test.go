//go:build unix

package gateway

import (
	"errors"
	"sync"
	"syscall"
)

// modelSocket is a small socket. A worker writes to one end, the client empties the other when the
// schedule says so.
type modelSocket struct {
	t    *modelTransport
	fds  [2]int
	none bool
}

var modelSockets struct {
	mu   sync.Mutex
	free [][2]int
}

func newModelSocket(t *modelTransport) *modelSocket {
	s := &modelSocket{t: t, none: t.kind != kindSocket}
	if s.none {
		return s
	}
	modelSockets.mu.Lock()
	defer modelSockets.mu.Unlock()
	if n := len(modelSockets.free); n > 0 {
		s.fds, modelSockets.free = modelSockets.free[n-1], modelSockets.free[:n-1]
		return s
	}
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		panic(err)
	}
	for _, fd := range fds {
		_ = syscall.SetNonblock(fd, true)
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4096)
	}
	s.fds = fds
	return s
}

func (s *modelSocket) release() {
	if s.none {
		return
	}
	s.drain()
	s.none = true
	modelSockets.mu.Lock()
	defer modelSockets.mu.Unlock()
	modelSockets.free = append(modelSockets.free, s.fds)
}

func (s *modelSocket) drain() (all []byte) {
	if s.none {
		return nil
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := syscall.Read(s.fds[1], buf)
		if n <= 0 || err != nil {
			return all
		}
		all = append(all, buf[:n]...)
	}
}

var errModelGone = errors.New("the socket is closed")

// Control implements syscall.RawConn. Workers write under it.
func (s *modelSocket) Control(f func(fd uintptr)) error {
	t, c := s.t, s.t.c
	c.unlocked("a write")
	switch {
	case t.pump.inside:
		c.m.breaks("%d: a worker wrote while the pump was in the socket", c.index)
	case !t.present():
		c.m.breaks("%d: a worker wrote to a former transport", c.index)
	case c.comings != nil && t.ended:
		c.m.breaks("%d: a worker wrote to a transport that is lost", c.index)
	}
	if t.closed {
		return errModelGone
	}
	f(uintptr(s.fds[0]))
	if c.comings != nil && c.m.chance(3) {
		c.m.seen["lost during a write"]++
		t.stop(Cause{Reason: CloseNormal})
		t.over()
	}
	return nil
}

func (s *modelSocket) Write(func(fd uintptr) (done bool)) error { return errModelGone }
func (s *modelSocket) Read(func(fd uintptr) (done bool)) error  { return errModelGone }
