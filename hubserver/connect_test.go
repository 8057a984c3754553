package hubserver

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestConnections(t *testing.T) {
	t.Run("a lost connection is replaced at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			time.Sleep(time.Minute / 30)
			before := time.Now()
			p.socket.Close()
			again := g.peer()
			require.Equal(t, before, time.Now())
			require.NotEqual(t, p.request.URL.Query().Get("cid"), again.request.URL.Query().Get("cid"))
		})
	})
	for name, refuse := range map[string]func(*fakeGateway){
		"refused with a status":    func(g *fakeGateway) { g.refuse(401, "") },
		"refused by the handshake": func(g *fakeGateway) { g.refuse(0, "no") },
	} {
		t.Run(name+": longer and longer pauses, one for all", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := serve(t, NewHub("chat"), func(s *Server) { s.Connections = 3 })
				peers := []*peer{g.peer(), g.peer(), g.peer()}
				time.Sleep(5 * time.Second)
				refuse(g)
				start := time.Now()
				for _, p := range peers {
					p.socket.Close()
				}
				time.Sleep(5 * time.Minute)
				g.mu.Lock()
				after := slices.Clone(g.attempts)[3:]
				g.mu.Unlock()
				// Those that have ended before the first retry failed retry at once too.
				atOnce := slices.IndexFunc(after, func(at time.Time) bool { return at.After(start) })
				require.Positive(t, atOnce)
				after = after[atOnce:]
				last := start
				for i, pause := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
					took := after[i].Sub(last)
					require.GreaterOrEqual(t, took, time.Duration(pause)*time.Second)
					require.Less(t, took, time.Duration(pause+1)*time.Second)
					last = after[i]
				}
				g.refuse(0, "")
				g.peer()
				back := time.Now()
				g.peer()
				g.peer()
				require.Equal(t, back, time.Now(), "the others follow at once")
			})
		})
	}
	t.Run("a gateway that accepts and drops is not asked in a loop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			for range 3 {
				g.peer().socket.Close()
			}
			g.peer()
			require.GreaterOrEqual(t, g.attempts[3].Sub(g.attempts[0]), 3*time.Second)
		})
	})
	t.Run("further connection on demand", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, _ := serve(t, NewHub("chat"))
			p := g.peer()
			p.send(serviceprotocol.TargetPing("node b"), serviceprotocol.TargetPing("node b"))
			further := g.peer()
			require.Equal(t, "node b", further.request.URL.Query().Get("target"))
			require.Equal(t, "0796010101a00180", hex.EncodeToString(further.hello))
			further.socket.Close()
			synctest.Wait()
			require.Empty(t, g.peers, "it is not replaced, and was asked for once")
		})
	})
}

func TestTheRequestOfAConnection(t *testing.T) {
	t.Run("request and handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g, server := serve(t, NewHub("Chat"), func(s *Server) { s.Connections, s.ApplicationName = 0, "App" })
			require.NoError(t, server.Ready(t.Context()))
			cids := map[string]bool{}
			verifier := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret {
				return []auth.Secret{"0123456789012345678901234567890123456789"}
			}})
			for range DefaultConnections {
				p := g.peer()
				require.Equal(t, "/server/", p.request.URL.Path)
				require.Equal(t, "app_chat", p.request.URL.Query().Get("hub"))
				cids[p.request.URL.Query().Get("cid")] = true
				token, ok := auth.BearerToken(p.request.Header)
				require.True(t, ok)
				claims, err := verifier.Server(token, "app_chat")
				require.NoError(t, err)
				require.Equal(t, "here", claims.ServerID)
				require.Equal(t, "here", p.request.Header.Get("X-ASRS-Server-Id"))
				require.Equal(t, "0796010100a00180", hex.EncodeToString(p.hello))
			}
			require.Len(t, cids, DefaultConnections)
		})
	})
	t.Run("wrong fields", func(t *testing.T) {
		hub := NewHub("chat")
		misnamed := newTestServer(hub)
		misnamed.ApplicationName = "1"
		for text, server := range map[string]*Server{
			"connection string": NewServer(ConnectionString{}, hub),
			"name of a hub":     newTestServer(NewHub("my-hub")),
			"application name":  misnamed,
			"without hubs":      newTestServer(),
			"served already":    newTestServer(hub, hub),
		} {
			require.ErrorContains(t, server.Serve(t.Context()), text)
		}
		require.Nil(t, hub.pool.Load())
	})
}

// keepAwake pings a hub server as gateways do.
func keepAwake(p *peer) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.send(&serviceprotocol.Ping{})
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func nowhere(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
