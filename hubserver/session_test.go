package hubserver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestHandshake(t *testing.T) {
	for name, test := range map[string]struct{ says, hears string }{
		"unknown protocol": {`{"protocol":"blazorpack","version":1}`, `{"error":"The protocol 'blazorpack' is not supported."}`},
		"unknown version":  {`{"protocol":"json","version":9}`, `{"error":"The server does not support version 9 of the 'json' protocol."}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := serve(t, NewHub("chat"))
				p := g.peer()
				p.send(&serviceprotocol.OpenConnection{ConnectionID: "C1"})
				c := &fakeClient{peer: p, id: "C1"}
				c.say(test.says)
				c.hears(test.hears)
				require.Equal(t, "C1", want[*serviceprotocol.CloseConnection](p).ConnectionID)
			})
		})
	}
	t.Run("OnConnected runs before methods", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			release := make(chan struct{})
			hub.OnConnected(func(ctx *Context) error { <-release; return ctx.Caller().Send(ctx, "welcome") })
			hub.Handle("go", func(*Context) {})
			g, _ := serve(t, hub)
			p := g.peer()
			c := p.open("C1")
			c.say(`{"type":1,"invocationId":"1","target":"go","arguments":[]}`)
			synctest.Wait()
			require.Empty(t, p.messages)
			close(release)
			want[*serviceprotocol.MultiConnectionData](p)
			c.hears(`{"type":3,"invocationId":"1"}`)
		})
	})
	for text, err := range map[string]error{
		"Connection closed with an error.":         errors.New("secret"),
		"Connection closed with an error. Not you": Error("Not you"),
	} {
		t.Run("refused: "+text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				hub.OnConnected(func(*Context) error { return err })
				hub.OnDisconnected(func(*Context, error) { t.Error("it was never connected") })
				g, _ := serve(t, hub)
				g.peer().open("C1").hearsClose(`{"type":7,"error":"`+text+`"}`, text)
			})
		})
	}
}

func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(p *peer, c *fakeClient)
		why     error
		// record and text are what the client is told, if it is.
		record, text string
	}{
		"gateway says that it left": {happens: func(_ *peer, c *fakeClient) { c.leave() }},
		"moved elsewhere": {happens: func(_ *peer, c *fakeClient) {
			c.leave(serviceprotocol.Header{Name: "asrs-migrate-to", Values: []string{"there"}})
		}, why: ErrMigrated},
		"client closes":   {happens: func(_ *peer, c *fakeClient) { c.say(`{"type":7}`) }, record: `{"type":7}`},
		"connection lost": {happens: func(p *peer, _ *fakeClient) { p.socket.Close() }, why: ErrConnectionLost},
		"node lost":       {happens: func(p *peer, _ *fakeClient) { p.send(serviceprotocol.OfflinePing("a")) }, why: ErrConnectionLost},
		"all nodes lost":  {happens: func(p *peer, _ *fakeClient) { p.send(serviceprotocol.OfflinePing("")) }, why: ErrConnectionLost},
		"opened again": {happens: func(p *peer, c *fakeClient) {
			p.send(&serviceprotocol.OpenConnection{ConnectionID: c.id})
		}, why: ErrConnectionLost},
		"aborted": {happens: func(_ *peer, c *fakeClient) { c.say(`{"type":1,"target":"abort","arguments":[]}`) }, why: ErrAborted, record: `{"type":7}`},
		"closed by the hub": {happens: func(_ *peer, c *fakeClient) { c.say(`{"type":1,"target":"close","arguments":["out"]}`) },
			why: ErrAborted, record: `{"type":7,"error":"out"}`, text: "out"},
		"no record": {happens: func(_ *peer, c *fakeClient) { c.say("nope") },
			record: `{"type":7,"error":"Connection closed with an error. Error reading JSON."}`, text: "Connection closed with an error. Error reading JSON."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				why, cause := make(chan error, 1), make(chan error, 1)
				hub.Handle("wait", func(ctx *Context) error { <-ctx.Done(); cause <- context.Cause(ctx); return ctx.Err() })
				hub.Handle("abort", func(ctx *Context) { ctx.Abort() })
				hub.Handle("close", func(ctx *Context, text string) error { return ctx.Caller().Close(ctx, text) })
				hub.Parallel = 2
				hub.OnDisconnected(func(ctx *Context, err error) {
					require.NotEmpty(t, cause, "calls have ended before")
					require.NoError(t, ctx.Err())
					why <- err
				})
				g, _ := serve(t, hub)
				p := g.peer()
				c := p.open("C1", func(m *serviceprotocol.OpenConnection) {
					m.Headers = []serviceprotocol.Header{{Name: serviceprotocol.HeaderInstanceID, Values: []string{"a"}}}
				})
				c.say(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`)
				synctest.Wait()
				test.happens(p, c)
				if test.record != "" {
					c.hearsClose(test.record, test.text)
				}
				err := <-why
				switch {
				case test.why != nil:
					require.ErrorIs(t, err, test.why)
					require.ErrorIs(t, <-cause, test.why)
				case name == "no record":
					require.ErrorContains(t, err, "broke the protocol")
				default:
					require.NoError(t, err)
				}
				if name != "opened again" {
					c.say(`{"type":1,"invocationId":"2","target":"abort","arguments":[]}`)
				}
				synctest.Wait()
				for len(p.messages) > 0 {
					m, open := <-p.messages
					require.False(t, open, "it is told nothing more, but got %T", m)
					break
				}
			})
		})
	}
	t.Run("a record over the limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.MaxMessage = 100
			g, _ := serve(t, hub)
			c := g.peer().open("C1")
			c.raw(make([]byte, 101))
			c.hearsClose(`{"type":7,"error":"Connection closed with an error."}`, "Connection closed with an error.")
		})
	})
	t.Run("a panic of OnDisconnected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.OnDisconnected(func(*Context, error) { panic("x") })
			g, _ := serve(t, hub)
			p := g.peer()
			p.open("C1").leave()
			synctest.Wait()
			p.open("C1")
		})
	})
}
