package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

const jsonHandshake = "{\"protocol\":\"json\",\"version\":1}\x1e"

func TestHandshake(t *testing.T) {
	cases := []struct {
		name, transport, in string
		want                string // the first record, or its beginning
	}{
		{"C63 json", gateway.WebSockets, jsonHandshake, "{}\x1e"},
		{"C63 messagepack", gateway.WebSockets, "{\"protocol\":\"messagepack\",\"version\":1}\x1e", "{}\x1e"},
		{"C64 unknown protocol", gateway.WebSockets, "{\"protocol\":\"xml\",\"version\":1}\x1e", `{"error":"The protocol 'xml'`},
		{"C64 version 99", gateway.WebSockets, "{\"protocol\":\"json\",\"version\":99}\x1e", `{"error":"The server does not support version 99`},
		{"C47 messagepack over server-sent events", gateway.ServerSentEvents, "{\"protocol\":\"messagepack\",\"version\":1}\x1e", `{"error":"Cannot use the 'messagepack' protocol`},
		{"an invocation instead of a handshake", gateway.WebSockets, "{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e", `{"error":`},
		{"a handshake that never ends", gateway.WebSockets, strings.Repeat("x", 33<<10), `{"error":"Handshake was canceled."}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, nil)
				c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-", Transport: tc.transport})
				err := c.Feed([]byte(tc.in))
				synctest.Wait()
				require.NotEmpty(t, c.Got())
				require.True(t, strings.HasPrefix(c.Got()[0], tc.want), "got %q", c.Got())
				if refused := strings.Contains(tc.want, "error"); refused {
					require.Error(t, err)
					require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(t.Context()).Reason)
					require.Empty(t, n.backend.Events())
				} else {
					require.Equal(t, []string{"opened 1"}, n.backend.Events())
				}
				n.balanced()
			})
		})
	}
}

func TestHandshakeInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-"})
		input := jsonHandshake + "{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e{\"type\":6}\x1e{\"type\":1,\"target\":\"b\",\"arguments\":[]}\x1e"
		for i := range input {
			require.NoError(t, c.Feed([]byte{input[i]}))
		}
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "record 1 a", "record 1 b"}, n.backend.Events())
	})
}

func TestHandshakeTimeout(t *testing.T) {
	for name, tc := range map[string]struct{ claim, wait time.Duration }{
		"C65 fifteen seconds":  {0, 15 * time.Second},
		"C66 claim asrs.s.cht": {3 * time.Second, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, nil)
				c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-",
					Identity: gateway.Identity{HandshakeTimeout: tc.claim}})
				time.Sleep(tc.wait - time.Second)
				synctest.Wait()
				require.Empty(t, c.Got())
				time.Sleep(3 * time.Second)
				require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(t.Context()).Reason)
			})
		})
	}
}

func TestKeepAlive(t *testing.T) {
	pings := func(c *gatewaytest.Client) int { return strings.Count(strings.Join(c.Got(), ""), `{"type":6}`) }
	bubble(t, "C68 a ping after each 15 s of silence", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		time.Sleep(64 * time.Second)
		synctest.Wait()
		require.InDelta(t, 4, pings(c), 0.1)
	})
	bubble(t, "C68 frames of the transport are no message that a client hears", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		for range 64 {
			time.Sleep(time.Second)
			c.Conn.SendFrame([]byte("|pong|"))
		}
		synctest.Wait()
		require.InDelta(t, 4, pings(c), 0.1)
	})
	bubble(t, "C68 a client that never pings is not closed", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		time.Sleep(5 * time.Minute)
		require.Nil(t, c.Conn.CloseRequested())
	})
	bubble(t, "C68 a client silent for 30 s after its ping is closed", func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		require.NoError(t, c.Feed([]byte("{\"type\":6}\x1e")))
		time.Sleep(29 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		time.Sleep(4 * time.Second)
		require.Equal(t, gateway.ClosePingTimeout, c.WantEnd(t.Context()).Reason)
	})
	bubble(t, "C62 no pings on long polling", func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Transport: gateway.LongPolling})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Zero(t, pings(c))
	})
	bubble(t, "C58 no poll for 15 s", func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Transport: gateway.LongPolling})
		c.Conn.Detached()
		time.Sleep(10 * time.Second)
		c.Conn.Attached()
		time.Sleep(time.Minute)
		require.Nil(t, c.Conn.CloseRequested())
		c.Conn.Detached()
		time.Sleep(17 * time.Second)
		require.NotNil(t, c.Conn.CloseRequested())
	})
	bubble(t, "C79 R52 closed when the authentication expires", func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat",
			Identity: gateway.Identity{CloseAt: time.Now().Add(5 * time.Second)}})
		time.Sleep(7 * time.Second)
		require.Equal(t, gateway.CloseUnauthorized, c.WantEnd(t.Context()).Reason)
		require.Contains(t, c.Got()[len(c.Got())-1], `"allowReconnect":true`)
	})
}

func TestClose(t *testing.T) {
	t.Run("C77 C96 R29 R54 a close from outside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, nil)
			c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Stalled: true,
				Identity: gateway.Identity{TokenExpires: time.Now().Add(15 * time.Second)}})
			n.join("g", "1")
			n.send("before", all())
			cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "go away"}
			step(t, "R29 a close finds its connection once", func() {
				require.Equal(t, 1, n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: cause}).Matched)
				require.Zero(t, n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: cause}).Matched)
			})
			step(t, "C96 the id is dead before the Close record leaves", func() {
				_, ended := n.Lookup("1")
				require.True(t, ended)
				require.Zero(t, n.count(users("ann"), ""))
				require.Zero(t, n.count(groups("g"), ""))
			})
			n.send("after", all())
			c.Unstall()
			synctest.Wait()
			got := c.Got()
			require.Len(t, got, 3)
			require.Contains(t, got[1], "before")
			step(t, "C77 a close does not allow reconnecting", func() {
				require.Equal(t, "{\"type\":7,\"error\":\"go away\"}\x1e", got[2])
			})
			step(t, "R54 the application is told once, at the end", func() {
				require.Equal(t, []string{"opened 1", "closed 1 ClosedByAppServer: go away"}, n.backend.Events())
			})
			step(t, "an ended id is remembered as long as its token opens connections", func() {
				_, err := gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat"})
				require.ErrorIs(t, err, gateway.ErrConnectionEnded)
				time.Sleep(35 * time.Second) // ids are forgotten stripe by stripe
				_, ended := n.Lookup("1")
				require.False(t, ended)
			})
			n.balanced()
		})
	})
}

func TestRefusedByTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Refuse = func(*gateway.Conn) error {
				return gateway.Cause{Reason: gateway.CloseServiceTransientError, Text: "No server available."}
			}
		})
		c := n.connect("1", "")
		c.Want(t.Context(), `{"error":"No server available."}`)
		require.Equal(t, gateway.CloseServiceTransientError, c.WantEnd(t.Context()).Reason)
		require.Empty(t, n.backend.Events())
	})
}

func TestMalformedRecords(t *testing.T) {
	for name, in := range map[string]string{
		"not json":                          "hello\x1e",
		"no type":                           "{}\x1e",
		"C81 over the limit":                strings.Repeat("a", 70<<10),
		"C81 a whole record over the limit": `{"type":1,"target":"x","arguments":["` + strings.Repeat("a", 70<<10) + "\"]}\x1e",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, func(_ *gateway.Options, n *node) { n.limits.MessageBytes = 64 << 10 })
				c := n.connect("1", "")
				var err error
				for rest := in; rest != "" && err == nil; {
					piece := rest[:min(len(rest), 1000)]
					rest = rest[len(piece):]
					err = c.Feed([]byte(piece))
				}
				require.Error(t, err)
				end := c.WantEnd(t.Context())
				require.Equal(t, gateway.CloseBadRequest, end.Reason)
				require.Contains(t, c.Got()[len(c.Got())-1], `"allowReconnect":true`)
				require.Error(t, c.Feed([]byte("{\"type\":6}\x1e")), "nothing is read after the end")
				synctest.Wait()
				require.Equal(t, "opened 1", n.backend.Events()[0])
				require.Len(t, n.backend.Events(), 2)
			})
		})
	}
}

func TestClientCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		require.Error(t, c.Feed([]byte("{\"type\":7,\"error\":\"x\"}\x1e")))
		require.Equal(t, gateway.CloseNormal, c.WantEnd(t.Context()).Reason)
		require.Equal(t, []string{"{}\x1e", "{\"type\":7}\x1e"}, c.Got())
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "closed 1 Normal"}, n.backend.Events())
	})
}

func TestEarlyCloseOnServerSentEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Transport: gateway.ServerSentEvents})
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: "go away"})
		n.send("secret", all())
		synctest.Wait()
		require.Equal(t, []string{"{}\x1e"}, c.Got(), "nothing follows the handshake answer at once, and nothing is heard")
		_, dead := n.Lookup("1")
		require.False(t, dead, "the first POST still finds its connection")
		require.Error(t, c.Feed([]byte("{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e")), "what it carries has no effect")
		time.Sleep(3 * time.Second)
		require.Equal(t, "go away", c.WantEnd(t.Context()).Text)
		require.Equal(t, "{\"type\":7,\"error\":\"go away\"}\x1e", c.Got()[1])
		n.balanced()
	})
}

func TestASessionMayAnswerTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Speaker = gateway.ApplicationSpeaks
		})
		c := n.connect("1", "ann")
		n.send("too early", all())
		synctest.Wait()
		require.Empty(t, c.Got(), "nothing before the application's answer")
		c.Conn.Open([]byte("{\"minorVersion\":1}\x1e"))
		n.send("hello", all())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"{\"minorVersion\":1}\x1e", "{\"type\":1,\"target\":\"hello\",\"arguments\":[]}\x1e"}, c.Got(), "no pings of the gateway's")
		require.NoError(t, c.Feed([]byte("{\"type\":6}\x1e{\"type\":1,\"malformed\":true}\x1e")))
		require.Equal(t, []string{"opened 1", "record 1 ", "record 1 "}, n.backend.Events(), "records pass unparsed")
		c.Conn.SendControl([]byte("{\"type\":7,\"error\":\"mine\"}\x1e"))
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "mine", Told: true})
		c.WantEnd(t.Context())
		require.Len(t, c.Got(), 3, "the application has told the client itself")
		n.balanced()
	})
}

func TestASessionThatPanicsIsToldTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.OnRecord = func(*gateway.Conn, gateway.Record) { panic("a bug") }
		})
		c := n.connect("1", "")
		require.Error(t, c.Feed([]byte("{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e")))
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "record 1 x", "closed 1 ServiceTransientError"}, n.backend.Events())
	})
}

func TestNothingIsReadBehindAReasonToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.OnRecord = func(c *gateway.Conn, _ gateway.Record) { c.Close(gateway.Cause{Reason: gateway.CloseBadRequest}) }
		})
		c := n.connect("1", "")
		one := "{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e"
		require.Error(t, c.Feed([]byte(one+one)))
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "record 1 x", "closed 1 BadRequest"}, n.backend.Events())
	})
}

func TestGoodbyeThenEndOfFileIsAnOrdinaryEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		require.Error(t, c.Feed([]byte("{\"type\":7}\x1e")))
		c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal, Text: "the other side is gone"})
		synctest.Wait()
		require.Equal(t, []string{"opened 1", "closed 1 Normal"}, n.backend.Events())
	})
}

func TestWhatIsSentBeforeTheHandshakeAnswerWaitsForIt(t *testing.T) {
	begin := func(t *testing.T) (*node, *gatewaytest.Client) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Speaker = gateway.ApplicationSpeaks
			n.backend.Refuse = func(c *gateway.Conn) error { c.Announce(); return nil }
		})
		c := n.connect("1", "ann")
		require.Equal(t, 1, n.join("g", "1"))
		n.send("alone", conns("1"))
		n.send("to a group", groups("g"))
		n.send("to all", all())
		synctest.Wait()
		require.Empty(t, c.Got())
		return n, c
	}
	t.Run("H37 behind the answer, in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			c.Conn.Open([]byte("{}\x1e"))
			n.send("later", users("ann"))
			synctest.Wait()
			got := c.Got()
			require.Len(t, got, 5)
			require.Equal(t, "{}\x1e", got[0])
			for i, want := range []string{"alone", "to a group", "to all", "later"} {
				require.Contains(t, got[i+1], want)
			}
			n.balanced()
		})
	})
	t.Run("H36 given up when the application refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "not you"})
			c.WantEnd(t.Context())
			require.Equal(t, []string{"{\"error\":\"not you\"}\x1e"}, c.Got())
			n.balanced()
			require.EqualValues(t, 3, n.Stats().Hubs[0].Dropped["ConnectionClosed"])
		})
	})
	t.Run("a client that leaves frees what was held", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			n.balanced()
			require.Zero(t, n.Stats().Hubs[0].QueuedBytes)
		})
	})
}
