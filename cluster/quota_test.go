package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func (n *node) limit(change func(*gateway.Limits)) {
	l := gateway.DefaultLimits()
	change(&l)
	n.limits.Store(&l)
}

// Bounds hold for all nodes together, but for what comes elsewhere within a second.
func TestQuotasHoldOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		for _, n := range ns.list {
			n.limit(func(l *gateway.Limits) { l.MaxConnections, l.MaxHubs = 6, 3 })
		}
		a, b, c := ns.list[0], ns.list[1], ns.list[2]
		try := func(n *node, id, hub string) (*gatewaytest.Client, error) {
			return gatewaytest.TryConnect(t, n.Gateway, gatewaytest.Options{ID: id, Hub: hub})
		}
		must := func(n *node, id, hub string) *gatewaytest.Client {
			t.Helper()
			client, err := try(n, id, hub)
			require.NoError(t, err)
			return client
		}
		refused := func(err error, n *node, hub string) {
			t.Helper()
			require.ErrorIs(t, n.Admit(hub, false), err)
			_, got := try(n, "refused", hub)
			require.ErrorIs(t, got, err)
		}
		known := func() { time.Sleep(1500 * time.Millisecond) }

		first := must(a, "a1", "one")
		must(b, "b1", "two")
		must(c, "c1", "three")
		known()
		refused(gateway.ErrTooManyHubs, a, "four")
		last := must(c, "c2", "one") // a hub that another node has is not one more
		must(c, "c3", "two")
		must(c, "c4", "three")
		known()
		for _, n := range ns.list {
			refused(gateway.ErrTooManyConnections, n, "one")
		}
		first.Leave()
		last.Leave()
		known()
		must(b, "b2", "four") // nobody has a client of the first hub any more
		known()
		refused(gateway.ErrTooManyHubs, a, "one")
		must(a, "a2", "two")
		known()
		refused(gateway.ErrTooManyConnections, a, "two")

		ns.net.Between("c", "", func(f *clustertest.Fault) { f.Cut = true })
		time.Sleep(7 * time.Second) // with the node goes what it had
		must(a, "a3", "two")
	})
}
