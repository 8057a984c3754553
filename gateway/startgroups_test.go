package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// A client is in the groups that it starts with as soon as it is a receiver, and leaves them as it
// leaves all others.
func TestGroupsThatAClientStartsWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{
			ID: "1", Hub: "chat", User: "ann", Identity: gateway.Identity{Groups: []string{"red", "blue", "red"}},
		})
		anonymous := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "2", Hub: "chat", Identity: gateway.Identity{Groups: []string{"red"}}})
		synctest.Wait()
		require.Equal(t, 2, n.count(groups("red"), ""))
		require.Equal(t, 1, n.count(groups("blue"), ""))
		require.NoError(t, n.RemoveUserFromAllGroups(context.Background(), "chat", "ann"))
		require.Equal(t, 1, n.count(groups("red"), ""))
		anonymous.Leave()
		c.Leave()
		synctest.Wait()
		require.Zero(t, n.count(groups("red", "blue"), ""))
		n.balanced()
	})
}

// N5: the other nodes know these groups before the application knows of the client.
func TestN5GroupsThatAClientStartsWithAreKnownBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, others := startTold(t, nil)
		others.hold(true)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", User: "ann", Identity: gateway.Identity{Groups: []string{"red"}}})
		others.acknowledge()
		require.Equal(t, 1, others.list()["group red"])
		require.Empty(t, n.backend.Events())
		others.acknowledge()
		require.NotEmpty(t, n.backend.Events())
		require.Equal(t, 1, n.count(groups("red"), ""))
		c.Leave()
		synctest.Wait()
		require.Empty(t, others.list())
	})
}
