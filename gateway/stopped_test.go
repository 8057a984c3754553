package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// A client that was let in before the gateway was stopped, and comes after all others were closed, does not stay.
func TestAClientThatComesWhileTheGatewayIsStoppedIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.Stopped = true })
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat"})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.NotNil(t, c.Conn.CloseRequested())
		require.Equal(t, gateway.CloseServiceReload, c.Conn.CloseRequested().Reason)
		require.True(t, c.Conn.CloseRequested().AllowReconnect)
		require.Zero(t, n.count(all(), ""))
	})
}
