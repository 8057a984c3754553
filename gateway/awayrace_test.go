package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// A client comes back twice at once while something else happens to its connection, and while it is
// being sent to. Whatever comes first, the books balance, and the connection is open or has ended.
func TestAClientComesBackWhileSomethingElseHappens(t *testing.T) {
	cause := gateway.Cause{Reason: gateway.CloseClosedByAppServer}
	for name, other := range map[string]func(n *node, c *gatewaytest.Client){
		"its transport is lost":          func(_ *node, c *gatewaytest.Client) { c.Leave() },
		"a loss is reported twice":       func(_ *node, c *gatewaytest.Client) { c.Conn.Lost(c, cause); c.Conn.Lost(c, cause) },
		"it is closed":                   func(_ *node, c *gatewaytest.Client) { c.Conn.Close(cause) },
		"it has ended":                   func(_ *node, c *gatewaytest.Client) { c.Conn.Ended(cause) },
		"the gateway drains":             drainNow,
		"the pump comes out":             func(_ *node, c *gatewaytest.Client) { c.Release() },
		"the pump fails":                 func(_ *node, c *gatewaytest.Client) { c.Cut(1); c.Release() },
		"more than the hard bound waits": func(n *node, _ *gatewaytest.Client) { n.toAll(large) },
		"its time is over":               func(*node, *gatewaytest.Client) { time.Sleep(31 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) { race(t, rand.New(rand.NewPCG(seed, 1)), other) })
			}
		})
	}
}

// large is more than may wait behind something else.
var large = "large---" + strings.Repeat("x", 9000)

func drainNow(n *node, _ *gatewaytest.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = n.Drain(ctx)
}

// toAll sends without waiting for anybody.
func (n *node) toAll(text string) {
	_, _ = n.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: all(), Frames: mark(n.t, text)})
}

func race(t *testing.T, random *rand.Rand, other func(*node, *gatewaytest.Client)) {
	n := startReturning(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes, n.limits.OutboxMaxBytes = 8000, 8000 })
	kinds := []gatewaytest.Options{{Raw: true}, {}, {Transport: gateway.ServerSentEvents}, {Transport: gateway.LongPolling}}
	kind := func() gatewaytest.Options { return kinds[random.IntN(len(kinds))] }
	c := n.returning("1", kind())
	n.marks("a", "b")
	if random.IntN(2) == 0 {
		c.Hold()
	}
	n.toAll("c")
	if random.IntN(2) == 0 {
		c.Leave()
	}
	synctest.Wait()
	var wg sync.WaitGroup
	for _, o := range []gatewaytest.Options{kind(), kind()} {
		wg.Go(func() {
			_, err := c.Return(o, "a")
			if err != nil {
				require.ErrorIs(t, err, gateway.ErrConnectionEnded)
			}
		})
	}
	wg.Go(func() { other(n, c) })
	wg.Go(func() {
		for i := range 5 {
			n.toAll(fmt.Sprint("more ", i))
		}
	})
	wg.Wait()
	n.balanced()
	last := c.Conn.Transport().(*gatewaytest.Client)
	if c.Conn.CloseRequested() != nil {
		time.Sleep(time.Minute) // a pump that is held, a transport that cannot be closed early
		n.balanced()
		require.Zero(t, n.Connections("chat"))
		return
	}
	if c.Conn.IsAway() {
		last = n.back(last, gatewaytest.Options{}, "a")
	}
	n.balanced()
	small := slices.DeleteFunc(last.Texts(), func(text string) bool { return text == large })
	require.Equal(t, []string{"b", "c", "more 0", "more 1", "more 2", "more 3", "more 4"}, small)
	require.Zero(t, n.Stats().Hubs[0].Queued)
}
