package hubserver

import (
	"context"
	"net/http"
	"net/url"
)

// Context is what a method of a hub is called with: who calls, and for how long. As a
// context.Context given to sends it keeps them in order with each other. Its methods may
// be called concurrently, and it may be kept after the call.
type Context struct {
	context.Context

	session *session
}

// sessionKey is the key of the *session in a Context.
type sessionKey struct{}

func newContext(parent context.Context, s *session) *Context {
	return &Context{context.WithValue(parent, sessionKey{}, s), s}
}

// sessionOf returns the client whose call ctx belongs to, nil if it belongs to none.
func sessionOf(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey{}).(*session)
	return s
}

// Hub returns the hub.
func (c *Context) Hub() *Hub { return c.session.pool.hub }

// ConnectionID returns the id of the client's connection.
func (c *Context) ConnectionID() string { return c.session.id }

// User returns the client's user id, empty for an anonymous client.
func (c *Context) User() string { return c.session.opened.user }

// Claims returns the claims of the client's token but for those that concern the gateway
// and the token itself. They must not be changed.
func (c *Context) Claims() Claims { return c.session.opened.claims }

// Query returns the query of the client's request, with the items that the application's
// negotiate request had. It must not be changed.
func (c *Context) Query() url.Values { return c.session.opened.query }

// Header returns the header of the client's request as the gateway tells it. It must not
// be changed.
func (c *Context) Header() http.Header { return c.session.opened.header }

// Protocol returns the name of the client's hub protocol.
func (c *Context) Protocol() string { return c.session.speaks() }

// MigratedFrom returns the id of the hub server that the client comes from, empty for a
// client that is new.
func (c *Context) MigratedFrom() string { return c.session.opened.migratedFrom }

// Caller returns the client.
func (c *Context) Caller() Client { return c.Hub().Clients().Client(c.session.id) }

// Others returns all clients of the hub but this one.
func (c *Context) Others() Receivers { return c.Hub().Clients().AllExcept(c.session.id) }

// OthersInGroup returns all clients of the group but this one.
func (c *Context) OthersInGroup(group string) Receivers {
	return c.Hub().Clients().GroupExcept(group, c.session.id)
}

// Join adds the client to a group, and returns when it is in.
func (c *Context) Join(group string) error {
	return c.Hub().Groups().Add(c, c.session.id, group)
}

// Leave removes the client from a group.
func (c *Context) Leave(group string) error {
	return c.Hub().Groups().Remove(c, c.session.id, group)
}

// Abort closes the client, which will not reconnect by itself.
func (c *Context) Abort() { c.session.end(ending{cause: ErrAborted}) }
