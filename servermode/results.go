package servermode

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// resultTable holds the invocations of clients by hub servers that wait for the client's answer.
type resultTable struct {
	b *Backend

	mu      sync.Mutex
	calls   map[resultKey]*resultCall
	byConn  map[string]map[*resultCall]struct{}
	delayed []delayedError
}

type resultKey struct{ hub, id string }

// resultCall is one invocation of a client by a hub server.
type resultCall struct {
	key        resultKey
	connection string
	// caller is who asked, callerID the server id that it asked for. owner is the server id of the hub
	// server that has the client, if that is known.
	caller          caller
	callerID, owner string
	// node is that of the client if it is another one, which decides about the answer.
	node *peerLink
	// direct is a client without a hub server, which answers the gateway itself.
	direct *gateway.Conn
	until  time.Time
}

// caller is who has invoked a client: a server connection of this node, or another node for one of its.
type caller interface {
	// answer gives it what it waits for. The call is over then.
	answer(call *resultCall, m sp.Message)
	// mapped tells it where the client is, if it wants to know.
	mapped(m *sp.ServiceMapping, call *resultCall)
}

// delayedError is an error that is sent a little later. Hub servers note an invocation only after
// they have sent it, and would not know one that is answered at once (H72).
type delayedError struct {
	at   time.Time
	call *resultCall
	what sp.ErrorCompletion
}

const (
	errorDelay = 50 * time.Millisecond
	// maxResultCalls is how many invocations may wait, in all hubs together.
	maxResultCalls = 1 << 17
)

// invoke invokes a client for a hub server.
func (t *resultTable) invoke(sc *serverConn, m *sp.ClientInvocation) {
	call := &resultCall{
		key: resultKey{sc.peer.homes[0], m.InvocationID}, connection: m.ConnectionID,
		caller: sc, callerID: m.CallerServerID, until: time.Now().Add(sc.b.opts.Limits().ClientResult),
	}
	if call.callerID == "" {
		call.callerID = sc.peer.serverID
	}
	text := ""
	if node := sc.nodeOf(m.ConnectionID); node != nil {
		text = t.askNode(node, sc, call)
	} else {
		text = t.ask(m, call, sc.peer.serverID)
	}
	if text != "" {
		t.refuse(call, text)
	}
}

// ask sends the invocation to the client. It returns why it cannot, "" if it has. by is the server id
// of the connection that has asked.
func (t *resultTable) ask(m *sp.ClientInvocation, call *resultCall, by string) string {
	c, dead := t.b.gw.Lookup(m.ConnectionID)
	if c == nil || dead || c.Identity().Hub != call.key.hub {
		return "The connection does not exist."
	}
	s, ok := c.Session().(*session)
	if !ok {
		return t.askDirectly(m, call, c)
	}
	frame := frameFor(m.Payloads, c.Protocol())
	if frame == nil {
		return "The invocation has no payload for the hub protocol of the connection."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked != nil {
		return s.parked.later(m, call, by)
	}
	if s.state != stateOpen || s.server == nil {
		return "The connection is not open."
	}
	call.owner = s.server.name()
	if text := t.add(call); text != "" {
		return text
	}
	if s.server.name() != by {
		// The hub server that has the client must know of the invocation before the answer comes.
		s.server.invoke(m)
		call.caller.mapped(&sp.ServiceMapping{InvocationID: m.InvocationID, ConnectionID: m.ConnectionID,
			InstanceID: t.b.opts.Node}, call)
	}
	c.SendTraced(frame, tracingText(m.TracingID))
	return ""
}

// frameFor returns a copy of the payload for a client of the protocol, nil if there is none.
func frameFor(payloads sp.Payloads, protocol string) []byte {
	for _, p := range payloads {
		if len(p.Data) > 0 && strings.EqualFold(p.Protocol, protocol) {
			return bytes.Clone(p.Data)
		}
	}
	for _, p := range payloads {
		if len(p.Data) == 0 || !hubprotocol.Supported(strings.ToLower(p.Protocol)) {
			continue
		}
		frames, err := hubprotocol.NewFrames(map[string][]byte{p.Protocol: p.Data})
		if err != nil {
			continue
		}
		if frame, ok := frames.For(protocol); ok {
			return frame // converted, and so a copy
		}
	}
	return nil
}

// add adds an invocation. It returns why it cannot, "" if it has.
func (t *resultTable) add(call *resultCall) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.calls[call.key] != nil:
		return "The invocation id is in use."
	case len(t.calls) >= maxResultCalls:
		return "Too many invocations wait for the results of clients."
	}
	if t.calls == nil {
		t.calls = make(map[resultKey]*resultCall)
		t.byConn = make(map[string]map[*resultCall]struct{})
	}
	t.calls[call.key] = call
	if t.byConn[call.connection] == nil {
		t.byConn[call.connection] = make(map[*resultCall]struct{})
	}
	t.byConn[call.connection][call] = struct{}{}
	return ""
}

func (t *resultTable) removeLocked(call *resultCall) {
	delete(t.calls, call.key)
	if call.direct != nil {
		call.direct.Forget(call.key.id)
	}
	of := t.byConn[call.connection]
	if delete(of, call); len(of) == 0 {
		delete(t.byConn, call.connection)
	}
}

// takeAnswered removes the invocation that a hub server answers. It returns nil if there is none, or
// if it is not for this hub server to answer.
func (t *resultTable) takeAnswered(by answeredBy, id string) *resultCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	call := t.calls[resultKey{by.hub, id}]
	if call == nil || by.server != call.owner && by.server != call.callerID {
		return nil
	}
	t.removeLocked(call)
	return call
}

// answeredBy is a hub server that answers.
type answeredBy struct{ hub, server string }

func (sc *serverConn) asAnswering() answeredBy { return answeredBy{sc.peer.homes[0], sc.peer.serverID} }

// complete forwards a client's answer to the hub server that has invoked it. An answer without a
// payload says that this hub server has it already (H70, H71).
func (t *resultTable) complete(sc *serverConn, m *sp.ClientCompletion) {
	if !sc.answered(m.ConnectionID, func() bool { return t.completed(sc.asAnswering(), m) }) && len(m.Payload) > 0 {
		sc.b.counts.lose(LossUnexpected) // too late, or nobody asked
	}
}

// answered has the node that has the client take what its hub server answers. False means that nobody
// does.
func (sc *serverConn) answered(connection string, here func() bool) bool {
	return sc.answers(connection, here) || sc.answerElsewhere(connection) ||
		sc.clients.replaced.Load() > 0 && sc.answers(connection, here) // it came here meanwhile
}

// answers has this node look for the invocation that a hub server answers, or both owners of a client
// that is handed over. False means that this node has not found it.
func (sc *serverConn) answers(connection string, here func() bool) (found bool) {
	sc.b.gw.InOrder(func() {
		h := sc.clients.handing(connection)
		if found = h != nil; found {
			h.say(opAnswer, append(appendAnswering(nil, sc.asAnswering()), sc.reader.body...))
			return
		}
		found = here()
	})
	return found
}

// completed is complete for a hub server of any node. False means that it answers nothing.
func (t *resultTable) completed(by answeredBy, m *sp.ClientCompletion) bool {
	call := t.takeAnswered(by, m.InvocationID)
	if call == nil {
		return false
	}
	m.CallerServerID = call.callerID
	call.answer(m)
	return true
}

// fail forwards an error of the hub server that has the client to the one that has invoked it.
func (t *resultTable) fail(sc *serverConn, m *sp.ErrorCompletion) {
	sc.answered(m.ConnectionID, func() bool { return t.failed(sc.asAnswering(), m) })
}

func (t *resultTable) failed(by answeredBy, m *sp.ErrorCompletion) bool {
	call := t.takeAnswered(by, m.InvocationID)
	if call == nil {
		return false
	}
	m.CallerServerID = call.callerID
	if by.server == call.callerID {
		call.answered() // it knows
	} else {
		call.answer(m)
	}
	return true
}

// answer gives the caller an answer, and tells the client's node that nobody waits any more.
func (c *resultCall) answer(m sp.Message) {
	c.answered()
	c.caller.answer(c, m)
}

// answer implements caller: on this connection, or if it has ended on another one of its hub server.
// An answer without a payload says that the hub server has it already.
func (sc *serverConn) answer(call *resultCall, m sp.Message) {
	if done, ok := m.(*sp.ClientCompletion); ok && len(done.Payload) == 0 {
		return
	}
	if reason, _ := sc.endReason(); reason == "" {
		sc.out.put(m)
	} else if other := sc.b.hubs.byServerID(call.key.hub, call.callerID); other != nil {
		other.put(m)
	}
}

// mapped implements caller.
func (sc *serverConn) mapped(m *sp.ServiceMapping, _ *resultCall) {
	if sc.peer.kind != sp.KindWeak {
		sc.out.put(m)
	}
}

// refuse tells the hub server that has asked, a little later, that there will be no answer.
func (t *resultTable) refuse(call *resultCall, text string) {
	t.b.counts.lose(LossClientResult)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delayed = append(t.delayed, delayedError{at: time.Now().Add(errorDelay), call: call, what: sp.ErrorCompletion{
		InvocationID: call.key.id, ConnectionID: call.connection, CallerServerID: call.callerID, Error: text}})
}

func (t *resultTable) sendDelayed(now time.Time) {
	t.mu.Lock()
	n := 0
	for n < len(t.delayed) && !now.Before(t.delayed[n].at) {
		n++
	}
	due := t.delayed[:n:n]
	if t.delayed = t.delayed[n:]; len(t.delayed) == 0 {
		t.delayed = nil
	}
	t.mu.Unlock()
	for i := range due {
		due[i].call.answer(&due[i].what)
	}
}

// clientGone ends the invocations of a client that has left.
func (t *resultTable) clientGone(id string) {
	for _, call := range t.takeWhere(id, func(*resultCall) bool { return true }) {
		t.refuse(call, "The connection was closed before it answered.")
	}
}

// clientMoved notes that a client has moved, and tells its new hub server which invocations are open.
func (t *resultTable) clientMoved(id, from string, to hubServer) {
	// The old hub server ends its own invocations when it learns of the move.
	for _, call := range t.takeWhere(id, func(c *resultCall) bool { return c.callerID == from }) {
		t.refuse(call, "The connection has moved to another hub server.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for call := range t.byConn[id] {
		call.owner = to.name()
		if call.callerID != to.name() {
			to.invoke(&sp.ClientInvocation{InvocationID: call.key.id, ConnectionID: id, CallerServerID: call.callerID})
		}
	}
}

// serverGone forgets the invocations of a hub server that has no connection left.
func (t *resultTable) serverGone(sc *serverConn) {
	if sc.b.hubs.byServerID(sc.peer.homes[0], sc.peer.serverID) != nil {
		return
	}
	for _, call := range t.takeAll(func(c *resultCall) bool {
		return c.callerID == sc.peer.serverID && c.key.hub == sc.peer.homes[0]
	}) {
		call.answered()
	}
}

// takeAll removes and returns all such invocations.
func (t *resultTable) takeAll(want func(*resultCall) bool) (list []*resultCall) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, call := range t.calls {
		if want(call) {
			list = append(list, call)
			t.removeLocked(call)
		}
	}
	return list
}

func (t *resultTable) takeWhere(connection string, want func(*resultCall) bool) []*resultCall {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*resultCall
	for call := range t.byConn[connection] {
		if want(call) {
			list = append(list, call)
			t.removeLocked(call)
		}
	}
	return list
}

// expire ends invocations that the client has not answered in time.
func (t *resultTable) expire(now time.Time) {
	for _, call := range t.takeAll(func(c *resultCall) bool { return now.After(c.until) }) {
		t.refuse(call, "The client did not answer in time.")
	}
}
