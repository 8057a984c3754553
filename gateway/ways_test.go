package gateway_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// Ways through a connection's life that tests without the transports' own lives do not go.

const invocation = "{\"type\":1,\"invocationId\":\"7\",\"target\":\"a\",\"arguments\":[]}\x1e"

// A client can keep its pump in the socket before its handshake, with pings that it does not read
// the answers to. No worker may then write past the pump: it would wait for that client.
func TestAPumpThatWritesBeforeTheHandshakeIsNotOvertaken(t *testing.T) {
	begin := func(t *testing.T) (*node, *gatewaytest.Client) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-", Raw: true})
		c.Hold()
		c.Conn.SendFrame([]byte("pong"))
		synctest.Wait()
		require.True(t, c.Inside(), "nothing waits behind what the pump writes")
		return n, c
	}
	t.Run("by the answer and what follows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			require.NoError(t, c.Feed([]byte(jsonHandshake)))
			n.send("hello", all())
			n.send("again", conns("1"))
			synctest.Wait()
			require.Empty(t, c.Got())
			c.Release()
			synctest.Wait()
			n.send("directly", all())
			synctest.Wait()
			require.Equal(t, "pong{}\x1e", strings.Join(c.Got()[:2], ""))
			require.Len(t, c.Got(), 5)
			c.Want(t.Context(), "directly")
			n.balanced()
		})
	})
	t.Run("by a close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "go away"})
			synctest.Wait()
			require.Empty(t, c.Got())
			c.Release()
			require.Equal(t, "go away", c.WantEnd(t.Context()).Text)
			require.Equal(t, []string{"pong", "{\"error\":\"go away\"}\x1e"}, c.Got())
			n.balanced()
		})
	})
	t.Run("by an end while records are held", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			n.backend.Speaker = gateway.ApplicationSpeaks
			n.backend.Refuse = func(c *gateway.Conn) error { c.Announce(); return nil }
			require.NoError(t, c.Feed([]byte(jsonHandshake)))
			n.send("held", all())
			c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "go away"})
			synctest.Wait()
			c.Release()
			c.WantEnd(t.Context())
			require.Equal(t, []string{"pong", "{\"error\":\"go away\"}\x1e"}, c.Got())
			n.balanced()
		})
	})
}

// A reader that waits for its session is the one that ends a WebSocket. Whoever ends the
// connection has to wake it.
func TestAReaderThatWaitsForItsSessionIsWokenByEveryEnd(t *testing.T) {
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "go away"}
	ends := map[string]func(n *node, c *gatewaytest.Client){
		"a close": func(_ *node, c *gatewaytest.Client) { c.Conn.Close(cause) },
		"a close by verb": func(n *node, _ *gatewaytest.Client) {
			n.do(gateway.Command{Verb: gateway.VerbClose, Target: all(), Cause: cause})
		},
		"a full outbox": func(n *node, c *gatewaytest.Client) {
			c.Stall()
			n.limits.OutboxMaxBytes = 1000
			n.send(strings.Repeat("x", 900), all())
			n.send(strings.Repeat("x", 900), all())
		},
		"draining": func(n *node, _ *gatewaytest.Client) { _ = n.Drain(context.Background()) },
		"the end":  func(n *node, _ *gatewaytest.Client) { n.Close() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, func(_ *gateway.Options, n *node) {
					n.backend.Full = func() bool { return true }
				})
				n.backend.Speaker = gateway.ApplicationSpeaks
				n.backend.Refuse = func(c *gateway.Conn) error { c.Open([]byte("{}\x1e")); return nil }
				c := n.connect("1", "")
				fed := make(chan error, 1)
				go func() { fed <- c.Feed([]byte(invocation)) }()
				synctest.Wait()
				require.Empty(t, fed, "the reader waits")
				end(n, c)
				require.Error(t, <-fed)
				c.WantEnd(t.Context())
				synctest.Wait()
				require.Len(t, n.backend.Events(), 2, "the application was told of the end")
				require.EqualValues(t, n.Stats().Opened, sum(n.Stats().Closed))
			})
		})
	}
}

// Beside the POST that carries the handshake the request that ends an event stream may end.
func TestAnEndDuringTheHandshakeLeavesNothingBehind(t *testing.T) {
	moments := map[string]func(n *node, leave func()){
		"while the application is asked": func(n *node, leave func()) {
			n.backend.Refuse = func(*gateway.Conn) error { leave(); return nil }
		},
		"while the user's groups are listed": func(n *node, leave func()) { n.middle.Store(&leave) },
	}
	for name, at := range moments {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, func(o *gateway.Options, n *node) { o.UserGroups = listing{o.UserGroups, &n.middle} })
				gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "stays", Hub: "chat"})
				c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{
					ID: "1", Hub: "chat", User: "ann", Transport: gateway.ServerSentEvents, Protocol: "-"})
				at(n, func() {
					c.Leave()
					time.Sleep(time.Millisecond) // the end has gone all its way
				})
				_ = c.Feed([]byte(jsonHandshake))
				n.balanced()
				require.Equal(t, 1, n.Connections("chat"))
				require.Equal(t, 0, n.count(users("ann"), ""))
			})
		})
	}
}

// listing is a store that lets a test look in while the groups of a user are listed.
type listing struct {
	gateway.UserGroups
	during *atomic.Pointer[func()]
}

func (l listing) List(ctx context.Context, hub, user string) ([]gateway.StandingGroup, error) {
	if f := l.during.Load(); f != nil {
		(*f)()
	}
	return l.UserGroups.List(ctx, hub, user)
}

// A client that is being closed and reads nothing goes on talking. Nobody listens to it.
func TestNothingIsHeardOfAClientThatIsBeingClosed(t *testing.T) {
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer}
	ends := map[string]func(n *node, c *gatewaytest.Client){
		"by verb": func(n *node, _ *gatewaytest.Client) {
			n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: cause})
		},
		"by verb, a user": func(n *node, _ *gatewaytest.Client) {
			n.do(gateway.Command{Verb: gateway.VerbClose, Target: users("ann"), Cause: cause})
		},
		"one by one": func(_ *node, c *gatewaytest.Client) { c.Conn.Close(cause) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, nil)
				c := n.connect("1", "ann")
				synctest.Wait()
				c.Stall()
				end(n, c)
				require.Error(t, c.Feed([]byte(invocation)))
				require.Equal(t, []string{"opened 1"}, n.backend.Events())
			})
		})
	}
}

// A client may be between being let in and being listed when a drain begins.
func TestADrainMissesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(o *gateway.Options, n *node) {
			o.Limits = func() gateway.Limits {
				if f := n.middle.Swap(nil); f != nil {
					(*f)()
				}
				return n.limits
			}
		})
		var drained error
		drain := func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			drained = n.Drain(ctx)
		}
		n.middle.Store(&drain) // Attach asks for the limits when it has looked whether the node drains
		_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "late", Hub: "chat"})
		require.NoError(t, drained)
		require.ErrorIs(t, err, gateway.ErrDraining)
		n.balanced()
		require.Equal(t, 0, n.Connections("chat"))
	})
}

// Setting the clock ends no connection and keeps none from being pinged.
func TestTheClockIsSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var offset atomic.Int64
				n := start(t, func(o *gateway.Options, _ *node) {
					o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
				})
				chatty := n.connect("1", "ann")
				polling := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "2", Hub: "chat", Transport: gateway.LongPolling})
				until := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "3", Hub: "chat",
					Identity: gateway.Identity{CloseAt: time.Now().Add(30 * time.Minute)}})
				ping := func() { require.NoError(t, chatty.Feed([]byte("{\"type\":6}\x1e"))) }
				ping()
				polling.Conn.Detached()
				offset.Store(int64(jump))
				time.Sleep(10 * time.Second)
				require.Nil(t, chatty.Conn.CloseRequested())
				require.Nil(t, polling.Conn.CloseRequested())
				polling.Conn.Attached()
				ping()
				time.Sleep(10 * time.Second)
				chatty.Want(t.Context(), `{"type":6}`)
				if jump > 0 {
					require.Equal(t, gateway.CloseUnauthorized, until.WantEnd(t.Context()).Reason, "tokens go by the wall clock")
				} else {
					require.Nil(t, until.Conn.CloseRequested())
				}
				time.Sleep(25 * time.Second)
				require.Equal(t, gateway.ClosePingTimeout, chatty.WantEnd(t.Context()).Reason, "silence is still noticed")
			})
		})
	}
}

func sum(closed map[gateway.CloseReason]uint64) (n uint64) {
	for _, k := range closed {
		n += k
	}
	return n
}

// Whoever drains is told at its end what was lost.
func TestTheBooksOfADrainThatCutOff(t *testing.T) {
	for _, transport := range []string{gateway.WebSockets, gateway.ServerSentEvents, gateway.LongPolling} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, nil)
				gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Transport: transport, Stalled: true})
				n.send("lost", all())
				synctest.Wait()
				over, end := context.WithCancel(t.Context())
				end()
				require.ErrorIs(t, n.Drain(over), context.Canceled)
				require.EqualValues(t, 1, n.Stats().Total.Dropped[gateway.DropConnectionClosed])
				require.NoError(t, n.Check())
			})
		})
	}
}
