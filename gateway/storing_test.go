package gateway_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// A record that is being stored is not acknowledged, nothing behind it is read, and the client is not taken
// for dead meanwhile.
func TestReaderWaitsForTheStore(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var storing atomic.Bool
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Full, n.backend.Storing = storing.Load, storing.Load
		})
		c := n.numbered("1", gatewaytest.Options{})
		require.NoError(t, c.SayPing())
		storing.Store(true)
		fed := make(chan error)
		go func() { fed <- c.Feed(slices.Concat(call("a"), call("b"))) }()
		time.Sleep(5 * time.Minute)
		require.Equal(t, []string{"opened 1"}, n.backend.Events())
		require.NotContains(t, heard(c), "ack 1")
		c.Conn.Resume()
		synctest.Wait()
		require.Equal(t, []string{"opened 1"}, n.backend.Events(), "it is handed over again, and is not stored yet")
		storing.Store(false)
		c.Conn.Resume()
		require.NoError(t, <-fed)
		require.Equal(t, []string{"opened 1", "record 1 a", "record 1 b"}, n.backend.Events())
		time.Sleep(2 * time.Second)
		require.Contains(t, heard(c), "ack 2")
		n.balanced()
	})
}

func TestReaderThatWaitsForTheStoreEndsWithItsClient(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) {
			n.backend.Full, n.backend.Storing = func() bool { return true }, func() bool { return true }
		})
		c := n.connect("1", "")
		fed := make(chan error)
		go func() { fed <- c.Feed(call("a")) }()
		synctest.Wait()
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "go away"})
		require.Error(t, <-fed)
		require.Equal(t, "go away", c.WantEnd(t.Context()).Text)
		synctest.Wait()
		require.Contains(t, n.backend.Events(), "closed 1 ClosedByAppServer: go away")
	})
}
