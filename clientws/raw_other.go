//go:build !unix

package clientws

// directWrites says that sockets can be written to without waiting.
const directWrites = false

// writeNow leaves everything to the waiting path.
func (c *patientConn) writeNow([]byte) (int, error) { return 0, nil }

// readOnce is never called: without directWrites a socket is read the waiting way.
func (s *socket) readOnce(uintptr) bool { return true }
