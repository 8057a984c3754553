//go:build !unix

package gateway

import "syscall"

// directWriter takes nothing where sockets cannot be written to without
// waiting: everything goes through the transport's pump.
type directWriter struct{}

func (directWriter) init() {}

func (directWriter) write(syscall.RawConn, []byte) (int, error) { return 0, nil }
