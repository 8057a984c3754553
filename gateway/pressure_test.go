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

func TestSlowClient(t *testing.T) {
	t.Run("C41 closed at its bound while the others get everything", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 100 << 10 })
			slow := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "slow", Hub: "chat", Stalled: true})
			fast := n.connect("fast", "")
			text := strings.Repeat("x", 1000)
			for range 200 {
				n.send(text, all())
				synctest.Wait()
			}
			require.Equal(t, gateway.CloseSlowClient, slow.WantEnd(t.Context()).Reason)
			require.Equal(t, 200, strings.Count(strings.Join(fast.Got(), ""), text))
			n.balanced()
			books := n.Stats().Hubs[0].Books
			require.EqualValues(t, 200, books.Written)
			require.EqualValues(t, books.Attempted-200, books.Dropped["SlowClient"])
			require.EqualValues(t, 1, n.Stats().Closed[gateway.CloseSlowClient])
		})
	})
	t.Run("an empty outbox takes one record of any size", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 1000 })
			c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat"})
			synctest.Wait()
			n.send(strings.Repeat("x", 5000), all())
			synctest.Wait()
			n.send(strings.Repeat("y", 5000), all())
			synctest.Wait()
			require.Nil(t, c.Conn.CloseRequested())
			c.Want(t.Context(), "xxx")
		})
	})
}

func TestHubBound(t *testing.T) {
	t.Run("D12 the hub has a bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.limits.HubQueuedBytes = 50 << 10 })
			holder := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "holder", Hub: "chat", User: "h", Stalled: true})
			small := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "small", Hub: "chat", Stalled: true})
			n.send("little", all())
			n.send(strings.Repeat("x", 60<<10), users("h"))
			synctest.Wait()
			step(t, "a send over the bound is refused", func() {
				_, err := n.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: message(t, "no")})
				require.ErrorIs(t, err, gateway.ErrHubBusy)
			})
			step(t, "other hubs are not concerned", func() {
				_, err := n.Do(context.Background(), &gateway.Command{Hub: "other", Verb: gateway.VerbSend, Target: all(), Frames: message(t, "yes")})
				require.NoError(t, err)
			})
			step(t, "the largest holder is closed, the small one stays", func() {
				time.Sleep(5 * time.Second)
				require.Equal(t, gateway.CloseSlowClient, holder.WantEnd(t.Context()).Reason)
				require.Nil(t, small.Conn.CloseRequested())
				n.send("again", all())
				small.Unstall()
				small.Want(t.Context(), "again")
			})
			n.balanced()
		})
	})
}

func TestFullApplication(t *testing.T) {
	invocation := "{\"type\":1,\"invocationId\":\"7\",\"target\":\"a\",\"arguments\":[]}\x1e"
	send := "{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e"
	t.Run("an invocation gets an error, the connection stays", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.backend.Full = func() bool { return true } })
			c := n.connect("1", "")
			require.NoError(t, c.Feed([]byte(invocation)))
			c.Want(t.Context(), `{"type":3,"invocationId":"7","error":"`)
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
	t.Run("a send closes the client as throttled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.backend.Full = func() bool { return true } })
			c := n.connect("1", "")
			require.Error(t, c.Feed([]byte(send)))
			require.Equal(t, gateway.CloseThrottled, c.WantEnd(t.Context()).Reason)
			require.Contains(t, c.Got()[len(c.Got())-1], `"allowReconnect":true`)
		})
	})
	t.Run("a session may make the reader wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var full atomic.Bool
			full.Store(true)
			n := start(t, func(_ *gateway.Options, n *node) {
				n.backend.Full = full.Load
				n.backend.Speaker = gateway.ApplicationSpeaks
			})
			c := n.connect("1", "")
			done := make(chan error, 1)
			go func() { done <- c.Feed([]byte(send + send)) }()
			synctest.Wait()
			require.Empty(t, done, "the reader waits")
			c.Conn.Resume()
			synctest.Wait()
			require.Empty(t, done, "it looks again and waits on")
			full.Store(false)
			c.Conn.Resume()
			require.NoError(t, <-done)
			require.Equal(t, []string{"opened 1", "record 1 ", "record 1 "}, n.backend.Events())
		})
	})
	t.Run("a waiting reader ends with its connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) {
				n.backend.Full = func() bool { return true }
				n.backend.Speaker = gateway.ApplicationSpeaks
			})
			c := n.connect("1", "")
			done := make(chan error, 1)
			go func() { done <- c.Feed([]byte(send)) }()
			synctest.Wait()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			require.Error(t, <-done)
			synctest.Wait()
			require.Equal(t, []string{"opened 1", "closed 1 Normal"}, n.backend.Events())
		})
	})
}
