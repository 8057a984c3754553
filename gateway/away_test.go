package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// mark is a message that clients of both kinds can read; its cursor is its text.
func mark(t testing.TB, text string) *hubprotocol.Frames {
	f, err := hubprotocol.NewFrames(map[string][]byte{
		hubprotocol.JSON:   fmt.Appendf(nil, "{\"type\":1,\"target\":%q,\"arguments\":[]}\x1e", text),
		gatewaytest.Marked: gatewaytest.MarkedRecord(text[:min(len(text), 8)], text),
	})
	require.NoError(t, err)
	return f
}

func startReturning(t *testing.T, change func(*gateway.Options, *node)) *node {
	return start(t, func(o *gateway.Options, n *node) {
		n.backend.Speaker = gateway.ApplicationSpeaks
		if change != nil {
			change(o, n)
		}
	})
}

// returning connects a client that may come back.
func (n *node) returning(id string, o gatewaytest.Options) *gatewaytest.Client {
	o.ID, o.Hub, o.Returns = id, "chat", true
	return gatewaytest.Connect(n.t, n.Gateway, o)
}

// marks sends messages to all, each after the one before has arrived where it can.
func (n *node) marks(texts ...string) {
	n.t.Helper()
	for _, text := range texts {
		n.do(gateway.Command{Verb: gateway.VerbSend, Target: all(), Frames: mark(n.t, text)})
		synctest.Wait()
	}
}

// back lets a client come back.
func (n *node) back(c *gatewaytest.Client, o gatewaytest.Options, cursor string) *gatewaytest.Client {
	n.t.Helper()
	next, err := c.Return(o, cursor)
	require.NoError(n.t, err)
	synctest.Wait()
	return next
}

// returningKinds are the transports that a client may have.
var returningKinds = map[string]gatewaytest.Options{
	"a WebSocket that workers write to": {Raw: true},
	"a WebSocket with a pump":           {},
	"events":                            {Transport: gateway.ServerSentEvents},
	"polling":                           {Transport: gateway.LongPolling},
}

// eachKind runs a test for each pair of transports: the one that is lost, and the next.
func eachKind(t *testing.T, test func(t *testing.T, before, next gatewaytest.Options)) {
	for from, before := range returningKinds {
		for to, next := range returningKinds {
			bubble(t, from+", then "+to, func(t *testing.T) { test(t, before, next) })
		}
	}
}

func TestAClientThatComesBackMissesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := startReturning(t, nil)
		c := n.returning("1", before)
		n.join("g", "1")
		n.marks("a", "b", "c")
		require.Equal(t, []string{"a", "b", "c"}, c.Texts())
		c.Leave()
		synctest.Wait()
		require.True(t, c.Conn.IsAway())
		require.True(t, c.Conn.IsOpen())
		require.Equal(t, 1, n.Stats().Hubs[0].Away)
		n.marks("d", "e")
		n.do(gateway.Command{Verb: gateway.VerbSend, Target: groups("g"), Frames: mark(t, "f")})
		n.balanced()
		require.Equal(t, uint64(3), n.Stats().Hubs[0].Queued)

		// What is in the sockets when they break is lost: the client has read the first only.
		c = n.back(c, next, "a")
		require.False(t, c.Conn.IsAway())
		require.Equal(t, []string{"b", "c", "d", "e", "f"}, c.Texts())
		n.marks("g")
		require.Equal(t, []string{"b", "c", "d", "e", "f", "g"}, c.Texts())
		n.balanced()
		books := n.Stats().Hubs[0].Books
		require.Equal(t, uint64(7), books.Written, "what is given again is no second delivery")
		require.Zero(t, books.Queued)
		require.Equal(t, []string{"opened 1", "returned 1"}, n.backend.Events())
	})
}

func TestAClientMayComeBackBeforeItsLossIsNoticed(t *testing.T) {
	eachKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := startReturning(t, nil)
		first := n.returning("1", before)
		n.marks("a", "b")
		c := n.back(first, next, "a")
		require.True(t, first.Aborted())
		require.Equal(t, gateway.Replaced, first.WantEnd(t.Context()))
		require.Equal(t, []string{"b"}, c.Texts())
		n.marks("c")
		require.Equal(t, []string{"b", "c"}, c.Texts())
		require.Equal(t, []string{"a", "b"}, first.Texts())
		require.Same(t, c, c.Conn.Transport())
		n.balanced()
	})
}

func TestAClientMayComeBackSeveralTimes(t *testing.T) {
	eachKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := startReturning(t, nil)
		c := n.returning("1", before)
		n.marks("a", "b")
		for _, o := range []gatewaytest.Options{next, before, next} {
			o.Stalled = true
			c = n.back(c, o, "a")
			n.marks("more")
		}
		c = n.back(c, before, "a")
		require.Equal(t, []string{"b", "more", "more", "more"}, c.Texts())
		n.balanced()
		require.Equal(t, []string{"opened 1", "returned 1", "returned 1", "returned 1", "returned 1"}, n.backend.Events())
	})
}

// The pump is inside a batch when the client comes back. Whatever becomes of the batch has no effect.
func TestABatchOfALostTransportIsGivenAgain(t *testing.T) {
	for read := range 4 {
		for _, noticed := range []bool{false, true} {
			bubble(t, fmt.Sprintf("%d records arrived, the loss was noticed: %v", read, noticed), func(t *testing.T) {
				n := startReturning(t, nil)
				c := n.returning("1", gatewaytest.Options{Stalled: true})
				n.marks("a", "b", "c")
				c.Hold()
				c.Unstall()
				synctest.Wait()
				require.True(t, c.Inside())
				n.marks("d")
				cursor := "0"
				if read > 0 {
					cursor = []string{"a", "b", "c"}[read-1]
				}
				if noticed {
					c.Cut(read)
					c.Release()
					synctest.Wait()
					require.True(t, c.Conn.IsAway())
					n.balanced()
					require.Equal(t, uint64(4), n.Stats().Hubs[0].Queued, "what was not written is not lost")
				}
				next := n.back(c, gatewaytest.Options{}, cursor)
				require.Equal(t, []string{"a", "b", "c", "d"}[read:], next.Texts())
				c.Release()
				n.balanced()
				books := n.Stats().Hubs[0].Books
				require.Equal(t, uint64(4), books.Written)
				require.Zero(t, books.QueuedBytes)
				n.marks("e")
				require.Equal(t, []string{"a", "b", "c", "d", "e"}[read:], next.Texts())
			})
		}
	}
}

// A socket has taken a part of a record, and the pump has the rest or has not.
func TestAPartOfARecordIsGivenAgainWhole(t *testing.T) {
	for _, held := range []bool{false, true} {
		bubble(t, fmt.Sprintf("the pump is inside: %v", held), func(t *testing.T) {
			n := startReturning(t, nil)
			c := n.returning("1", gatewaytest.Options{Raw: true})
			n.marks("a")
			c.Stall()
			large := "large---" + strings.Repeat("x", 600<<10)
			n.marks(large, "b")
			if held {
				c.Hold()
				c.Unstall()
				synctest.Wait()
				require.True(t, c.Inside())
			}
			require.NotZero(t, n.Stats().Hubs[0].Queued)
			next := n.back(c, gatewaytest.Options{Raw: true}, "a")
			require.Equal(t, []string{large, "b"}, next.Texts())
			c.Release()
			n.balanced()
			require.Equal(t, uint64(3), n.Stats().Hubs[0].Written)
			require.Zero(t, n.Stats().Hubs[0].QueuedBytes)
		})
	}
}

// A worker finds the socket broken before the transport does.
func TestAWriteThatFailsIsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Raw: true})
		n.marks("a")
		c.BreakRaw()
		n.marks("b", "c")
		require.True(t, c.Aborted())
		require.True(t, c.Conn.IsAway())
		n.balanced()
		next := n.back(c, gatewaytest.Options{}, "a")
		require.Equal(t, []string{"b", "c"}, next.Texts())
		n.balanced()
	})
}

// What is no delivery means nothing to the transport with which a client comes back.
func TestPingsAreNotHeldForAClientThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Stalled: true})
		synctest.Wait()
		ping := gatewaytest.MarkedRecord("", "ping")
		c.Conn.SendControl(ping)
		c.Leave()
		synctest.Wait()
		before := n.Stats().Hubs[0].QueuedBytes
		c.Conn.SendControl(ping)
		c.Conn.SendFrameFor(c, ping)
		synctest.Wait()
		require.Equal(t, before, n.Stats().Hubs[0].QueuedBytes)
		next := n.back(c, gatewaytest.Options{}, "0")
		require.Empty(t, next.Got())
		n.balanced()
	})
}

// Whatever a former transport does has no effect.
func TestAFormerTransportHasNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		former := n.returning("1", gatewaytest.Options{Transport: gateway.LongPolling})
		conn := former.Conn
		n.marks("a")
		conn.DetachedFor(former)
		time.Sleep(gatewaytest.MarkedAway - 2*time.Second)
		c := n.back(former, gatewaytest.Options{Transport: gateway.LongPolling, Stalled: true}, "a")
		n.marks("b")
		var batch gateway.Batch
		require.False(t, conn.TakeFor(former, &batch, 100), "it takes nothing")
		conn.Lost(former, gateway.Cause{Reason: gateway.CloseNormal})
		require.False(t, conn.IsAway())
		conn.DetachedFor(former)
		conn.SendFrameFor(former, []byte("a frame of its own"))
		conn.HeardFor(former)
		time.Sleep(2 * gatewaytest.MarkedAway)
		require.Nil(t, conn.CloseRequested(), "its last poll is nobody's any more")
		conn.DetachedFor(c)
		conn.AttachedFor(former)
		c.Unstall()
		synctest.Wait()
		require.Equal(t, []string{"b"}, c.Texts())
		time.Sleep(2 * gatewaytest.MarkedAway)
		require.Equal(t, gateway.CloseDisconnectTimeout, conn.CloseRequested().Reason)
		n.balanced()
	})
}

func TestFallBack(t *testing.T) {
	eachKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := startReturning(t, nil)
		c := n.returning("1", before)
		n.marks("a")
		second, err := c.FallBack(next)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, string(gatewaytest.Init), second.Got()[0])
		require.Equal(t, []string{"a"}, second.Texts())
		n.balanced()
		require.Equal(t, []string{"opened 1"}, n.backend.Events(), "it was never away")
	})
}

// The connection has ended and its hub is forgotten when pumps come out of their sockets.
func TestPumpsThatComeOutLateChangeNoBooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		first := n.returning("1", gatewaytest.Options{Transport: gateway.LongPolling, Stalled: true})
		n.marks("a", "b")
		conn := first.Conn
		var former, last gateway.Batch
		require.True(t, conn.TakeFor(first, &former, 1))
		second := n.back(first, gatewaytest.Options{Transport: gateway.LongPolling, Stalled: true}, "0")
		require.True(t, conn.TakeFor(second, &last, 1))
		second.Leave()
		conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
		time.Sleep(gateway.EmptyHubLife + time.Minute)
		require.Empty(t, n.Stats().Hubs)
		conn.Wrote(&former, nil)
		conn.Wrote(&last, nil)
		n.balanced()
		require.Equal(t, uint64(2), n.Stats().Total.Dropped[gateway.DropConnectionClosed])
	})
}

// witnessAway hears of clients that are away.
type witnessAway struct {
	follower
	n *node
}

func (w witnessAway) Lost(c *gateway.Conn, cause gateway.Cause) {
	w.n.backend.OnRecord(c, gateway.Record{Body: []byte("lost " + string(cause.Reason))})
}

func (w witnessAway) Returned(c *gateway.Conn) {
	w.n.backend.OnRecord(c, gateway.Record{Body: []byte("returned " + c.Transport().Name())})
}

func TestWhoObservesHearsOfClientsThatAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard []string
		n := startReturning(t, func(o *gateway.Options, n *node) {
			n.backend.OnRecord = func(_ *gateway.Conn, r gateway.Record) { heard = append(heard, string(r.Body)) }
			o.Observer = witnessAway{n: n}
		})
		c := n.returning("1", gatewaytest.Options{})
		c.Leave()
		synctest.Wait()
		n.back(c, gatewaytest.Options{Transport: gateway.LongPolling}, "0")
		require.Equal(t, []string{"lost Normal", "returned LongPolling"}, heard)
	})
}
