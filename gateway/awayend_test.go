package gateway_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestTheEndOfAClientThatIsAway(t *testing.T) {
	begin := func(t *testing.T, change func(*gateway.Options, *node)) (*node, *gatewaytest.Client) {
		n := startReturning(t, change)
		c := n.returning("1", gatewaytest.Options{})
		n.marks("a")
		c.Leave()
		synctest.Wait()
		require.True(t, c.Conn.IsAway())
		return n, c
	}
	gone := func(t *testing.T, n *node, c *gatewaytest.Client, why gateway.CloseReason) {
		t.Helper()
		synctest.Wait()
		require.NotNil(t, c.Conn.CloseRequested())
		require.Equal(t, why, c.Conn.CloseRequested().Reason)
		require.Zero(t, n.Connections("chat"))
		require.Equal(t, uint64(1), n.Stats().Closed[why])
		_, err := c.Return(gatewaytest.Options{}, "a")
		require.ErrorIs(t, err, gateway.ErrConnectionEnded)
		events := n.backend.Events()
		require.Contains(t, events[len(events)-1], "closed 1 "+string(why))
		n.balanced()
	}
	bubble(t, "it does not come back in time", func(t *testing.T) {
		n, c := begin(t, nil)
		time.Sleep(29 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		n.marks("b")
		time.Sleep(3 * time.Second)
		gone(t, n, c, gateway.CloseDisconnectTimeout)
		require.Equal(t, uint64(1), n.Stats().Total.Dropped[gateway.DropConnectionClosed])
	})
	bubble(t, "its time begins with the loss, not with the last poll", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Transport: gateway.LongPolling})
		c.Conn.DetachedFor(c)
		time.Sleep(20 * time.Second)
		c.Leave()
		time.Sleep(28 * time.Second)
		require.True(t, c.Conn.IsAway())
		time.Sleep(4 * time.Second)
		gone(t, n, c, gateway.CloseDisconnectTimeout)
	})
	bubble(t, "it is closed", func(t *testing.T) {
		n, c := begin(t, nil)
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
		gone(t, n, c, gateway.CloseClosedByAppServer)
	})
	bubble(t, "it is closed by verb", func(t *testing.T) {
		n, c := begin(t, nil)
		require.Equal(t, 1, n.do(gateway.Command{Verb: gateway.VerbClose, Target: conns("1"), Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}}).Matched)
		gone(t, n, c, gateway.CloseClosedByAppServer)
	})
	bubble(t, "the transport ends it", func(t *testing.T) {
		n, c := begin(t, nil)
		c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		gone(t, n, c, gateway.CloseNormal)
	})
	bubble(t, "drain", func(t *testing.T) {
		n, c := begin(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, n.Drain(ctx))
		gone(t, n, c, gateway.CloseServiceReload)
	})
	bubble(t, "the gateway closes", func(t *testing.T) {
		n, c := begin(t, nil)
		n.Close()
		gone(t, n, c, gateway.CloseServiceReload)
	})
	bubble(t, "its authentication ends", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Identity: gateway.Identity{CloseAt: time.Now().Add(10 * time.Second)}})
		c.Leave()
		time.Sleep(12 * time.Second)
		gone(t, n, c, gateway.CloseUnauthorized)
	})
	bubble(t, "more than the hard bound waits", func(t *testing.T) {
		n, c := begin(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 2000 })
		n.marks(strings.Repeat("b", 1500))
		require.Nil(t, c.Conn.CloseRequested())
		n.marks(strings.Repeat("c", 1500))
		gone(t, n, c, gateway.CloseSlowClient)
		require.Equal(t, uint64(2), n.Stats().Total.Dropped[gateway.DropSlowClient])
	})
	bubble(t, "more than the soft bound waits for too long", func(t *testing.T) {
		n := startReturning(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes = 1000 })
		c := n.returning("1", gatewaytest.Options{Stalled: true})
		n.marks(strings.Repeat("b", 1500))
		time.Sleep(10 * time.Second)
		c.Leave()
		synctest.Wait()
		require.True(t, c.Conn.Over())
		time.Sleep(22 * time.Second)
		gone(t, n, c, gateway.CloseSlowClient)
	})
	bubble(t, "more than the hub's bound waits", func(t *testing.T) {
		n, c := begin(t, func(_ *gateway.Options, n *node) { n.limits.HubQueuedBytes = 2000 })
		n.marks(strings.Repeat("b", 1500), strings.Repeat("c", 1500))
		time.Sleep(5 * time.Second)
		gone(t, n, c, gateway.CloseSlowClient)
	})
	bubble(t, "more than the node's bound waits", func(t *testing.T) {
		n, c := begin(t, func(_ *gateway.Options, n *node) { n.limits.QueuedBytes = 2000 })
		n.marks(strings.Repeat("b", 1500), strings.Repeat("c", 1500))
		gone(t, n, c, gateway.CloseSlowClient)
	})
}

func TestAPolledClientThatDoesNotPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Transport: gateway.LongPolling})
		c.Conn.DetachedFor(c)
		time.Sleep(29 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		time.Sleep(3 * time.Second)
		require.Equal(t, gateway.CloseDisconnectTimeout, c.WantEnd(t.Context()).Reason)
		n.balanced()
	})
}

// A client that is being ended is not away: what it is told is on its way.
func TestALossBehindACloseIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Stalled: true})
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
		synctest.Wait()
		_, err := c.Return(gatewaytest.Options{}, "0")
		require.ErrorIs(t, err, gateway.ErrConnectionEnded)
		c.Leave()
		synctest.Wait()
		require.Zero(t, n.Connections("chat"))
		require.Equal(t, uint64(1), n.Stats().Closed[gateway.CloseClosedByAppServer])
		n.balanced()
	})
}

func TestATransportThatDoesNotReturnIsNotReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := n.connect("1", "")
		_, err := c.Return(gatewaytest.Options{}, "0")
		require.ErrorIs(t, err, gateway.ErrConnectionEnded)
		require.Nil(t, c.Conn.CloseRequested())
		c.Conn.Lost(c, gateway.Cause{Reason: gateway.CloseNormal})
		synctest.Wait()
		require.Zero(t, n.Connections("chat"), "for such a connection Lost is Ended")
	})
}
