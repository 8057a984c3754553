//go:build !unix

package directwrite

import "syscall"

// Possible says that sockets can be written to without waiting.
const Possible = false

// Writer takes nothing where sockets cannot be written to without waiting.
type Writer struct{}

// New returns a Writer.
func New() *Writer { return new(Writer) }

// Write takes nothing: all bytes are left to the caller.
func (*Writer) Write(syscall.RawConn, []byte) (int, error) { return 0, nil }
