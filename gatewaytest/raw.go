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

// BreakRaw makes every further write of a worker to the socket fail. The transport itself does not
// notice.
func (c *Client) BreakRaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pumping.broken = true
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
