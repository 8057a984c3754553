//go:build !unix

package clientws

// directWrites says that sockets can be written to without waiting.
const directWrites = false

// writeNow leaves everything to the waiting path.
func (c *patientConn) writeNow([]byte) (int, error) { return 0, nil }

// readNow and readable are never called: without directWrites a socket is read the waiting way.
func readNow(uintptr, []byte) (int, error) { return 0, errNothing }

func readable(uintptr) bool { return true }
