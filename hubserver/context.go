package hubserver

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
)

// Context is the first argument of every handler. It tells which client calls, and ends with
// the call. Give it to every Send of the call: messages that are sent with one Context arrive
// in order.
//
// A Context may be used concurrently, and kept after the call.
type Context struct {
	context.Context

	session *session
}

// sessionKey is the key of the *session in a Context.
type sessionKey struct{}

func newContext(parent context.Context, s *session) *Context { return &Context{parent, s} }

// sessionOf returns the client whose call ctx belongs to, nil if it belongs to none.
func sessionOf(ctx context.Context) *session {
	s, _ := ctx.Value(sessionKey{}).(*session)
	return s
}

// WithContext returns a Context of the same client that ends with ctx and has its values.
// Middleware uses it to hand on a context with a deadline, a trace or a value; ctx should be
// derived from c.
func (c *Context) WithContext(ctx context.Context) *Context { return &Context{ctx, c.session} }

// Set stores a value for the client under a key, until the client has gone and OnDisconnected
// has returned. All calls of the client find it with Value; other clients do not. The key
// should have a type of its own, as with context.WithValue. A nil value removes the key.
//
// Set and Value may be called concurrently. Where calls of one client run in parallel, store a
// pointer to something that has its own lock. A client that moves to another hub server loses
// its values.
func (c *Context) Set(key, value any) {
	if value == nil {
		c.session.values.Delete(key)
		return
	}
	c.session.values.Store(key, value)
}

// Value returns what Set has stored for the client under the key. If there is nothing, it
// returns the value of the underlying context.
func (c *Context) Value(key any) any {
	if key == (sessionKey{}) {
		return c.session
	}
	if value, ok := c.session.values.Load(key); ok {
		return value
	}
	return c.Context.Value(key)
}

// Hub returns the hub.
func (c *Context) Hub() *Hub { return c.session.pool.hub }

// ConnectionID returns the id of the client's connection.
func (c *Context) ConnectionID() string { return c.session.id }

// User returns the client's user id. It is empty for an anonymous client.
func (c *Context) User() string { return c.session.opened.user }

// Claims returns the claims of the client's token, without those that concern the gateway or
// the token itself. They must not be changed.
func (c *Context) Claims() Claims { return c.session.opened.claims }

// Query returns the query of the client's request to the gateway. It includes the items of the
// negotiate request. It must not be changed.
func (c *Context) Query() url.Values { return c.session.opened.query }

// Header returns the headers of the client's request to the gateway. They must not be changed.
func (c *Context) Header() http.Header { return c.session.opened.header }

// Protocol returns the name of the client's hub protocol: "json" or "messagepack".
func (c *Context) Protocol() string { return c.session.speaks() }

// MigratedFrom returns the id of the hub server that the client was moved from. It is empty
// for a client that has connected anew.
func (c *Context) MigratedFrom() string { return c.session.opened.migratedFrom }

// Caller returns the client.
func (c *Context) Caller() Client { return c.Hub().Clients().Client(c.session.id) }

// Others addresses every client of the hub except this one.
func (c *Context) Others() Receivers { return c.Hub().Clients().AllExcept(c.session.id) }

// OthersInGroup addresses every client of a group except this one.
func (c *Context) OthersInGroup(group string) Receivers {
	return c.Hub().Clients().InGroupExcept(group, c.session.id)
}

// Join adds the client to a group. It returns when the client is a member.
func (c *Context) Join(group string) error {
	return c.Hub().Groups().Add(c, c.session.id, group)
}

// Leave removes the client from a group. It returns when the client is no longer a member.
func (c *Context) Leave(group string) error {
	return c.Hub().Groups().Remove(c, c.session.id, group)
}

// Abort closes the client, which does not reconnect automatically.
func (c *Context) Abort() { c.session.end(ending{cause: ErrAborted}) }

// LogValue returns the hub, the connection and the user, for slog.
func (c *Context) LogValue() slog.Value {
	return slog.GroupValue(slog.String("hub", c.Hub().name), slog.String("connection", c.session.id),
		slog.String("user", c.session.opened.user))
}
