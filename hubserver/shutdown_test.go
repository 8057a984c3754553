package hubserver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

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
