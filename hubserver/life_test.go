package hubserver

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("Chat")
		seen := make(chan *Context, 1)
		hub.OnConnected(func(ctx *Context) error { seen <- ctx; return nil })
		g, _ := serve(t, hub)
		g.peer().open("C1", func(m *serviceprotocol.OpenConnection) {
			nameIdentifier := auth.LongClaimType("nameid")
			role := "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
			m.Claims = []serviceprotocol.Claim{{Type: "aud", Value: "x"}, {Type: "asrs.s.aut", Value: "x"},
				{Type: nameIdentifier, Value: "u0"}, {Type: "asrs.s.uid", Value: "u1"},
				{Type: role, Value: "a"}, {Type: role, Value: "b"}, {Type: "asrs.u.exp", Value: "never"}}
			m.Headers = []serviceprotocol.Header{{Name: "x-forwarded-for", Values: []string{"10.0.0.9"}}, {Name: "Cookie", Values: []string{"a", "b"}}}
			m.Query = "?hub=chat&room=a%20b&room=c"
		})
		ctx := <-seen
		require.Equal(t, "C1", ctx.ConnectionID())
		require.Equal(t, "u1", ctx.User())
		require.Equal(t, []string{"a", "b"}, ctx.Claims().Values("role"))
		require.Equal(t, "u0", ctx.Claims().Get("nameid"))
		require.Equal(t, "never", ctx.Claims().Get("exp"))
		require.Len(t, ctx.Claims(), 4)
		require.Equal(t, []string{"a b", "c"}, ctx.Query()["room"])
		require.Equal(t, "10.0.0.9", ctx.Header().Get("X-Forwarded-For"))
		require.Equal(t, []string{"a", "b"}, ctx.Header()["Cookie"])
		require.Equal(t, "json", ctx.Protocol())
		require.Equal(t, hub, ctx.Hub())
		require.Equal(t, "Chat", hub.Name())
		require.Empty(t, ctx.MigratedFrom())
	})
	t.Run("user without the system claim", func(t *testing.T) {
		for _, name := range []string{"nameid", "sub", auth.LongClaimType("sub")} {
			require.Equal(t, "u", readOpened(&serviceprotocol.OpenConnection{Claims: []serviceprotocol.Claim{{Type: name, Value: "u"}}}).user)
		}
		require.Empty(t, readOpened(&serviceprotocol.OpenConnection{}).user)
	})
	t.Run("claims under both names count once", func(t *testing.T) {
		claims := Claims{{Type: "role", Value: "a"}, {Type: "role", Value: "b"}, {Type: auth.LongClaimType("role"), Value: "a"},
			{Type: auth.LongClaimType("role"), Value: "b"}, {Type: auth.LongClaimType("unique_name"), Value: "Ann"}}
		require.Equal(t, []string{"a", "b"}, claims.Values("role"))
		require.Equal(t, []string{"a", "b"}, claims.Values(auth.LongClaimType("role")))
		require.Equal(t, "Ann", claims.Get("name"))
		require.Empty(t, claims.Values("email"))
	})
}

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

func TestMigration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := methods()
		from := make(chan string, 1)
		hub.OnConnected(func(ctx *Context) error { from <- ctx.MigratedFrom(); return nil })
		g, _ := serve(t, hub)
		p := g.peer()
		c := p.opening("C1", "json", func(m *serviceprotocol.OpenConnection) {
			m.Headers = []serviceprotocol.Header{{Name: "Asrs-Migrate-From", Values: []string{"there"}}}
		})
		c.say(`{"type":1,"invocationId":"1","target":"add","arguments":[1,2]}`)
		c.hears(`{"type":3,"invocationId":"1","result":3}`)
		require.Equal(t, "there", <-from, "the handshake was not answered a second time")
	})
}

func TestShutdown(t *testing.T) {
	shutdown := func(server *Server, limit time.Duration, options ...ShutdownOption) <-chan error {
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			done <- server.Shutdown(ctx, options...)
		}()
		return done
	}
	fin := func(p *peer, want serviceprotocol.Fin) {
		p.wantPing(func(ping *serviceprotocol.Ping) bool {
			fin, ok := ping.Shutdown()
			require.True(p.t, !ok || fin == want)
			return ok
		})
	}
	gone := `{"type":7,"error":"The server is shutting down.","allowReconnect":true}`
	t.Run("plain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.OnDisconnected(func(ctx *Context, err error) {
				require.ErrorIs(t, err, ErrServerClosed)
				require.NoError(t, hub.Clients().All().Send(ctx, "bye"))
			})
			g, server := serve(t, hub)
			p := g.peer()
			c := p.open("C1")
			done := shutdown(server, time.Minute)
			fin(p, serviceprotocol.FinPlain)
			fin(p, serviceprotocol.FinPlain)
			p.send(serviceprotocol.FinAckPing())
			c.hearsClose(gone, "The server is shutting down.")
			want[*serviceprotocol.BroadcastData](p)
			require.NoError(t, <-done)
			p.wantEnd()
			require.ErrorIs(t, server.Serve(t.Context()), ErrServerClosed)
			require.NoError(t, server.Shutdown(t.Context()), "again")
		})
	})
	for name, mode := range map[string]struct {
		option ShutdownOption
		fin    serviceprotocol.Fin
	}{"wait": {AwaitClients(), serviceprotocol.FinKeep}, "migrate": {MigrateClients(), serviceprotocol.FinMigrate}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				release := make(chan struct{})
				hub.Handle("wait", func(*Context) { <-release })
				g, server := serve(t, hub)
				p := g.peer()
				c, moved := p.open("C1"), p.open("C2")
				done := shutdown(server, time.Minute, mode.option)
				fin(p, mode.fin)
				p.send(serviceprotocol.FinAckPing())
				c.say(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`)
				moved.leave(serviceprotocol.Header{Name: serviceprotocol.HeaderMigrateTo, Values: []string{"there"}})
				synctest.Wait()
				require.Empty(t, done, "a client is left")
				require.Empty(t, p.messages, "who has moved is told nothing")
				close(release)
				c.hears(`{"type":3,"invocationId":"1"}`)
				c.leave()
				require.NoError(t, <-done)
				p.wantEnd()
			})
		})
		t.Run(name+" for too long", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, server := serve(t, NewHub("chat"))
				p := g.peer()
				c := p.open("C1")
				done := shutdown(server, 20*time.Second, mode.option)
				for range 4 {
					fin(p, mode.fin)
				}
				require.ErrorIs(t, <-done, context.DeadlineExceeded)
				c.hears(`{"type":6}`)
				c.hearsClose(gone, "The server is shutting down.")
				p.wantEnd()
			})
		})
	}
	t.Run("connections are not replaced", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, server := serve(t, NewHub("chat"))
			p := g.peer()
			p.open("C1")
			done := shutdown(server, time.Minute, AwaitClients())
			fin(p, serviceprotocol.FinKeep)
			p.socket.Close()
			require.NoError(t, <-done)
			require.Len(t, g.attempts, 1)
		})
	})
	t.Run("end of the context of Serve", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			ctx, cancel := context.WithCancelCause(t.Context())
			server := newTestServer(hub)
			server.DialContext = nowhere
			done := make(chan error, 1)
			go func() { done <- server.Serve(ctx) }()
			time.Sleep(time.Minute)
			cause := errors.New("enough")
			cancel(cause)
			require.ErrorIs(t, <-done, cause)
			require.ErrorIs(t, server.Ready(ctx), cause)
		})
	})
}

func nowhere(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
