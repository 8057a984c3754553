package clientws

import (
	"context"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// A client with stateful reconnect dials again when it has lost its WebSocket, and may come to a node
// that does not have its connection.

// relay has the node that has the connection answer the request: the new WebSocket ends there.
func (h *Handler) relay(c *call, node string) error {
	if node == h.options.Node || h.options.Forwarder == nil {
		return transport.ErrBusy // the home of the id has not heard yet what has become of the connection
	}
	clear(c.w.Header()) // the other node sets its own
	if err := h.options.Forwarder.Forward(c.w, c.r, node); err != nil {
		h.log.Warn("request not forwarded", "node", node, "error", err)
		h.cors.Allow(c.w.Header(), c.r)
		return transport.NotForwarded(err)
	}
	return nil
}

// whereabouts returns the node that has the connection of a user's client with stateful reconnect,
// whose tokens may have expired. It is "" if that is this node, none, or another sort of client.
func (h *Handler) whereabouts(c *call, user string) (id, node string) {
	if h.homes.stop == nil || !c.query.hasID || c.hub == "" {
		return "", ""
	}
	token, err := h.options.Sealer.OpenToken(c.query.id, c.hub, user)
	if err != nil || !token.Stateful {
		return "", ""
	}
	if node = h.homes.look(c.r.Context(), token.ID); node == h.options.Node {
		return "", ""
	}
	return token.ID, node
}

// forwardRefused is forward for a WebSocket that this node refuses: the node that has the connection
// may know its access token.
func (h *Handler) forwardRefused(c *call, refusal error) (bool, error) {
	user, ok := h.options.Verifier.UnverifiedUser(c.token)
	if !ok {
		return false, refusal
	}
	id, node := h.whereabouts(c, user)
	if node == "" {
		return false, refusal
	}
	return true, h.fetch(c, id, node, refusal)
}

// look returns the node that has the connection of an id, "" if none is known. Whoever has given the
// id out knows it, unless that node is gone or was restarted: all are asked.
func (s *homes) look(ctx context.Context, id string) (node string) {
	gw, home := s.h.options.Gateway, auth.NodeOf(id)
	if node := gw.Elsewhere(id); home == s.h.options.Node && node != "" {
		return node
	}
	s.mu.Lock()
	var to []gateway.Peer
	for _, p := range s.peers {
		to = append(to, p)
	}
	answers := make(chan homeAnswer, len(to))
	numbers := make([]uint64, len(to))
	for i, p := range to {
		numbers[i] = s.beginLocked(p, answers)
	}
	s.mu.Unlock()
	defer s.over(numbers...)
	for i, p := range to {
		if !p.Send(homeMessage{kind: homeLooks, number: numbers[i], id: id}.append(nil)) {
			give(answers, homeAnswer{state: homeLost})
		}
	}
	late := time.NewTimer(homeTimeout)
	defer late.Stop()
	for range to {
		select {
		case a := <-answers:
			if a.state == homeLive {
				return a.owner
			}
		case <-ctx.Done():
			return ""
		case <-late.C:
			return ""
		}
	}
	return ""
}

// beginLocked begins a question. It ends with over.
func (s *homes) beginLocked(p gateway.Peer, answer chan homeAnswer) (number uint64) {
	s.last++
	s.asked[s.last] = asked{p, answer}
	return s.last
}

func (s *homes) over(numbers ...uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range numbers {
		delete(s.asked, n)
	}
}

// found answers a node that looks for a connection.
func (s *homes) found(m *homeMessage) homeMessage {
	gw := s.h.options.Gateway
	answer := homeMessage{kind: homeAnswers, number: m.number, homeAnswer: homeAnswer{state: homeOver}}
	if conn, dead := gw.Lookup(m.id); conn != nil && !dead {
		answer.homeAnswer = homeAnswer{state: homeLive, owner: s.h.options.Node}
	} else if node := gw.Elsewhere(m.id); node != "" {
		answer.homeAnswer = homeAnswer{state: homeLive, owner: node}
	}
	return answer
}
