// Package freeport finds TCP ports on loopback for servers that have to know theirs before they start. Such a port must
// stay free until the server listens, and while it is away. What is here does so for Go, freeport.mjs for Node.
package freeport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports from first to last are given to nobody who listens on port 0 or dials: what Linux, macOS and Windows give them
// is higher.
const first, last = 10_000, 32_000

// twins are UDP sockets on the ports that were taken. Nobody uses them: with them a port is taken for everybody who
// looks for one in this way, in whatever process.
var twins struct {
	mu   sync.Mutex
	kept []net.PacketConn
}

// Take returns an address on 127.0.0.1 on which nobody listens. Nobody else is given it while this process lives.
// It may be called concurrently. It fails if no port is left.
func Take() (string, error) {
	for range last - first {
		address := fmt.Sprint("127.0.0.1:", first+rand.IntN(last-first))
		twin, err := net.ListenPacket("udp4", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp4", address)
		if err != nil {
			_ = twin.Close() // it has sent nothing
			continue
		}
		twins.mu.Lock()
		twins.kept = append(twins.kept, twin)
		twins.mu.Unlock()
		return address, l.Close()
	}
	return "", errors.New("no port is free")
}
