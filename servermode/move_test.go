package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

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
}

func TestMigrationWithOpenCalls(t *testing.T) {
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

func TestMigrationThatHasToWait(t *testing.T) {
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

func TestARecordThatAMoveCutsInTwo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.server(dial{id: "old", level: 1})
		c := w.connectAs(gatewaytest.Options{ID: "1", Protocol: "messagepack"})
		next := w.server(dial{id: "next", level: 1})
		record := "\x0b\x95\x01\x80\xc0\xa4mess\x90\x90"
		old.data("1", record[:5])
		old.send(sp.ShutdownPing(sp.FinMigrate))
		synctest.Wait()
		require.Len(t, next.take(sp.TypeOpenConnection), 1)
		next.data("1", record)
		old.data("1", record[5:])
		synctest.Wait()
		require.Nil(t, c.Conn.CloseRequested())
		require.Equal(t, []string{"{}\x1e", record, record}, c.Got())
	})
}

func TestManyClientsMoveAtThePaceOfTheirNextServer(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprint("busy ", busy), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				const clients = 300
				w.limits.QueueBytes = 64 << 10
				old := w.server(dial{id: "old", level: 1})
				old.setOn(func(sp.Message) { old.send(sp.ClientCountPing(1, 1)) })
				conns := crowd(t, w, clients)
				if busy { // each move waits until its deadline, which they have in common
					for _, c := range conns {
						require.NoError(t, c.Feed([]byte(call("1", "slow"))))
					}
				}
				next := w.server(dial{id: "next", level: 1})
				next.setOn(func(sp.Message) { next.send(sp.ClientCountPing(1, 1)) })
				old.send(sp.ShutdownPing(sp.FinMigrate))
				time.Sleep(10 * time.Second)
				wantEachOnce(t, clients, next)
				wantLive(t, conns)
				stats := w.Stats()
				require.Zero(t, stats.Ended[servermode.EndSlow])
				require.EqualValues(t, clients, stats.Migrated)
				require.Len(t, old.take(sp.TypeCloseConnection), clients)
			})
		})
	}
}
