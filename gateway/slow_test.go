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

func (n *node) stalled(id string) *gatewaytest.Client {
	c := gatewaytest.Connect(n.t, n.Gateway, gatewaytest.Options{ID: id, Hub: "chat", Stalled: true})
	return c
}

func TestD17SoftBound(t *testing.T) {
	begin := func(t *testing.T) (*node, *gatewaytest.Client) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.limits.OutboxBytes = 100 << 10
		})
		c := n.stalled("1")
		n.send(strings.Repeat("x", 200<<10), all())
		synctest.Wait()
		return n, c
	}
	t.Run("a burst over it is taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			time.Sleep(28 * time.Second)
			require.Nil(t, c.Conn.CloseRequested())
			c.Unstall()
			time.Sleep(time.Minute)
			require.Nil(t, c.Conn.CloseRequested())
			c.Want(t.Context(), "xxx")
			n.balanced()
		})
	})
	t.Run("over it for too long is slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			time.Sleep(32 * time.Second)
			require.Equal(t, gateway.CloseSlowClient, c.WantEnd(t.Context()).Reason)
			n.balanced()
		})
	})
	t.Run("who can wait is told when it is below again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, c := begin(t)
			require.True(t, c.Conn.Over())
			drained := c.Conn.Drained()
			select {
			case <-drained:
				t.Fatal("it is over its bound")
			default:
			}
			c.Unstall()
			<-drained
			require.False(t, c.Conn.Over())
			<-c.Conn.Drained()
			n.balanced()
		})
	})
	t.Run("who waits is told of the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c := begin(t)
			drained := c.Conn.Drained()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			<-drained
		})
	})
}

func TestD17NodeBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.QueuedBytes = 300 << 10 })
		holder, small := n.stalled("holder"), n.stalled("small")
		n.send(strings.Repeat("x", 100<<10), all())
		began := time.Now()
		n.send(strings.Repeat("x", 150<<10), conns("holder"))
		require.Equal(t, gateway.CloseSlowClient, holder.WantEnd(t.Context()).Reason)
		require.Zero(t, time.Since(began), "at once: a second of broadcasts may be many times the bound")
		require.Nil(t, small.Conn.CloseRequested())
		n.balanced()
	})
}
