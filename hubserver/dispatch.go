package hubserver

import (
	"fmt"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// dispatch handles a message from the gateway, which is only valid until it returns. It
// must not wait: all clients of the connection would.
func (l *link) dispatch(m serviceprotocol.Message) {
	p := l.pool
	switch m := m.(type) {
	case *serviceprotocol.Ping:
		l.ping(m)
	case *serviceprotocol.OpenConnection:
		p.open(l, m)
	case *serviceprotocol.CloseConnection:
		l.closed(m)
	case *serviceprotocol.ConnectionData:
		if s := p.session(m.ConnectionID); s != nil && s.link == l {
			s.data(m.Payload)
		} else {
			l.log.Debug("data of an unknown client", "connection", m.ConnectionID)
		}
	case *serviceprotocol.Ack:
		p.acks.answered(m)
	case *serviceprotocol.ClientInvocation:
		p.results.expect(l, m)
	case *serviceprotocol.ClientCompletion:
		p.results.brought(m)
	case *serviceprotocol.ErrorCompletion:
		p.results.failed(m.InvocationID, fmt.Errorf("gateway: %s", m.Error))
	case *serviceprotocol.ServiceMapping:
		p.results.mapped(m)
	case *serviceprotocol.ServiceError:
		if m.Message != "" {
			l.log.Warn("gateway ends the connection", "error", m.Message)
			p.unlist(l)
		}
	case *serviceprotocol.ServiceEvent:
		l.log.Warn("notice of the gateway", "id", m.ID, "message", m.Message)
	default:
		l.log.Debug("message from the gateway ignored", "type", m.Type())
	}
}

// closed ends a client that has left the gateway or goes on at another hub server.
func (l *link) closed(m *serviceprotocol.CloseConnection) {
	s := l.pool.session(m.ConnectionID)
	if s == nil || s.link != l {
		return
	}
	e := ending{silent: true}
	if _, migrated := serviceprotocol.HeaderValue(m.Headers, serviceprotocol.HeaderMigrateTo); migrated {
		e.cause = ErrMigrated
	}
	s.end(e)
}

// ping does what a ping asks for. An echo goes back before anything else is looked at.
func (l *link) ping(m *serviceprotocol.Ping) {
	if m.Echo() {
		l.out.put(m)
	}
	if instance, ok := m.Offline(); ok {
		l.pool.offline(l, instance)
	}
	if m.FinAck() {
		l.finOnce.Do(func() { close(l.finished) })
	}
	if active, ok := m.Status(); ok {
		l.pool.active.Store(active)
	}
	if target, ok := m.Target(); ok {
		l.pool.demand(target)
	}
}
