//go:build unix

package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// socket is a transport on a real TCP connection whose framing is the records
// one after another.
type socket struct {
	net     *net.TCPConn
	raw     syscall.RawConn
	framing gateway.Framing
	manner  gateway.Manner // of a client that may come back
	numbers bool           // it has stateful reconnect
	conn    *gateway.Conn
	wg      sync.WaitGroup
}

type plainFraming struct{}

func (plainFraming) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		dst = append(dst, r.Bytes...)
	}
	return dst
}

func (s *socket) Name() string              { return gateway.WebSockets }
func (s *socket) Abort(cause gateway.Cause) { s.net.Close() }
func (s *socket) Abilities() gateway.Abilities {
	return gateway.Abilities{Returns: s.manner != nil, Numbers: s.numbers}
}
func (s *socket) Manner() gateway.Manner   { return s.manner }
func (s *socket) Raw() syscall.RawConn     { return s.raw }
func (s *socket) Framing() gateway.Framing { return s.framing }
func (s *socket) Wake()                    { s.wg.Go(s.pump) }

func (s *socket) pump() {
	var b gateway.Batch
	for s.conn.Take(&b, 64<<10) {
		_, err := s.net.Write(plainFraming{}.AppendFrames(bytes.Clone(b.Tail), b.Records))
		s.conn.Wrote(&b, err)
		if b.End != nil {
			s.net.Close()
			s.conn.Ended(*b.End)
			return
		}
	}
}

// dial attaches a client on a real connection and returns the client's end,
// its handshake answer already read.
func dial(t testing.TB, g *gateway.Gateway, l net.Listener, id string) (net.Conn, *socket) {
	return dialWith(t, g, l, id, hubprotocol.JSON, plainFraming{})
}

func dialWith(t testing.TB, g *gateway.Gateway, l net.Listener, id, protocol string, framing gateway.Framing) (net.Conn, *socket) {
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	s := &socket{net: server.(*net.TCPConn), framing: framing}
	s.raw, err = s.net.SyscallConn()
	require.NoError(t, err)
	answer := make([]byte, 3)
	s.numbers = protocol == numberedJSON
	if protocol == gatewaytest.Marked {
		s.manner, answer = gatewaytest.Manner{}, make([]byte, len(gatewaytest.Init))
	}
	s.conn, err = g.Attach(gateway.Identity{ID: id, Hub: "chat"}, s)
	require.NoError(t, err)
	if s.numbers {
		// It has acknowledged everything that it will ever get.
		require.NoError(t, s.conn.FeedFor(s, hubprotocol.AppendHandshakeRequest(nil, hubprotocol.JSON, 2)))
		require.NoError(t, s.conn.FeedFor(s, hubprotocol.AppendAck(nil, hubprotocol.JSON, 1<<40)))
	} else if s.manner != nil {
		require.NoError(t, s.conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: protocol}}))
	} else {
		require.NoError(t, s.conn.Feed([]byte(`{"protocol":"`+protocol+"\",\"version\":1}\x1e")))
	}
	_, err = io.ReadFull(client, answer)
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		server.Close()
		s.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		s.wg.Wait()
	})
	return client, s
}

// numberedJSON stands for a client of JSON with stateful reconnect.
const numberedJSON = "numbered"

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// A client that reads nothing until everything was sent must get all of it,
// in order: first by direct writes, then through the pump, then directly again.
func TestDirectWritesAndPumpKeepOrder(t *testing.T) {
	n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes = 64 << 20 })
	client, _ := dial(t, n.Gateway, listen(t), "1")
	var want bytes.Buffer
	for i := range 3000 {
		text := strings.Repeat("x", 1000) + string(rune('a'+i%26))
		n.send(text, []gateway.Target{all(), conns("1")}[i%2])
		want.WriteString(`{"type":1,"target":"` + text + "\",\"arguments\":[]}\x1e")
	}
	got := make([]byte, want.Len())
	_, err := io.ReadFull(client, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Bytes(), got))
	n.count(all(), "") // the worker has finished
	require.NoError(t, client.Close())
}

// What a broadcast allocates does not depend on how many receivers it has.
func TestFanOutAllocatesNothingPerReceiver(t *testing.T) {
	if testing.Short() {
		t.Skip("it counts allocations, for which the race detector takes long")
	}
	single, burst := broadcastAllocations(t, 100, hubprotocol.JSON, nil)
	single2, burst2 := broadcastAllocations(t, 200, hubprotocol.JSON, nil)
	require.InDelta(t, single, single2, 1, "allocations of one broadcast to 100 and to 200 receivers")
	require.InDelta(t, burst, burst2, 4, "allocations of 16 broadcasts to 100 and to 200 receivers")
	require.Less(t, single, 20.0, "allocations of one broadcast")

	kept, keptBurst := broadcastAllocations(t, 100, gatewaytest.Marked, nil)
	kept2, keptBurst2 := broadcastAllocations(t, 200, gatewaytest.Marked, nil)
	require.InDelta(t, kept, kept2, 1, "also to those for whom it is kept")
	require.InDelta(t, keptBurst, keptBurst2, 4, "also of 16 of them")
	require.InDelta(t, single, kept, 1, "to keep it costs nothing")

	numbered, numberedBurst := broadcastAllocations(t, 100, numberedJSON, nil)
	numbered2, numberedBurst2 := broadcastAllocations(t, 200, numberedJSON, nil)
	require.InDelta(t, numbered, numbered2, 1, "also to those whose records are numbered")
	require.InDelta(t, numberedBurst, numberedBurst2, 4, "also of 16 of them")
	require.InDelta(t, single, numbered, 1, "to number it costs nothing")

	followed, followedBurst := broadcastAllocations(t, 100, hubprotocol.JSON, follower{})
	followed2, followedBurst2 := broadcastAllocations(t, 200, hubprotocol.JSON, follower{})
	require.InDelta(t, followed, followed2, 1, "also of one that somebody follows")
	require.InDelta(t, followedBurst, followedBurst2, 4, "also of 16 of them")
	require.Less(t, followed, single+4, "a report costs as much, whoever the receivers are")
}

// follower follows all sends.
type follower struct{}

func (follower) FollowSend(*gateway.Command) func(gateway.SendReport) {
	return func(gateway.SendReport) {}
}
func (follower) Unheard(*gateway.Command)            {}
func (follower) Opened(*gateway.Conn)                {}
func (follower) Closed(*gateway.Conn, gateway.Cause) {}

// broadcastAllocations counts what one broadcast and what 16 together allocate.
func broadcastAllocations(t *testing.T, receivers int, protocol string, observer gateway.Observer) (single, burst float64) {
	n := start(t, func(o *gateway.Options, _ *node) { o.Observer = observer })
	l := listen(t)
	for i := range receivers {
		client, _ := dialWith(t, n.Gateway, l, fmt.Sprint(receivers, "-", i), protocol, plainFraming{})
		go func() { // ends with the socket
			buf := make([]byte, 4096)
			for {
				if _, err := client.Read(buf); err != nil {
					return
				}
			}
		}()
	}
	cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: mark(t, "hello")}
	barrier := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: all()}
	do := func(c *gateway.Command) {
		_, err := n.Do(t.Context(), c)
		require.NoError(t, err)
	}
	for range 300 { // what is kept has its full size
		do(cmd)
	}
	do(barrier)
	single = leastAllocations(func() { do(cmd); do(barrier) })
	burst = leastAllocations(func() {
		for range 16 {
			do(cmd)
		}
		do(barrier)
	})
	return single, burst
}

// leastAllocations counts what f allocates. What others allocate meanwhile, such as the sweeper, only adds:
// the least of several counts has the least of it.
func leastAllocations(f func()) float64 {
	least := testing.AllocsPerRun(10, f)
	for range 9 {
		least = min(least, testing.AllocsPerRun(10, f))
	}
	return least
}

// BenchmarkFanOut measures what a delivery costs besides its write.
func BenchmarkFanOut(b *testing.B) {
	for name, protocol := range map[string]string{"one worker": hubprotocol.JSON, "one worker, to clients that may come back": gatewaytest.Marked, "one worker, with stateful reconnect": numberedJSON} {
		b.Run(name, func(b *testing.B) {
			g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, Workers: 1})
			require.NoError(b, err)
			b.Cleanup(g.Close)
			l := listen(b)
			const receivers = 500
			for i := range receivers {
				client, _ := dialWith(b, g, l, strings.Repeat("x", i+1), protocol, plainFraming{})
				go io.Copy(io.Discard, client)
			}
			cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: mark(b, strings.Repeat("x", 100))}
			barrier := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: conns("x")}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N/receivers + 1 {
				_, _ = g.Do(b.Context(), cmd)
				_, _ = g.Do(b.Context(), barrier)
			}
		})
	}
}

// What a pass collects for a client that reads may be more than its hard bound.
func TestABurstClosesNoClientThatReads(t *testing.T) {
	for _, protocol := range []string{hubprotocol.JSON, hubprotocol.MessagePack} {
		t.Run(protocol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := start(t, func(o *gateway.Options, n *node) {
					o.Workers = 1
					n.limits.OutboxBytes, n.limits.OutboxMaxBytes = 8<<10, 8<<10
				})
				c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Raw: true, Protocol: protocol})
				n.join("g", "1")
				held := &gate{reached: make(chan struct{}), open: make(chan struct{})}
				conn, err := n.Attach(gateway.Identity{ID: "gate", Hub: "other"}, held)
				require.NoError(t, err)
				defer conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
				conn.SendFrame([]byte("x"))
				<-held.reached
				for i := range 100 { // one pass
					n.send(strings.Repeat("x", 1000), []gateway.Target{all(), groups("g")}[i%2])
				}
				close(held.open)
				synctest.Wait()
				require.Nil(t, c.Conn.CloseRequested())
				require.Equal(t, 100, strings.Count(strings.Join(c.Got(), ""), strings.Repeat("x", 1000)))
				n.balanced()
			})
		})
	}
}
