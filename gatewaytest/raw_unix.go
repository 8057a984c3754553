//go:build unix

package gatewaytest

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawSocket is a pair of connected sockets: workers write to one end, the client
// empties the other. Nothing of it ever waits, so it works with fake time.
type rawSocket struct {
	client *Client
	fds    [2]int
	shut   bool // guarded by client.mu
}

func newRawSocket(tb testing.TB, c *Client) *rawSocket {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(tb, err)
	for _, fd := range fds {
		require.NoError(tb, syscall.SetNonblock(fd, true))
	}
	return &rawSocket{client: c, fds: fds}
}

func (s *rawSocket) close() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.shut = true
	for _, fd := range s.fds {
		_ = syscall.Close(fd)
	}
}

// drain returns what is in the socket.
func (s *rawSocket) drain() string {
	var all strings.Builder
	buf := make([]byte, 32<<10)
	for !s.shut {
		n, err := syscall.Read(s.fds[1], buf)
		if n <= 0 || err != nil {
			break
		}
		all.Write(buf[:n])
	}
	return all.String()
}

// Write implements syscall.RawConn.
func (s *rawSocket) Write(f func(fd uintptr) (done bool)) error {
	return s.Control(func(fd uintptr) { f(fd) })
}

// Control implements syscall.RawConn. Workers write under it.
func (s *rawSocket) Control(f func(fd uintptr)) error {
	s.client.enterRaw()
	defer s.client.leaveRaw()
	select {
	case <-s.client.life.closed:
		return errGone
	default:
	}
	if s.client.pumping.broken {
		return errGone
	}
	f(uintptr(s.fds[0]))
	return nil
}

// Read implements syscall.RawConn: the gateway's side reads nothing from it.
func (s *rawSocket) Read(func(fd uintptr) (done bool)) error { return errGone }
