//go:build unix

package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// faultyFraming is a framing with an error: it panics at records with a certain text.
type faultyFraming struct{ plainFraming }

func (f faultyFraming) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		if bytes.Contains(r.Bytes, []byte("unspeakable")) {
			panic("a record that cannot be framed")
		}
	}
	return f.plainFraming.AppendFrames(dst, records)
}

// gate is a transport whose Wake holds its worker until it is opened, so that what is sent
// meanwhile is one pass.
type gate struct {
	reached, open chan struct{}
	once          sync.Once
}

func (g *gate) Name() string                 { return gateway.WebSockets }
func (g *gate) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (g *gate) Abort(gateway.Cause)          {}
func (g *gate) Wake() {
	g.once.Do(func() {
		close(g.reached)
		<-g.open
	})
}

// A send that panics on the worker is lost alone: what is in the same pass arrives once, at
// everybody, and nothing is held for ever.
func TestAPanicInAPassLosesOneSend(t *testing.T) {
	everyone := func(int) gateway.Target { return all() }
	mixed := func(i int) gateway.Target { return []gateway.Target{all(), all("x"), conns("1", "2", "3")}[i%3] }
	for name, target := range map[string]func(int) gateway.Target{"one wire for all": everyone, "collected": mixed} {
		t.Run(name, func(t *testing.T) {
			n := start(t, func(o *gateway.Options, _ *node) { o.Workers = 1 })
			l := listen(t)
			var clients []net.Conn
			for _, id := range []string{"1", "2", "3"} {
				client, _ := dialWith(t, n.Gateway, l, id, hubprotocol.JSON, faultyFraming{})
				clients = append(clients, client)
			}
			stop := &gate{reached: make(chan struct{}), open: make(chan struct{})}
			held, err := n.Attach(gateway.Identity{ID: "gate", Hub: "other"}, stop)
			require.NoError(t, err)
			defer held.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			held.SendFrame([]byte("x"))
			<-stop.reached
			want := ""
			for i := range 20 {
				text := fmt.Sprint("m", i)
				if i == 7 || i == 13 {
					text = fmt.Sprint("unspeakable", i)
				} else {
					want += `{"type":1,"target":"` + text + "\",\"arguments\":[]}\x1e"
				}
				n.send(text, target(i))
			}
			close(stop.open)
			for _, client := range clients {
				got := make([]byte, len(want))
				_, err := io.ReadFull(client, got)
				require.NoError(t, err)
				require.Equal(t, want, string(got))
			}
			require.Equal(t, 3, n.count(all(), ""), "nobody was closed")
			n.send("after", all())
			for _, client := range clients {
				rest := make([]byte, len("{\"type\":1,\"target\":\"after\",\"arguments\":[]}\x1e"))
				_, err := io.ReadFull(client, rest)
				require.NoError(t, err)
				require.Contains(t, string(rest), "after")
			}
			n.count(all(), "") // the worker has entered everything in the books
			s := n.Stats()
			require.NotZero(t, s.Panics)
			require.Zero(t, s.Backlog)
			require.EqualValues(t, 2*3, s.Total.Dropped[gateway.DropFault])
			require.NoError(t, n.Check())
		})
	}
}

// A transport that panics ends its connection and nobody else's.
func TestAPanicAtOneReceiverEndsItsConnection(t *testing.T) {
	n := start(t, func(o *gateway.Options, _ *node) { o.Workers = 1 })
	good := n.connect("good", "")
	bad := &faultyTransport{}
	conn, err := n.Attach(gateway.Identity{ID: "bad", Hub: "chat"}, bad)
	require.NoError(t, err)
	bad.conn = conn
	_ = conn.Feed([]byte(jsonHandshake)) // it may have ended by then
	last := n.connect("last", "")
	n.send("one", all())
	n.send("two", conns("bad", "last"))
	good.Want(t.Context(), "one")
	last.Want(t.Context(), "one")
	last.Want(t.Context(), "two")
	require.Equal(t, 2, n.count(all(), ""))
	require.Equal(t, gateway.CloseServiceTransientError, conn.CloseRequested().Reason)
	require.NoError(t, n.Check())
	require.Zero(t, n.Stats().Backlog)
}

type faultyTransport struct{ conn *gateway.Conn }

func (*faultyTransport) Name() string                 { return gateway.WebSockets }
func (*faultyTransport) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (*faultyTransport) Wake()                        { panic("no pump") }
func (f *faultyTransport) Abort(cause gateway.Cause)  { f.conn.Ended(cause) }

// Senders and clients of both protocols, direct writes, clients that do not read and small
// outboxes: at rest nothing waits and the books agree.
func TestBooksAreExactWithBothProtocols(t *testing.T) {
	n := start(t, func(_ *gateway.Options, n *node) {
		n.limits.OutboxBytes, n.limits.OutboxMaxBytes = 64<<10, 160<<10
	})
	l := listen(t)
	var sockets []*socket
	var readers sync.WaitGroup
	protocols := []string{hubprotocol.JSON, hubprotocol.MessagePack}
	for i := range 16 {
		client, s := dialWith(t, n.Gateway, l, fmt.Sprint(i), protocols[i%2], plainFraming{})
		sockets = append(sockets, s)
		if i%4 != 3 { // every fourth does not read
			readers.Go(func() { _, _ = io.Copy(io.Discard, client) })
		}
		n.join(fmt.Sprint("g", i%3), fmt.Sprint(i))
	}
	pumped := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "pumped", Hub: "chat", Protocol: hubprotocol.MessagePack})
	var senders sync.WaitGroup
	for worker := range 4 {
		senders.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(worker)))
			for range 400 {
				target := []gateway.Target{all(), groups(fmt.Sprint("g", r.IntN(3))), conns(fmt.Sprint(r.IntN(16)), "pumped")}[r.IntN(3)]
				n.do(gateway.Command{Verb: gateway.VerbSend, Target: target, Frames: either(t, protocols[r.IntN(2)], r.IntN(3000))})
			}
		})
	}
	senders.Wait()
	n.count(all(), "")
	require.Zero(t, n.Stats().Backlog, "bytes wait for workers that have nothing to do")
	for _, s := range sockets {
		s.net.Close()
		s.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
	}
	pumped.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
	require.Zero(t, n.count(all(), ""))
	for _, s := range sockets {
		s.wg.Wait()
	}
	readers.Wait()
	require.NoError(t, n.Check())
	s := n.Stats()
	require.Zero(t, s.Backlog)
	require.Zero(t, s.Hubs[0].QueuedBytes)
	require.Zero(t, s.Panics)
	require.NotZero(t, s.Total.Written)
}
