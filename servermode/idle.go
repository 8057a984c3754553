package servermode

import (
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// idleSession is a client in Classic mode that connected while there was no hub
// server. It belongs to nobody for its whole life: it hears multicasts, and
// what it invokes is answered with an error.
type idleSession struct {
	b    *Backend
	conn *gateway.Conn
}

// Traits leave the handshake and the pings to the gateway.
func (s *idleSession) Traits() gateway.Traits { return gateway.Traits{RawRecords: true} }

// Opened implements gateway.Session. The mode may have changed since Accept.
func (s *idleSession) Opened() {
	if s.b.opts.Mode(s.conn.Identity().Hub) != ModeClassic {
		s.conn.Close(modeSwitched)
	}
}

// Received answers invocations and takes no notice of anything else.
func (s *idleSession) Received(r gateway.Record) (taken bool) {
	if r.HasID && (r.Type == hubprotocol.Invocation || r.Type == hubprotocol.StreamInvocation) {
		s.b.counts.lose(LossNoServer)
		id := plainID(s.conn.Protocol(), r.InvocationID, r.Body)
		s.conn.Send(hubprotocol.AppendCompletionError(nil, s.conn.Protocol(), id,
			"No hub server was connected when this client connected. Reconnect to reach one."))
	}
	return true
}

// Closed implements gateway.Session.
func (s *idleSession) Closed(gateway.Cause) {}

var modeSwitched = gateway.Cause{
	Reason: gateway.CloseServiceModeSwitched, AllowReconnect: true, Text: "The service mode of the hub was switched.",
}

// ModesChanged closes the connections, of clients and of hub servers, that are
// of a kind their hub no longer has. Clients may reconnect. Classic mode has
// all kinds.
func (b *Backend) ModesChanged() {
	for _, h := range b.hubs.all() {
		if b.opts.Mode(h.key) == ModeServerless {
			for _, sc := range h.strong() {
				sc.end(EndModeSwitched, nil)
			}
		}
	}
	b.gw.Each(func(c *gateway.Conn) {
		mode := b.opts.Mode(c.Identity().Hub)
		switch s := c.Session().(type) {
		case nil:
		case *session:
			if mode == ModeServerless {
				s.end(modeSwitched)
			}
		case *idleSession:
			if mode != ModeClassic {
				c.Close(modeSwitched)
			}
		default:
			if mode == ModeDefault {
				c.Close(modeSwitched)
			}
		}
	})
}
