package gateway

import (
	"errors"
)

// What nodes say to each other about answers of clients. The node that has the client says that it has it,
// and what came of the call; the caller's node says that it waits no more.

type answerKind byte

const (
	// answerHas: the sender has the client and has asked it.
	answerHas answerKind = iota + 1
	// answerCame: the client has answered.
	answerCame
	// answerNone: it will not.
	answerNone
	// answerForget: the sender does not wait any more.
	answerForget
	answerKinds // the first that is none
)

// answerMessage is one message.
type answerMessage struct {
	kind           answerKind
	id, connection string
	answer         Answer   // of answerCame
	none           NoAnswer // of answerNone
}

var errAnswerMessage = errors.New("gateway: a malformed answer of another node")

func (m answerMessage) append(dst []byte) []byte {
	dst = appendString(appendString(append(dst, byte(m.kind)), m.id), m.connection)
	switch m.kind {
	case answerCame:
		dst = append(appendString(dst, m.answer.Protocol), m.answer.Frame...)
	case answerNone:
		dst = appendString(appendString(dst, string(m.none.Reason)), m.none.Text)
	}
	return dst
}

// parseAnswer reads what append wrote, all of b, which belongs to the result.
func parseAnswer(b []byte) (m answerMessage, err error) {
	if len(b) == 0 || b[0] == 0 || answerKind(b[0]) >= answerKinds {
		return m, errAnswerMessage
	}
	m.kind = answerKind(b[0])
	r := *newReader(b[1:])
	m.id, m.connection = r.string(), r.string()
	switch m.kind {
	case answerCame:
		m.answer.Protocol = r.string()
		m.answer.Frame, r.Rest = r.Rest, nil
	case answerNone:
		m.none = NoAnswer{NoAnswerReason(r.string()), r.string()}
	}
	if r.Failed || len(r.Rest) > 0 || !isInvocationID(m.id) || m.connection == "" {
		return m, errAnswerMessage
	}
	return m, nil
}

func asNoAnswer(err error) NoAnswer {
	if none, ok := errors.AsType[*NoAnswer](err); ok {
		return *none
	}
	return NoAnswer{Unable, err.Error()}
}

// PeerUp implements PeerHandler.
func (v *invocations) PeerUp(p Peer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.peers[p.Name()] = p
}

// PeerGone implements PeerHandler: the clients of that node answer nobody.
func (v *invocations) PeerGone(p Peer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.peers[p.Name()] == p {
		delete(v.peers, p.Name())
	}
	for _, call := range v.calls {
		if call.node == p.Name() {
			call.settle(Answer{}, &NoAnswer{ConnectionLost, "The gateway node of the connection is gone."})
		}
	}
}

// PeerRoom implements PeerHandler.
func (*invocations) PeerRoom(Peer) {}

// PeerSaid implements PeerHandler.
func (v *invocations) PeerSaid(p Peer, message []byte) error {
	m, err := parseAnswer(message)
	if err != nil {
		return err
	}
	if m.kind == answerForget {
		if c, _ := v.g.conns.lookup(m.connection); c != nil && invocationNode(m.id) == p.Name() {
			c.Forget(m.id)
		}
		return nil
	}
	if !v.heard(p, &m) && m.kind == answerHas {
		p.Send(answerMessage{kind: answerForget, id: m.id, connection: m.connection}.append(nil))
	}
	return nil
}

// heard takes what a node says about a call of this one. It reports false if nobody waits any more.
func (v *invocations) heard(p Peer, m *answerMessage) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	call := v.calls[m.id]
	if call == nil || call.connection != m.connection {
		return false
	}
	switch {
	case m.kind == answerHas:
		call.node = p.Name()
	case m.kind == answerCame:
		call.settle(m.answer, nil)
	case m.none.Reason != ConnectionMoved:
		call.settle(Answer{}, &m.none)
	case call.node == p.Name():
		call.node = "" // its next node has the answer, which names this one
	}
	return true
}
