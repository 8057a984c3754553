package servermode

import (
	"time"

	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// Invocations of a client by hub servers that wait for its answer move with it. Those that come while it
// is handed over wait until it is known who has it.

// askedLater is an invocation of a client by a hub server that has come while the client was handed over.
type askedLater struct {
	body []byte
	call *resultCall
	by   string
}

// again asks the client, which is here.
func (a *askedLater) again(b *Backend) {
	m, _ := sp.Parse(a.body)
	if invocation, ok := m.(*sp.ClientInvocation); ok {
		b.results.askOrRefuse(invocation, a.call, a.by)
	}
}

// elsewhere asks the client at the node that has it now.
func (a *askedLater) elsewhere(b *Backend, node string) {
	if text := a.pass(b, b.peers.named(node)); text != "" {
		b.results.refuse(a.call, text)
	}
}

// pass passes the invocation on. It returns why it cannot, "" if it has.
func (a *askedLater) pass(b *Backend, to *peerLink) string {
	if to == nil {
		return nodeGoneText
	}
	hub := a.call.key.hub
	switch caller := a.call.caller.(type) {
	case *serverConn:
		a.call.node = to
		if text := b.results.add(a.call); text != "" {
			return text
		}
		to.Send(appendInvoke("", a.by, caller.peer.isWeak(), hub, a.body))
	case remoteCaller: // which may be the node that has the client now
		to.Send(appendInvoke(caller.link.Name(), a.by, caller.weak, hub, a.body))
		if caller.link != to {
			caller.link.tellMoved(a.call.key, to.Name())
		}
	}
	return ""
}

const (
	// maxAskedLater is how many invocations may wait for one client that is handed over, and maxAskedBytes
	// what they may take, in bytes.
	maxAskedLater = 1000
	maxAskedBytes = 4 << 20
)

// later keeps an invocation of a client that is handed over. It returns why it cannot, "" if it has. Called
// with the session's lock held.
func (p *parked) later(m *sp.ClientInvocation, call *resultCall, by string) string {
	body, _, _ := sp.Cut(m.Append(nil), 1<<30)
	if len(p.asked) >= maxAskedLater || p.askedBytes+len(body) > maxAskedBytes {
		return "Too many invocations wait for the client."
	}
	p.askedBytes += len(body)
	p.asked = append(p.asked, askedLater{body: body, call: call, by: by})
	return ""
}

// handed lists the invocations of a client of this node that wait for its answer.
func (t *resultTable) handed(id string) (list []handedResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for call := range t.byConn[id] {
		if call.node != nil {
			continue // another node has it
		}
		r := handedResult{id: call.key.id, node: t.b.opts.Node, caller: call.callerID, left: time.Until(call.until)}
		if by, ok := call.caller.(remoteCaller); ok {
			r.node, r.weak = by.link.Name(), by.weak
		}
		list = append(list, r)
	}
	return list
}

// resume notes the invocations of a client that was handed over to this node.
func (t *resultTable) resume(s *session, h *handedSession) {
	for i := range h.results {
		r := &h.results[i]
		key := resultKey{s.hub(), r.id}
		if r.node == t.b.opts.Node {
			t.mu.Lock()
			if call := t.calls[key]; call != nil && call.connection == s.id() {
				call.node, call.owner = nil, h.server
			}
			t.mu.Unlock()
			continue
		}
		if by := t.b.peers.named(r.node); by != nil {
			t.add(&resultCall{key: key, connection: s.id(), caller: remoteCaller{by, r.weak}, callerID: r.caller,
				owner: h.server, until: time.Now().Add(r.left)})
		}
	}
}

// tellResumed tells the nodes of those who have invoked a client that this node has it.
func (t *resultTable) tellResumed(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for call := range t.byConn[id] {
		if by, ok := call.caller.(remoteCaller); ok && call.node == nil {
			by.link.tellMoved(call.key, t.b.opts.Node)
		}
	}
}

// tellMoved tells the node of a caller which node has its invocation.
func (l *peerLink) tellMoved(key resultKey, owner string) {
	l.Send(fields.AppendText(fields.AppendText(fields.AppendText([]byte{byte(opMoved)}, key.hub), key.id), owner))
}

// moved forgets the invocations of a client that another node has, which decides about them. It is nil if
// that is not there: then nobody answers.
func (t *resultTable) moved(id string, to *peerLink) {
	t.mu.Lock()
	var lost []*resultCall
	for call := range t.byConn[id] {
		if call.node != nil {
			continue
		}
		if _, here := call.caller.(*serverConn); here && to != nil {
			call.node = to
			continue
		} else if here {
			lost = append(lost, call)
		}
		t.removeLocked(call)
	}
	t.mu.Unlock()
	for _, call := range lost {
		t.refuse(call, nodeGoneText)
	}
}

// invokedElsewhere takes an invocation by a hub server of this node back, which another node has passed on
// to the node that has the client now: this one. It returns nil if nobody waits any more.
func (t *resultTable) invokedElsewhere(key resultKey) *resultCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	call := t.calls[key]
	if call == nil || call.node == nil {
		return nil
	}
	t.removeLocked(call)
	call.node = nil
	return call
}
