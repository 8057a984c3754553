package clientws

import (
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

// owner returns the tag of the node on which the connection that the request
// names lives or will live: the one in its id, given at negotiation. It is ""
// if that is this node, or if the id is none that any node has given to the user.
func (h *Handler) owner(c *call, user string) string {
	if !c.query.hasID || c.hub == "" || h.posted.get(c.query.id) != nil {
		return ""
	}
	id, _, err := h.options.Sealer.Open(c.query.id, c.hub, user)
	if err != nil {
		if _, err := h.options.Sealer.OpenMarked(c.query.id, c.hub, user); err != nil {
			return ""
		}
		id = c.query.id
	}
	if node := auth.NodeOf(id); node != h.options.Node {
		return node
	}
	return ""
}

// forward hands the request over if its connection lives on another node, and
// reports whether it did. refusal is why this node would refuse the request:
// the owner may know better, since a connection outlives its token there.
func (h *Handler) forward(c *call, refusal error) (bool, error) {
	if h.options.Forwarder == nil {
		return false, refusal
	}
	if h.homes.stop != nil && transport.IsUpgrade(c.r) {
		if refusal != nil {
			return h.forwardRefused(c, refusal)
		}
		return false, nil
	}
	var user string
	if refusal == nil {
		user = c.claims.UserID
	} else {
		user, _ = h.options.Verifier.UnverifiedUser(c.token)
	}
	node := h.owner(c, user)
	if node == "" {
		return false, refusal
	}
	return true, h.relay(c, node)
}
