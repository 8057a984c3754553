package clientws

import (
	"context"
	"errors"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// A client with stateful reconnect that comes to another node than the one that has its connection is
// served by the node that it comes to: it takes the connection over (gateway.TakeOver). If the
// connection has to stay where it is, the request is relayed.

const (
	// takeAgain is how often a connection is asked for that is on its way to another node, takePause how
	// long the pause is: some clients dial only once.
	takeAgain = 20
	takePause = 100 * time.Millisecond
)

// fetch serves a client whose connection another node has. The refusal is why this node would refuse
// the request; nil if it would not.
func (h *Handler) fetch(c *call, id, node string, refusal error) error {
	if h.homes.stop == nil || node == h.options.Node {
		return h.relay(c, node)
	}
	if err := transport.CheckUpgrade(c.r, c.w.Header()); err != nil {
		return err
	}
	conn, err := h.takeOver(c, id, node, refusal)
	switch {
	case errors.Is(err, gateway.ErrStays):
		return h.relay(c, node)
	case errors.Is(err, gateway.ErrNotProven):
		return refusal
	case errors.Is(err, gateway.ErrMoving):
		return transport.ErrBusy
	case errors.Is(err, gateway.ErrNoNode), errors.Is(err, gateway.ErrConnectionEnded):
		return transport.ErrEnded
	case err != nil:
		return transport.ErrNode
	}
	if !h.sockets.Begin() {
		return transport.ErrDraining
	}
	if s := statefulOf(conn); s != nil {
		s.tokens.Used(c.token)
	}
	return h.replaceSocket(c, conn)
}

// takeOver takes the connection over, and tells the home of its id.
func (h *Handler) takeOver(c *call, id, node string, refusal error) (conn *gateway.Conn, err error) {
	var proof []byte
	if refusal != nil {
		hash := auth.HashToken(c.token)
		proof = hash[:]
	}
	for range takeAgain {
		ws := newWSConn(h, false, new(stateful))
		conn, err = h.options.Gateway.TakeOver(c.r.Context(), gateway.Taking{ID: id, Owner: node, Proof: proof, Transport: ws})
		if !errors.Is(err, gateway.ErrMoving) {
			break
		}
		if !pause(c.r.Context(), takePause) {
			return nil, c.r.Context().Err()
		}
		if here, _ := h.options.Gateway.Lookup(id); here != nil {
			return here, h.proves(here, c, refusal)
		}
		if node = h.homes.look(c.r.Context(), id); node == "" {
			return nil, gateway.ErrConnectionEnded
		}
	}
	if err == nil {
		h.homes.say(auth.NodeOf(id), homeMessage{kind: homeHas, id: id, until: conn.Identity().TokenExpires})
	}
	return conn, err
}

// proves reports whether a request may have a connection of this node.
func (h *Handler) proves(conn *gateway.Conn, c *call, refusal error) error {
	if tokens := tokensOf(conn); refusal != nil && (tokens == nil || !tokens.Know(c.token)) {
		return gateway.ErrNotProven
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// What follows implements gateway.MovingTransport.

// Proves reports whether the proof is the access token of an accepted request.
func (t *wsConn) Proves(proof []byte) bool {
	return t.stateful != nil && len(proof) == len(auth.TokenHash{}) && t.stateful.tokens.KnowHash(auth.TokenHash(proof))
}

// AppendFacts appends which access tokens are good for the connection.
func (t *wsConn) AppendFacts(dst []byte) []byte {
	if t.stateful == nil {
		return dst
	}
	return t.stateful.tokens.Append(dst)
}

// TakeFacts reads what AppendFacts wrote.
func (t *wsConn) TakeFacts(facts []byte) error { return t.stateful.tokens.Take(facts) }
