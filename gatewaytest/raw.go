package gatewaytest

import (
	"syscall"

	"github.com/hubgate/hubgate/gateway"
)

// Raw implements gateway.DirectTransport.
func (c *Client) Raw() syscall.RawConn {
	if c.raw == nil {
		return nil
	}
	return c.raw
}

// Framing implements gateway.DirectTransport.
func (c *Client) Framing() gateway.Framing { return Plain{} }

// Plain is a framing that adds nothing.
type Plain struct{}

// AppendFrames implements gateway.Framing.
func (Plain) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		dst = append(dst, r.Bytes...)
	}
	return dst
}

// takeRawLocked keeps what workers have written to the socket.
func (c *Client) takeRawLocked() {
	if c.raw != nil {
		c.streamLocked(c.raw.drain())
	}
}

// enterRaw is called by a worker that wants to write to the socket. A real socket
// would keep it waiting while the pump is in it: that is the core's mistake.
func (c *Client) enterRaw() {
	c.mu.Lock()
	if c.pumping.inside {
		c.broken = append(c.broken, "a worker wrote to the socket while the pump was in it")
	}
}

func (c *Client) leaveRaw() {
	if !c.pumping.stalled {
		c.takeRawLocked()
	}
	c.notifyLocked()
	c.mu.Unlock()
}
