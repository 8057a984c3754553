package servermode

import (
	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// Clients of webhooks, and those of Classic hubs that have nobody, have no hub server that would bring their
// answers. The core does (gateway.Conn.Await).

// askDirectly is ask for such a client.
func (t *resultTable) askDirectly(m *sp.ClientInvocation, call *resultCall, c *gateway.Conn) string {
	if !c.IsOpen() {
		return "The connection is not open."
	}
	frame := frameFor(m.Payloads, c.Protocol())
	if frame == nil {
		return "The invocation has no payload for the hub protocol of the connection."
	}
	call.direct = c
	if text := t.add(call); text != "" {
		return text
	}
	if err := c.Await(call.key.id, func(a gateway.Answer, err error) { t.answeredDirectly(call, a, err) }); err != nil {
		t.mu.Lock()
		t.removeLocked(call)
		t.mu.Unlock()
		return err.Error()
	}
	call.caller.mapped(&sp.ServiceMapping{InvocationID: call.key.id, ConnectionID: call.connection, InstanceID: t.b.opts.Node}, call)
	c.SendTraced(frame, tracingText(m.TracingID))
	return ""
}

// answeredDirectly takes what came of an invocation of such a client.
func (t *resultTable) answeredDirectly(call *resultCall, a gateway.Answer, err error) {
	t.mu.Lock()
	waits := t.calls[call.key] == call
	if waits {
		t.removeLocked(call)
	}
	t.mu.Unlock()
	switch {
	case !waits:
	case err != nil:
		t.refuse(call, err.Error())
	default:
		call.answer(&sp.ClientCompletion{InvocationID: call.key.id, ConnectionID: call.connection, CallerServerID: call.callerID,
			Protocol: a.Protocol, Payload: a.Frame})
	}
}
