package backplane_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store"
)

// inProcess connects nodes of one process, in a synctest bubble.
func inProcess() gatewaytest.Backplanes {
	bus := &backplane.InProcess{}
	return gatewaytest.Backplanes{
		New:        func(_ *testing.T, node string) gateway.Backplane { return bus.From(node) },
		UserGroups: store.NewMemory(store.MemoryOptions{}),
		Meet:       func(*testing.T, ...*gateway.Gateway) {},
		Settle:     func(*testing.T, ...*gateway.Gateway) { synctest.Wait() },
		Sleep:      time.Sleep,
	}
}

func TestEveryVerbOnTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { gatewaytest.TestBackplanes(t, inProcess()) })
}

func TestTwoNodesOfOneName(t *testing.T) { gatewaytest.TestOneName(t, inProcess()) }
