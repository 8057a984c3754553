// Package modes chooses the application behind each hub by the hub's service mode: hub servers,
// webhooks, or for a client of a Classic hub without a hub server nobody.
package modes

import (
	"errors"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Mode is the service mode of a hub.
type Mode string

const (
	// Default gives clients to hub servers and refuses them while there is none.
	Default Mode = "default"
	// Serverless gives clients to webhooks and refuses hub servers.
	Serverless Mode = "serverless"
	// Classic decides for each client when it connects: a hub server if one is there, else nobody,
	// and then its invocations are answered with errors.
	Classic Mode = "classic"
)

// Servers are the hub servers of all hubs.
type Servers interface {
	gateway.Backend
	// Owns reports whether the session is one of theirs.
	Owns(s gateway.Session) bool
	// RulesChanged ends the connections of hub servers that may not be there any more.
	RulesChanged()
}

// Options are what a Backend is made of.
type Options struct {
	// Mode returns a hub's service mode by its key; it is asked for each client, concurrently. Call
	// Changed when an answer changes.
	Mode func(hub string) Mode
	// Servers is required. Webhooks is the application of Serverless hubs; nil refuses their clients.
	Servers  Servers
	Webhooks gateway.Backend
}

// Backend is a gateway.Backend. All methods may be called concurrently, but Use comes first.
type Backend struct {
	opts       Options
	gw         *gateway.Gateway
	unanswered atomic.Uint64
}

// New returns a Backend. It panics without Servers or Mode.
func New(opts Options) *Backend {
	if opts.Servers == nil || opts.Mode == nil {
		panic("modes: Options need Servers and Mode")
	}
	return &Backend{opts: opts}
}

// Use gives the Backend the gateway that was made with it.
func (b *Backend) Use(g *gateway.Gateway) { b.gw = g }

// Unanswered counts the invocations of Classic clients without a hub server, which got an error.
func (b *Backend) Unanswered() uint64 { return b.unanswered.Load() }

// Supports implements gateway.Backend. Accept looks closer: it knows the hub.
func (b *Backend) Supports(protocol string) bool {
	return b.opts.Servers.Supports(protocol) || b.opts.Webhooks != nil && b.opts.Webhooks.Supports(protocol)
}

// Accept gives a client to the application that its hub's mode says.
func (b *Backend) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	mode := b.opts.Mode(c.Identity().Hub)
	if mode == Serverless {
		return b.acceptServerless(c, h)
	}
	if err := h.Check(b.opts.Servers.Supports); err != nil {
		return nil, err
	}
	session, err := b.opts.Servers.Accept(c, h)
	var cause gateway.Cause
	if errors.As(err, &cause) && cause.Reason == gateway.CloseNoAvailableServerConnection &&
		mode == Classic && hubprotocol.Supported(h.Protocol) {
		return &idleSession{b: b, conn: c}, nil
	}
	return session, err
}

func (b *Backend) acceptServerless(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	if b.opts.Webhooks == nil {
		return nil, gateway.Cause{Reason: gateway.CloseNoAvailableServerConnection, Text: "The hub has no application."}
	}
	if err := h.Check(b.opts.Webhooks.Supports); err != nil {
		return nil, err
	}
	return b.opts.Webhooks.Accept(c, h)
}

// Accepted implements gateway.AcceptObserver: the mode may have changed since Accept.
func (b *Backend) Accepted(c *gateway.Conn) { b.check(c) }

// Changed closes the connections, of clients and of hub servers, that are of a kind their hub no
// longer has. Clients may reconnect. Classic mode has all kinds.
func (b *Backend) Changed() {
	b.opts.Servers.RulesChanged()
	b.gw.Each(b.check)
}

var switched = gateway.Cause{
	Reason: gateway.CloseServiceModeSwitched, AllowReconnect: true, Text: "The service mode of the hub was switched.",
}

func (b *Backend) check(c *gateway.Conn) {
	s := c.Session()
	if s == nil {
		return // it has not been accepted yet, and is checked then
	}
	mode := b.opts.Mode(c.Identity().Hub)
	_, idle := s.(*idleSession)
	wrong := mode == Default // for webhooks
	switch {
	case b.opts.Servers.Owns(s):
		wrong = mode == Serverless
	case idle:
		wrong = mode != Classic
	}
	if wrong {
		c.Close(switched)
	}
}
