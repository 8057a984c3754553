package gateway_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// receipt is that of a send, for which so long is waited.
func (n *node) receipt(wait time.Duration, target gateway.Target, frames *hubprotocol.Frames) (gateway.Receipt, bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	r, whole, err := n.Receipt(ctx, &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: target, Frames: frames})
	require.NoError(n.t, err)
	return r, whole
}

func TestReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		r, whole := n.receipt(time.Second, all(), message(t, "m"))
		require.True(t, whole, "nobody is there")
		require.Equal(t, gateway.Receipt{Nodes: 1}, r)
		n.connect("1", "ann")
		n.connect("2", "bob")
		stalled := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "3", Hub: "chat", Stalled: true})
		synctest.Wait()
		r, whole = n.receipt(time.Second, all("2"), message(t, "m"))
		require.True(t, whole)
		require.Equal(t, gateway.Receipt{Matched: 2, Queued: 2, Nodes: 1}, r)
		onlyOwn, err := hubprotocol.NewFrames(map[string][]byte{"own": []byte("x")})
		require.NoError(t, err)
		r, _ = n.receipt(time.Second, users("ann"), onlyOwn)
		require.Equal(t, gateway.Receipt{Matched: 1, NoPayload: 1, Nodes: 1}, r)
		synctest.Wait() // nobody reads it now
		n.limits.Queues.OutboxMaxBytes = 1
		r, _ = n.receipt(time.Second, conns("3"), message(t, "does not fit"))
		require.Equal(t, gateway.Receipt{Matched: 1, Slow: 1, Nodes: 1}, r)
		require.Equal(t, 1, r.Dropped()[gateway.DropSlowClient])
		stalled.Unstall()
		n.balanced()
	})
}

// Other nodes say what came of a send there. One that does not answer in time is missing.
func TestReceiptOfSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &backplane.InProcess{}
		var nodes []*node
		for _, name := range []string{"a", "b", "c"} {
			nodes = append(nodes, start(t, func(o *gateway.Options, _ *node) { o.Node, o.Backplane = name, bus.From(name) }))
		}
		for i, n := range nodes {
			gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: string(rune('1' + i)), Hub: "chat", User: "ann"})
		}
		synctest.Wait()
		r, whole := nodes[0].receipt(time.Second, users("ann"), message(t, "m"))
		require.True(t, whole)
		require.Equal(t, gateway.Receipt{Matched: 3, Queued: 3, Nodes: 3}, r)

		leave, err := bus.Join(deafNode{})
		require.NoError(t, err)
		defer leave()
		began := time.Now()
		r, whole = nodes[0].receipt(300*time.Millisecond, users("ann"), message(t, "m"))
		require.False(t, whole)
		require.Equal(t, 300*time.Millisecond, time.Since(began))
		require.Equal(t, gateway.Receipt{Matched: 3, Queued: 3, Nodes: 3}, r, "it is of those that have answered")
		for _, n := range nodes {
			n.balanced()
		}
	})
}

// deafNode is a node that answers nothing.
type deafNode struct{}

func (deafNode) Name() string                                        { return "deaf" }
func (deafNode) Apply(*gateway.Command, func(gateway.Result, error)) {}
