//go:build !unix

package gatewaytest

import "testing"

type rawSocket struct{}

func newRawSocket(tb testing.TB, _ *Client) *rawSocket {
	tb.Skip("workers cannot write to sockets on this system")
	return nil
}

func (*rawSocket) close()        {}
func (*rawSocket) drain() string { return "" }

func (*rawSocket) Read(func(fd uintptr) (done bool)) error  { return errGone }
func (*rawSocket) Write(func(fd uintptr) (done bool)) error { return errGone }
func (*rawSocket) Control(func(fd uintptr)) error           { return errGone }
