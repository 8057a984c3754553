package servermode_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// long is an invocation of about so many bytes.
func long(target string, size int) string {
	return `{"type":1,"target":"` + target + `","arguments":["` + strings.Repeat("x", size) + `"]}` + "\x1e"
}

// A node that is too far behind costs its hub server two seconds, and then the session: nothing is
// lost between two records of it.
func TestN11DataForANodeThatIsBehind(t *testing.T) {
	small := func(o *cluster.Options) { o.Limits.Window, o.Limits.Queue = 64<<10, 256<<10 }
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		behind, other := a.client(gatewaytest.Options{}), c.client(gatewaytest.Options{})
		ns.net.Set("b", "a", func(f *clustertest.Fault) { f.Held = true })
		go func() {
			for i := range 100 {
				server.data(idOf(behind), long(fmt.Sprint("m", i), 10<<10))
			}
			server.data(idOf(other), invocation("afterwards"))
		}()
		time.Sleep(time.Second)
		require.Zero(t, count(other, "afterwards"), "it is not read from")
		require.Empty(t, server.take(sp.TypeCloseConnection))
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, 1, count(other, "afterwards"), "for two seconds at most")
		require.Equal(t, idOf(behind), server.next(sp.TypeCloseConnection).(*sp.CloseConnection).ConnectionID)
		require.EqualValues(t, 1, b.Stats().Lost[servermode.LossPeerBehind])
		ns.net.Heal()
		end := behind.WantEnd(t.Context())
		require.Equal(t, gateway.CloseServerConnectionClosed, end.Reason)
		require.True(t, end.AllowReconnect)
		got := 0
		for _, record := range behind.Got() {
			if strings.Contains(record, "xxx") {
				require.Contains(t, record, fmt.Sprintf(`"m%d"`, got))
				got++
			}
		}
		require.Greater(t, got, 20)
		require.Less(t, got, 100)
		again := a.client(gatewaytest.Options{})
		server.data(idOf(again), invocation("again"))
		time.Sleep(time.Second)
		require.Equal(t, 1, count(again, "again"))
	}, small)
}

// Towards a node that is behind a client is not read, and nothing of it is lost.
func TestN11ANodeOfAHubServerThatIsBehind(t *testing.T) {
	small := func(o *cluster.Options) { o.Limits.Window, o.Limits.Queue = 32<<10, 32<<10 }
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		clients := []*gatewaytest.Client{a.client(gatewaytest.Options{}), a.client(gatewaytest.Options{}), a.client(gatewaytest.Options{})}
		server.take(sp.TypeConnectionData)
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		done := make(chan bool, len(clients))
		for _, c := range clients {
			go func() {
				for i := range 50 {
					_ = c.Feed([]byte(long(fmt.Sprint("m", i), 4<<10)))
				}
				done <- true
			}()
		}
		time.Sleep(2 * time.Second)
		require.Empty(t, done)
		require.Less(t, ns.peer("a", "b").QueuedBytes, 100<<10)
		ns.net.Heal()
		time.Sleep(2 * time.Second)
		require.Len(t, done, len(clients))
		got := make(map[string]int)
		for _, m := range server.take(sp.TypeConnectionData) {
			m := m.(*sp.ConnectionData)
			require.Contains(t, string(m.Payload), fmt.Sprintf(`"m%d"`, got[m.ConnectionID]))
			got[m.ConnectionID]++
		}
		for _, c := range clients {
			require.Equal(t, 50, got[idOf(c)])
		}
	}, small)
}

// A hub server whose data meets a full queue is not read from for a moment, on whichever node the
// client is.
func TestN20D17ASlowClientOfAnotherNode(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		a.core.OutboxBytes = 64 << 10
		server := b.server(dial{})
		time.Sleep(time.Second)
		slow, other := a.client(gatewaytest.Options{}), a.client(gatewaytest.Options{})
		slow.Stall()
		send := func(name string, times int, then string) {
			for i := range times {
				server.data(idOf(slow), long(fmt.Sprint(name, i), 10<<10))
				time.Sleep(time.Millisecond)
			}
			server.data(idOf(other), invocation(then))
		}
		go send("m", 30, "behind it")
		time.Sleep(1500 * time.Millisecond)
		require.Zero(t, count(other, "behind it"), "it is not read from")
		slow.Unstall()
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, 1, count(other, "behind it"))
		require.Equal(t, 30, count(slow, "xxx"))

		// Nobody waits for a client that has ended.
		slow.Stall()
		go send("n", 10, "once more")
		time.Sleep(time.Second)
		require.Zero(t, count(other, "once more"))
		slow.Leave()
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, 1, count(other, "once more"))
	})
}

// A hub server that knows of a client reaches it, from its own node and by any target.
func TestN5WhoHearsOfAClientReachesIt(t *testing.T) {
	inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
		ns.net.Set("a", "c", func(f *clustertest.Fault) { f.Delay = 7 * time.Millisecond })
		ns.net.Set("c", "a", func(f *clustertest.Fault) { f.Delay = 3 * time.Millisecond })
		a, b, c := ns.list["a"], ns.list["b"], ns.list["c"]
		server := b.server(dial{})
		same := c.server(dial{id: "s1", kind: sp.KindWeak}) // another connection, which only sends
		hello := payload(`{"type":1,"target":"hello","arguments":[]}`)
		server.setOn(func(m sp.Message) {
			if open, ok := m.(*sp.OpenConnection); ok {
				id := open.ConnectionID
				for _, s := range []*hubServer{server, same} {
					s.send(&sp.MultiConnectionData{Connections: []string{id}, Payloads: hello},
						&sp.UserData{User: "u" + id, Payloads: hello}, &sp.BroadcastData{Payloads: hello})
				}
			}
		})
		time.Sleep(time.Second)
		for range 300 {
			id := a.newID()
			client := a.connectAs(gatewaytest.Options{ID: id, User: "u" + id})
			time.Sleep(50 * time.Millisecond)
			require.Equal(t, 6, count(client, "hello"))
			client.Leave()
		}
	})
}

// N20: the clients of a hub server that does not read stop, and nobody else.
func TestN20AHubServerThatDoesNotReadStopsItsClientsOnly(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		b.limits.QueueBytes = 256 << 10
		a.limits.QueueBytes = 256 << 10
		stuck := b.server(dial{id: "stuck"})
		other := b.server(dial{id: "other"})
		time.Sleep(time.Second)
		slow, quick := a.client(required(a.newID(), "stuck")), a.client(required(a.newID(), "other"))
		many := []*gatewaytest.Client{slow}
		for range 60 {
			many = append(many, a.client(required(a.newID(), "stuck")))
		}
		stuck.take(sp.TypeConnectionData)
		other.take(sp.TypeConnectionData)
		block := make(chan struct{})
		stuck.setOn(func(sp.Message) { <-block })
		record := `{"type":1,"target":"` + strings.Repeat("x", 10<<10) + `","arguments":[]}` + "\x1e"
		var feeders []chan int
		for _, c := range many {
			done := make(chan int, 1)
			feeders = append(feeders, done)
			go func() {
				for range 100 {
					_ = c.Feed([]byte(record))
					time.Sleep(20 * time.Millisecond)
				}
				done <- 100
			}()
		}
		time.Sleep(5 * time.Second)
		for _, done := range feeders {
			require.Empty(t, done, "its reader waits")
		}
		sum := 0
		for _, h := range b.Stats().Hubs {
			sum += h.QueuedBytes
		}
		require.Less(t, sum, 1<<20, "what waits is bounded: they have 60 MiB to say, and a credit of 4 MiB")
		// The link and the clients of others do not notice.
		said(t, quick, call("1", "quick"))
		require.Equal(t, call("1", "quick"), other.payloads(idOf(quick)))
		require.Less(t, ns.peer("a", "b").RoundTrip, 10*time.Millisecond)
		require.Less(t, ns.peer("a", "b").QueuedBytes, 1<<20)

		close(block)
		stuck.setOn(nil)
		time.Sleep(5 * time.Second)
		for _, done := range feeders {
			require.Len(t, done, 1)
		}
		got := make(map[string]int)
		for _, m := range stuck.take(sp.TypeConnectionData) {
			got[m.(*sp.ConnectionData).ConnectionID]++
		}
		for _, c := range many {
			require.Equal(t, 100, got[idOf(c)])
		}
	})
}

func (ns *nodes) peer(of, tag string) cluster.PeerStats {
	ns.t.Helper()
	for _, p := range ns.list[of].plane.Stats().Peers {
		if p.Node.Tag == tag {
			return p
		}
	}
	require.Fail(ns.t, "no such peer")
	return cluster.PeerStats{}
}

// One client that says much has its own credit, although its hub server takes it all.
func TestN20OneClientHasACredit(t *testing.T) {
	inNodes(t, []string{"a", "b"}, func(t *testing.T, ns *nodes) {
		a, b := ns.list["a"], ns.list["b"]
		server := b.server(dial{})
		time.Sleep(time.Second)
		c := a.client(gatewaytest.Options{})
		server.take(sp.TypeConnectionData)
		ns.net.Set("a", "b", func(f *clustertest.Fault) { f.Held = true })
		var fed atomic.Int32
		done := make(chan struct{})
		record := `{"type":1,"target":"` + strings.Repeat("x", 10<<10) + `","arguments":[]}` + "\x1e"
		go func() {
			defer close(done)
			for range 100 {
				_ = c.Feed([]byte(record))
				fed.Add(1)
			}
		}()
		time.Sleep(time.Second)
		require.InDelta(t, 7, fed.Load(), 1)
		ns.net.Heal()
		<-done
		time.Sleep(time.Second)
		require.Len(t, server.take(sp.TypeConnectionData), 100)
	})
}
