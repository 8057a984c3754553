package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestLostServerConnection(t *testing.T) {
	t.Run("H46 its clients may reconnect, others stay", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			first := w.server(dial{})
			a := w.connect("1", "")
			second := w.server(dial{id: "s2"})
			b := w.connect("2", "")
			require.NoError(t, first.ws.Close())
			synctest.Wait()
			cause := a.WantEnd(t.Context())
			require.Equal(t, gateway.CloseServerConnectionClosed, cause.Reason, "H46")
			require.True(t, cause.AllowReconnect, "H46")
			require.Nil(t, b.Conn.CloseRequested(), "H46 others are untouched")
			require.NoError(t, second.end())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndBroken])
		})
	})
}

func TestH32FiveConnectionsOfOneProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var servers []*hubServer
		for range 5 {
			servers = append(servers, w.server(dial{}))
		}
		var clients []*gatewaytest.Client
		for i := range 10 {
			clients = append(clients, w.connect(fmt.Sprint(i), ""))
		}
		for i, s := range servers {
			require.Len(t, s.clients(), 2)
			s.send(&sp.BroadcastData{Payloads: message(fmt.Sprint("from", i))})
		}
		synctest.Wait()
		for _, c := range clients {
			for i := range servers {
				require.Equal(t, 1, count(c, fmt.Sprint("from", i)))
			}
		}
	})
}

func TestH47AnIdleClientIsTheHubServersAffair(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		s.setOn(func(sp.Message) { s.send(sp.ClientCountPing(1, 1)) })
		c := w.connect("1", "")
		require.NoError(t, c.Conn.Feed([]byte("{\"type\":6}\x1e")))
		time.Sleep(70 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		require.Equal(t, []string{"{}\x1e"}, c.Got(), "the gateway does not ping")
		s.data("1", "{\"type\":6}\x1e")
		synctest.Wait()
		require.Equal(t, 1, count(c, `"type":6`))
	})
}

func TestFin(t *testing.T) {
	for _, fin := range []sp.Fin{sp.FinPlain, sp.FinKeep} {
		t.Run("H74 H77 "+string(fin), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{level: 1})
				c := w.connect("1", "")
				w.server(dial{id: "s2", level: 1})
				for range 3 {
					s.send(sp.ShutdownPing(fin))
					synctest.Wait()
					require.True(t, s.next(sp.TypePing).(*sp.Ping).FinAck())
				}
				s.take(sp.TypeConnectionData)
				time.Sleep(3 * time.Second)
				s.send(&sp.BroadcastData{Payloads: message("bye")})
				require.NoError(t, c.Conn.Feed([]byte(call("1", "x"))))
				synctest.Wait()
				require.Equal(t, 1, count(c, "bye"))
				require.Equal(t, call("1", "x"), s.payloads("1"))
				require.Empty(t, s.take(sp.TypeCloseConnection))
			})
		})
	}
}

// pair is a client on the hub server old, and a second hub server.
func pair(w *world) (old, next *hubServer, c *gatewaytest.Client) {
	old = w.server(dial{id: "old", level: 1})
	c = w.connect("1", "ann")
	next = w.server(dial{id: "next", level: 1})
	old.take(sp.TypeConnectionData)
	old.take(sp.TypeOpenConnection)
	return old, next, c
}

// wantMoved checks what both hub servers hear of a move, and that it was in order.
func wantMoved(t *testing.T, old, next *hubServer, data string) {
	t.Helper()
	closed := old.next(sp.TypeCloseConnection).(*sp.CloseConnection)
	to, _ := sp.HeaderValue(closed.Headers, sp.HeaderMigrateTo)
	require.Equal(t, "next", to)
	open := next.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	from, _ := sp.HeaderValue(open.Headers, sp.HeaderMigrateFrom)
	require.Equal(t, "old", from)
	require.Equal(t, "json", open.Protocol)
	require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e"+data, next.payloads("1"))
}

func TestMigration(t *testing.T) {
	t.Run("H75 an idle client moves at once and notices nothing", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old, next, c := pair(w)
			old.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1})
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			wantMoved(t, old, next, "")
			next.send(&sp.ConnectionData{ConnectionID: "1", Payload: []byte("{}\x1e"), Kind: sp.DataHandshake})
			next.data("1", "{}\x1e"+call("", "hello"))
			require.NoError(t, c.Conn.Feed([]byte(call("5", "x"))))
			next.send(&sp.GroupBroadcastData{Group: "g", Payloads: message("group")})
			synctest.Wait()
			require.Equal(t, []string{"{}\x1e", call("", "hello"), string(message("group")[0].Data)}, c.Got(), "one handshake answer; groups survive")
			require.Equal(t, call("5", "x"), next.payloads("1"))
			require.Empty(t, old.payloads("1"))
			require.EqualValues(t, 1, w.Stats().Migrated)
		})
	})
	t.Run("H75 invocations under way are waited for, new ones held, all else passes", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old, next, c := pair(w)
			feed := func(record string) { require.NoError(t, c.Conn.Feed([]byte(record))) }
			feed(call("1", "slow"))
			feed(`{"type":4,"invocationId":"2","target":"stream","arguments":[],"streamIds":["u2"]}` + "\x1e")
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			old.take(sp.TypeConnectionData)
			item := func(id string) string { return `{"type":2,"invocationId":"` + id + `","item":1}` + "\x1e" }
			ping, cancel := "{\"type\":6}\x1e", func(id string) string { return `{"type":5,"invocationId":"` + id + `"}` + "\x1e" }
			upload := `{"type":1,"invocationId":"3","target":"upload","arguments":[],"streamIds":["u3"]}` + "\x1e"
			for _, record := range []string{upload, item("u3"), item("u2"), ping, call("", "no id"), cancel("3"), completion("u3", "null"), completion("server-1", "5")} {
				feed(record)
			}
			synctest.Wait()
			require.Equal(t, item("u2")+ping+completion("server-1", "5"), old.payloads("1"))
			require.Empty(t, next.payloads("1"))
			old.data("1", completion("1", `"one"`))
			synctest.Wait()
			require.Empty(t, old.take(sp.TypeCloseConnection), "the stream is still open")
			old.data("1", item("2")+completion("2", "2"))
			synctest.Wait()
			held := upload + item("u3") + call("", "no id") + cancel("3") + completion("u3", "null")
			wantMoved(t, old, next, held)
			next.data("1", completion("3", `"three"`))
			synctest.Wait()
			for _, want := range []string{`"one"`, `"three"`, item("2")} {
				require.Equal(t, 1, count(c, want), want)
			}
			require.Zero(t, w.Stats().Lost[servermode.LossMigration])
		})
	})
	t.Run("what stays open is answered once, with an error that is counted", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old, next, c := pair(w)
			old.setOn(func(sp.Message) { old.send(sp.ClientCountPing(1, 1)) })
			require.NoError(t, c.Conn.Feed([]byte(`{"type":1,"invocationId":"a\u0062","target":"slow","arguments":[]}`+"\x1e"+call("2", "slow"))))
			old.send(sp.ShutdownPing(sp.FinMigrate))
			time.Sleep(4 * time.Second)
			old.data("1", completion("2", "2"))
			time.Sleep(3 * time.Second)
			old.data("1", completion("ab", "7")+call("", "still delivered"))
			synctest.Wait()
			wantMoved(t, old, next, "")
			require.Equal(t, 1, count(c, `"invocationId":"ab","error"`))
			require.Zero(t, count(c, `"result":7`), "the late completion is dropped")
			require.Equal(t, 1, count(c, "still delivered"))
			stats := w.Stats()
			require.EqualValues(t, 1, stats.Lost[servermode.LossMigration])
			require.EqualValues(t, 1, stats.Lost[servermode.LossLateCompletion])
		})
	})
	t.Run("H76 without another hub server it stays", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old := w.server(dial{id: "old", level: 1})
			w.server(dial{id: "level0"})
			w.server(dial{id: "old", level: 1}).send(sp.ShutdownPing(sp.FinMigrate))
			c := w.connectAs(gatewaytest.Options{ID: "1", Identity: gateway.Identity{TokenClaims: []gateway.Claim{{Type: "asrs.s.sn", Value: "old"}, {Type: "asrs.s.ssticky", Value: "Preferred"}}}})
			old.take(sp.TypeConnectionData)
			old.send(sp.ShutdownPing(sp.FinMigrate))
			time.Sleep(2 * time.Second)
			require.NoError(t, c.Conn.Feed([]byte(call("1", "x"))))
			synctest.Wait()
			require.Equal(t, call("1", "x"), old.payloads("1"))
			next := w.server(dial{id: "next", level: 1})
			old.data("1", completion("1", "1"))
			time.Sleep(2 * time.Second)
			wantMoved(t, old, next, "")
		})
	})
	t.Run("a client with Required sticks", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old := w.server(dial{id: "old", level: 1})
			w.connectAs(gatewaytest.Options{ID: "1", Identity: gateway.Identity{TokenClaims: []gateway.Claim{{Type: "asrs.s.sn", Value: "old"}, {Type: "asrs.s.ssticky", Value: "Required"}}}})
			w.server(dial{id: "next", level: 1})
			old.send(sp.ShutdownPing(sp.FinMigrate))
			time.Sleep(10 * time.Second)
			require.Empty(t, old.take(sp.TypeCloseConnection))
		})
	})
	t.Run("a client whose handshake is not answered moves behind the answer", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old := w.server(dial{id: "old", level: 1, silent: true})
			c := w.connect("1", "")
			next := w.server(dial{id: "next", level: 1})
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			require.Empty(t, old.take(sp.TypeCloseConnection))
			old.data("1", "{}\x1e")
			synctest.Wait()
			wantMoved(t, old, next, "")
			require.Equal(t, []string{"{}\x1e"}, c.Got())
		})
	})
	t.Run("the old hub server dies while its client waits", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			old, next, c := pair(w)
			require.NoError(t, c.Conn.Feed([]byte(call("1", "slow"))))
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			require.NoError(t, c.Conn.Feed([]byte(call("2", "held"))))
			_ = old.ws.Close()
			synctest.Wait()
			require.Equal(t, 1, count(c, `"invocationId":"1","error"`))
			require.Contains(t, next.payloads("1"), call("2", "held"))
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
}

func TestMigrationUnderLoad(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const clients, calls = 12, 400
		answer := func(s *hubServer) func(sp.Message) {
			return func(m sp.Message) {
				d, ok := m.(*sp.ConnectionData)
				if !ok {
					return
				}
				var id string
				if n, _ := fmt.Sscanf(string(d.Payload), `{"type":1,"invocationId":"%5s`, &id); n == 1 {
					client, payload := d.ConnectionID, completion(id, "1")
					time.AfterFunc(20*time.Millisecond, func() { s.data(client, payload) })
				}
			}
		}
		old, next := w.server(dial{id: "old", level: 1}), w.server(dial{id: "next", level: 1})
		old.setOn(answer(old))
		next.setOn(answer(next))
		var all []*gatewaytest.Client
		for i := range clients {
			all = append(all, w.connect(fmt.Sprint("c", i), ""))
		}
		for i := range calls {
			for _, c := range all {
				require.NoError(t, c.Conn.Feed([]byte(call(fmt.Sprintf("%05d", i), "x"))))
			}
			if i == calls/2 {
				old.send(sp.ShutdownPing(sp.FinMigrate))
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, c := range all {
			require.Equal(t, calls, count(c, `"type":3`), "each invocation has its completion")
			require.Zero(t, count(c, "error"))
		}
		require.EqualValues(t, clients/2, w.Stats().Migrated)
	})
}

func TestGracePeriod(t *testing.T) {
	t.Run("another hub server takes the client at once", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old, next, c := pair(w)
			require.NoError(t, c.Conn.Feed([]byte(call("1", "slow"))))
			synctest.Wait()
			_ = old.ws.Close()
			synctest.Wait()
			require.Equal(t, 1, count(c, `"invocationId":"1","error"`))
			require.Contains(t, next.payloads("1"), `"protocol":"json"`)
			stats := w.Stats()
			require.EqualValues(t, 1, stats.Lost[servermode.LossServerGone])
			require.EqualValues(t, 1, stats.Recovered)
			require.NoError(t, c.Conn.Feed([]byte(call("2", "x"))))
			synctest.Wait()
			require.Equal(t, call("2", "x"), next.payloads("1"))
		})
	})
	t.Run("one that comes in time takes it, and what the client said meanwhile", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			time.Sleep(5 * time.Second)
			require.Equal(t, 1, w.Stats().Hubs[0].Waiting)
			go func() { _ = c.Conn.Feed([]byte(call("1", "waiting"))) }()
			synctest.Wait()
			next := w.server(dial{id: "next"})
			time.Sleep(time.Second)
			require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e"+call("1", "waiting"), next.payloads("1"))
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
	t.Run("none comes", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			time.Sleep(12 * time.Second)
			synctest.Wait()
			cause := c.WantEnd(t.Context())
			require.Equal(t, gateway.CloseServerConnectionClosed, cause.Reason)
			require.True(t, cause.AllowReconnect)
			require.Empty(t, w.Stats().Hubs)
		})
	})
	t.Run("a client that leaves is forgotten", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			synctest.Wait()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			synctest.Wait()
			require.Empty(t, w.Stats().Hubs)
		})
	})
}

func TestModes(t *testing.T) {
	t.Run("a Classic client without a hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.mode = modes.Classic
			c := w.connect("1", "")
			require.NoError(t, c.Conn.Feed([]byte(call("7", "x")+call("", "y"))))
			s := w.server(dial{})
			s.send(&sp.BroadcastData{Payloads: message("all")})
			time.Sleep(20 * time.Second)
			synctest.Wait()
			require.Equal(t, "{}\x1e", c.Got()[0])
			require.Equal(t, 1, count(c, `"invocationId":"7","error"`))
			require.Equal(t, 1, count(c, `"type":6`), "the gateway pings")
			require.Equal(t, 1, count(c, "all"))
			require.Empty(t, s.take(sp.TypeOpenConnection), "it stays without one")
			require.EqualValues(t, 1, w.modes.Unanswered())
		})
	})
	switches := []struct {
		from, to                modes.Mode
		server, hubbed, without bool // what is closed: the hub server, its client, a client without
	}{
		{"default", "serverless", true, true, false},
		{"classic", "serverless", true, true, true},
		{"classic", "default", false, false, true},
		{"serverless", "default", false, false, true},
		{"serverless", "classic", false, false, false},
		{"default", "classic", false, false, false},
	}
	for _, c := range switches {
		t.Run(fmt.Sprintf("%s to %s", c.from, c.to), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.mode = c.from
				var without, hubbed *gatewaytest.Client
				var s *hubServer
				if c.from != modes.Default {
					without = w.connect("1", "")
				}
				if c.from != modes.Serverless {
					s = w.server(dial{})
					hubbed = w.connect("2", "")
				}
				weak := w.server(dial{kind: sp.KindWeak, id: "m"})
				w.mode = c.to
				w.modes.Changed()
				synctest.Wait()
				for client, closed := range map[*gatewaytest.Client]bool{without: c.without, hubbed: c.hubbed} {
					if client == nil {
						continue
					}
					cause := client.Conn.CloseRequested()
					require.Equal(t, closed, cause != nil)
					if closed {
						require.Equal(t, gateway.CloseServiceModeSwitched, cause.Reason)
						require.True(t, cause.AllowReconnect)
					}
				}
				if s != nil {
					require.Equal(t, c.server, s.end() != nil)
				}
				require.NoError(t, weak.end())
			})
		})
	}
}
