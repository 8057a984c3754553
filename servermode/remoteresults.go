package servermode

import (
	"time"

	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// An invocation of a client by a hub server concerns up to three nodes: that of the caller, which knows
// who waits; the client's, its owner, which decides about the answer; and that of the hub server that
// has the client and brings the answer. The first two note the invocation. The owner's note names the
// caller's node as the caller, and the caller's note names the owner. What the caller's node knows of
// the client may be its home only (see gateway.Entrust), which passes the invocation on.

// nodeOf returns the node of a client, nil if it is this one or none is known.
func (sc *serverConn) nodeOf(id string) *peerLink {
	if rc := sc.clients.remote(id); rc != nil {
		return rc.way.Load().link
	}
	if c, ended := sc.b.gw.Lookup(id); c != nil || ended {
		return nil
	}
	return sc.b.ownerOf(id)
}

// askNode asks the client's node to invoke it. It returns why it cannot, "" if it has.
func (t *resultTable) askNode(node *peerLink, sc *serverConn, call *resultCall) string {
	call.node = node
	if rc := sc.clients.remote(call.connection); rc != nil {
		call.owner = rc.sc.peer.serverID
	}
	if text := t.add(call); text != "" {
		return text
	}
	frame := appendInvoke("", sc.peer.serverID, sc.peer.isWeak(), call.key.hub, sc.reader.body)
	if sc.waitForLink(node, len(frame)) && node.Send(frame) {
		return ""
	}
	t.mu.Lock()
	t.removeLocked(call)
	t.mu.Unlock()
	return "The gateway node of the connection cannot be reached."
}

// appendInvoke writes an Invoke. The caller's node is "" if that is the one that sends it.
func appendInvoke(node, by string, weak bool, hub string, body []byte) []byte {
	frame := fields.AppendText(fields.AppendText([]byte{byte(opInvoke)}, node), by)
	frame = fields.AppendText(append(frame, bit(weak)), hub)
	return append(frame, body...)
}

// answered tells the client's node that nobody waits for its answer any more.
func (c *resultCall) answered() {
	if c.node != nil {
		c.node.Send(fields.AppendText(fields.AppendText([]byte{byte(opAnswered)}, c.key.hub), c.key.id))
	}
}

// nodeGoneText answers an invocation of a client whose node is not there any more.
const nodeGoneText = "The gateway node of the connection is gone."

// answerElsewhere gives what the hub server answers to the node of its client. False means that the
// client is none of another node.
func (sc *serverConn) answerElsewhere(connection string) (passed bool) {
	rc := sc.clients.remote(connection)
	if rc == nil {
		return false
	}
	frame := append(appendAnswering([]byte{byte(opAnswer)}, sc.asAnswering()), sc.reader.body...)
	if !sc.waitForLink(rc.way.Load().link, len(frame)) {
		rc.drop() // the caller hears that its client has ended
		return true
	}
	sc.b.gw.InOrder(func() {
		h := sc.clients.handing(connection)
		if h != nil {
			h.say(opAnswer, frame[1:])
		} else if rc = sc.clients.remote(connection); rc != nil {
			rc.way.Load().link.Send(frame)
		}
		passed = rc != nil
	})
	return passed
}

func appendAnswering(dst []byte, by answeredBy) []byte {
	return fields.AppendText(fields.AppendText(dst, by.server), by.hub)
}

// remoteCaller is a node whose hub server has invoked a client of this one.
type remoteCaller struct {
	link *peerLink
	weak bool
}

// answer implements caller.
func (c remoteCaller) answer(call *resultCall, m sp.Message) {
	c.link.reply(call.key.hub, m)
}

// mapped implements caller.
func (c remoteCaller) mapped(m *sp.ServiceMapping, call *resultCall) {
	if !c.weak {
		c.link.reply(call.key.hub, m)
	}
}

// reply sends a message with its length in front.
func (l *peerLink) reply(hub string, m sp.Message) {
	l.Send(m.Append(fields.AppendText([]byte{byte(opReply)}, hub)))
}

// heardOfResult takes what another node says about an invocation of a client by a hub server.
func (l *peerLink) heardOfResult(op peerOp, r *fields.Reader) error {
	switch op {
	case opInvoke:
		return l.heardInvoke(r)
	case opAnswer:
		return l.b.results.heardAnswer(r, l.decoder)
	case opReply:
		return l.heardReply(r)
	case opMoved:
		return l.heardMoved(r)
	}
	key := resultKey{r.Text(maxPeerText), r.Text(maxPeerText)}
	if err := malformed(r); err != nil {
		return err
	}
	l.b.results.forget(key, l)
	return nil
}

// heardInvoke invokes a client of this node for a hub server of the peer.
func (l *peerLink) heardInvoke(r *fields.Reader) error {
	node, by, weak, hub := r.Text(maxPeerText), r.Text(maxPeerText), r.Uvarint(1) == 1, r.Text(maxPeerText)
	if err := malformed(r); err != nil {
		return err
	}
	m, err := l.decoder.Decode(r.Rest)
	invocation, ok := m.(*sp.ClientInvocation)
	if err != nil || !ok {
		return errPeer
	}
	if node == "" {
		if owner := l.b.peers.named(l.b.gw.Elsewhere(invocation.ConnectionID)); owner != nil && owner != l &&
			owner.Send(appendInvoke(l.Name(), by, weak, hub, r.Rest)) {
			l.tellMoved(resultKey{hub, invocation.InvocationID}, owner.Name())
			return nil
		}
	} else if node == l.b.opts.Node {
		if call := l.b.results.invokedElsewhere(resultKey{hub, invocation.InvocationID}); call != nil {
			l.b.results.askOrRefuse(invocation, call, by)
		}
		return nil
	} else if l = l.b.peers.named(node); l == nil {
		return nil // who has asked is not there any more
	}
	call := &resultCall{key: resultKey{hub, invocation.InvocationID}, connection: invocation.ConnectionID,
		caller: remoteCaller{l, weak}, callerID: invocation.CallerServerID,
		until: time.Now().Add(l.b.opts.Limits().ClientResult)}
	if call.callerID == "" {
		call.callerID = by
	}
	l.b.results.askOrRefuse(invocation, call, by)
	return nil
}

func (t *resultTable) askOrRefuse(m *sp.ClientInvocation, call *resultCall, by string) {
	if text := t.ask(m, call, by); text != "" {
		t.refuse(call, text)
	}
}

// heardAnswer takes what a hub server of the peer answers for a client of this node.
func (t *resultTable) heardAnswer(r *fields.Reader, d *sp.Decoder) error {
	by := answeredBy{server: r.Text(maxPeerText), hub: r.Text(maxPeerText)}
	if err := malformed(r); err != nil {
		return err
	}
	m, err := d.Decode(r.Rest)
	if err != nil {
		return errPeer
	}
	switch m := m.(type) {
	case *sp.ClientCompletion:
		if !t.completed(by, m) && len(m.Payload) > 0 {
			t.b.counts.lose(LossUnexpected) // too late, or nobody asked
		}
	case *sp.ErrorCompletion:
		t.failed(by, m)
	default:
		return errPeer
	}
	return nil
}

// heardReply takes what the node of a client says to a hub server of this one that has invoked it.
func (l *peerLink) heardReply(r *fields.Reader) error {
	hub := r.Text(maxPeerText)
	body, _, err := sp.Cut(r.Rest, len(r.Rest))
	if err != nil || body == nil || r.Failed {
		return errPeer
	}
	m, err := l.decoder.Decode(body)
	if err != nil {
		return errPeer
	}
	t := &l.b.results
	switch m := m.(type) {
	case *sp.ServiceMapping:
		if call := t.find(resultKey{hub, m.InvocationID}, l); call != nil {
			call.caller.mapped(m, call)
		}
	case *sp.ClientCompletion:
		t.replied(resultKey{hub, m.InvocationID}, l, m)
	case *sp.ErrorCompletion:
		t.replied(resultKey{hub, m.InvocationID}, l, m)
	default:
		return errPeer
	}
	return nil
}

// heardMoved notes which node has an invocation that the home of the client has passed on.
func (l *peerLink) heardMoved(r *fields.Reader) error {
	key, owner := resultKey{r.Text(maxPeerText), r.Text(maxPeerText)}, r.Text(maxPeerText)
	if err := malformed(r); err != nil {
		return err
	}
	t, to := &l.b.results, l.b.peers.named(owner)
	t.mu.Lock()
	call := t.calls[key]
	if call == nil || call.node != l && (call.node == nil || owner != l.Name()) {
		t.mu.Unlock()
		return nil // it has been answered, or the owner was faster
	}
	if call.node = to; to == nil {
		t.removeLocked(call)
	}
	t.mu.Unlock()
	if to == nil {
		t.refuse(call, nodeGoneText)
	}
	return nil
}

// find returns an invocation of a client of that node. Whoever answers for a client has it.
func (t *resultTable) find(key resultKey, node *peerLink) *resultCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	call := t.calls[key]
	if call == nil || call.node == nil {
		return nil
	}
	call.node = node
	return call
}

// forget ends an invocation by a hub server of that node, which waits no more.
func (t *resultTable) forget(key resultKey, node *peerLink) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if call := t.calls[key]; call != nil {
		if by, ok := call.caller.(remoteCaller); ok && by.link == node {
			t.removeLocked(call)
		}
	}
}

// replied ends an invocation of a client of that node, which knows.
func (t *resultTable) replied(key resultKey, node *peerLink, m sp.Message) {
	t.mu.Lock()
	call := t.calls[key]
	if call == nil || call.node == nil {
		t.mu.Unlock()
		return
	}
	call.node = node
	t.removeLocked(call)
	t.mu.Unlock()
	call.caller.answer(call, m)
}

// nodeGone follows the end of a node: its clients answer nobody, and its hub servers wait no more.
func (t *resultTable) nodeGone(l *peerLink) {
	for _, call := range t.takeAll(func(c *resultCall) bool { return c.node == l }) {
		t.refuse(call, nodeGoneText)
	}
	t.takeAll(func(c *resultCall) bool {
		by, ok := c.caller.(remoteCaller)
		return ok && by.link == l
	})
}
