// Package modes chooses the application of each client by the service mode of its hub: hub servers
// or webhooks. A client of a Classic hub that has no hub server gets no application. Clients of
// ASP.NET SignalR have hub servers in every mode but Serverless, which has none of them.
package modes

import (
	"errors"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Mode is the service mode of a hub.
type Mode string

const (
	// Default gives clients to hub servers. While there is none, clients are refused.
	Default Mode = "default"
	// Serverless calls webhooks for clients. Hub servers are refused.
	Serverless Mode = "serverless"
	// Classic gives a client to a hub server if there is one when the client connects. Otherwise the
	// client has no application, and its invocations are answered with errors.
	Classic Mode = "classic"
)

// Servers is the Backend of hub servers, as the choice by mode needs it.
type Servers interface {
	gateway.Backend
	// Owns reports whether this Backend has made the session.
	Owns(s gateway.Session) bool
	// Stateful reports whether the hub servers of a hub let its clients have stateful reconnect.
	Stateful(hub string) bool
	// Resumes reports whether a session that is handed over, whose state this is, was made by a Backend like
	// this one, which is a gateway.Resumer.
	Resumes(state []byte) bool
	// RulesChanged closes the connections of hub servers that the mode of their hub no longer allows.
	RulesChanged()
}

// Options configure a Backend.
type Options struct {
	// Mode returns the service mode of the hub with that key. It is required, and called for each
	// client, concurrently. Call Changed when an answer changes.
	Mode func(hub string) Mode
	// Servers serves clients of Default and Classic hubs. It is required.
	Servers Servers
	// Webhooks serves clients of Serverless hubs. Nil refuses them.
	Webhooks gateway.Backend
}

// Backend is the gateway.Backend that hands each client to the Backend of its hub's mode. Its methods
// may be called concurrently, but Use has to be called first.
type Backend struct {
	opts       Options
	gw         *gateway.Gateway
	unanswered atomic.Uint64
}

// New returns a Backend. It panics if Options have no Mode or no Servers.
func New(opts Options) *Backend {
	if opts.Servers == nil || opts.Mode == nil {
		panic("modes: Options need Servers and Mode")
	}
	return &Backend{opts: opts}
}

// Use tells the Backend its gateway.
func (b *Backend) Use(g *gateway.Gateway) { b.gw = g }

// Unanswered returns how many invocations of Classic clients without a hub server were answered with
// an error.
func (b *Backend) Unanswered() uint64 { return b.unanswered.Load() }

// Stateful reports whether clients of the hub that ask for stateful reconnect may have it: all may whose
// hub servers do not say otherwise.
func (b *Backend) Stateful(hub string) bool {
	return b.opts.Mode(hub) == Serverless || b.opts.Servers.Stateful(hub)
}

// Supports implements gateway.Backend. It is true if any mode supports the protocol; Accept, which
// knows the hub, decides.
func (b *Backend) Supports(protocol string) bool {
	return b.opts.Servers.Supports(protocol) || b.opts.Webhooks != nil && b.opts.Webhooks.Supports(protocol)
}

// Accept implements gateway.Backend: it gives the client to the Backend of its hub's mode.
func (b *Backend) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	mode := b.opts.Mode(c.Identity().Hub)
	if _, ok := hubname.Application(c.Identity().Hub); ok {
		return b.acceptAspNet(c, h, mode)
	}
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

// acceptAspNet accepts a client of ASP.NET SignalR. It needs a hub server: there are no webhooks for it,
// and without its application it can do nothing.
func (b *Backend) acceptAspNet(c *gateway.Conn, h gateway.Handshake, mode Mode) (gateway.Session, error) {
	if mode == Serverless {
		return nil, gateway.Cause{Reason: gateway.CloseNoAvailableServerConnection,
			Text: "The application is in Serverless mode, which ASP.NET SignalR does not have."}
	}
	return b.opts.Servers.Accept(c, h)
}

// Resume implements gateway.Resumer. A session is handed over only by nodes that have the same modes.
func (b *Backend) Resume(c *gateway.Conn, state []byte) (gateway.Session, error) {
	mode := b.opts.Mode(c.Identity().Hub)
	from, fits := b.opts.Webhooks, mode == Serverless
	switch {
	case b.opts.Servers.Resumes(state):
		from, fits = b.opts.Servers, mode != Serverless
	case string(state) == idleState:
		if mode != Classic {
			return nil, errNotResumed
		}
		return &idleSession{b: b, conn: c}, nil
	}
	if r, ok := from.(gateway.Resumer); ok && fits {
		return r.Resume(c, state)
	}
	return nil, errNotResumed
}

// Switch implements gateway.Follower.
func (b *Backend) Switch(s gateway.Switching) {
	if f, ok := b.opts.Servers.(gateway.Follower); ok {
		f.Switch(s)
	}
}

// Over implements gateway.Follower.
func (b *Backend) Over(number uint64, moved bool) {
	if f, ok := b.opts.Servers.(gateway.Follower); ok {
		f.Over(number, moved)
	}
}

var errNotResumed = errors.New("the mode of the hub is another one here")

// ExpectedGroups implements gateway.GroupExpecter: sessions of hub servers may have groups of their own.
func (b *Backend) ExpectedGroups(c *gateway.Conn) []string {
	if e, ok := b.opts.Servers.(gateway.GroupExpecter); ok && b.opts.Mode(c.Identity().Hub) != Serverless {
		return e.ExpectedGroups(c)
	}
	return nil
}

// Accepted implements gateway.AcceptObserver. The mode may have changed during Accept, when Changed
// could not see the client.
func (b *Backend) Accepted(c *gateway.Conn) { b.check(c) }

// Changed closes the connections of clients and hub servers that do not fit the mode of their hub.
// The clients may reconnect. In Classic mode all fit.
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
