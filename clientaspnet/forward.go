package clientaspnet

import "github.com/hubgate/hubgate/internal/transport"

// forward hands the request over if its connection lives on another node, and
// reports whether it did. refusal is why this node would refuse the request:
// the owner may know better, since a connection outlives its token there.
func (h *Handler) forward(c *call, refusal error) (bool, error) {
	if h.options.Forwarder == nil {
		return false, refusal
	}
	node := h.owner(c)
	if node == "" {
		return false, refusal
	}
	// The owner sets its own headers.
	header := c.w.Header()
	own := header.Clone()
	clear(header)
	err := h.options.Forwarder.Forward(c.w, c.r, node)
	if err == nil {
		return true, nil
	}
	h.log.Warn("request not forwarded", "node", node, "error", err)
	for name, values := range own {
		header[name] = values
	}
	if refused := transport.NotForwarded(err); refusal == nil && refused != transport.ErrUnknown {
		return true, refused
	}
	// The connection is gone; the commands say so in their own way.
	return false, refusal
}
