package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// Clients come, go, stall and are closed while everything is sent to them. At
// rest the books and the tables must agree, and nobody is left.
func TestBooksBalanceAfterChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 2000 })
		var wg sync.WaitGroup
		for worker := range 6 {
			wg.Go(func() { n.churn(t, worker) })
		}
		wg.Wait()
		n.balanced()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = n.Drain(ctx) // stalled clients are aborted at the end
		n.balanced()
		s := n.Stats()
		closed := uint64(0)
		for _, k := range s.Closed {
			closed += k
		}
		require.Equal(t, s.Opened, closed)
		require.Zero(t, s.Hubs[0].Connections)
		require.Zero(t, s.Hubs[0].QueuedBytes)
		require.Zero(t, s.Backlog)
		require.Zero(t, n.count(all(), ""))
		require.Zero(t, n.count(groups("g0", "g1", "g2"), ""))
		opened, told := 0, 0
		for _, e := range n.backend.Events() {
			switch e[0] {
			case 'o':
				opened++
			case 'c':
				told++
			}
		}
		require.Equal(t, opened, told, "every session that was opened was told of its end")
	})
}

func TestTotalsKeepWhatForgottenHubsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, nil)
		require.Contains(t, n.Stats().Total.Dropped, gateway.DropSlowClient, "every reason is there from the start")
		visit := func(id string) {
			c := n.connect(id, "ann")
			require.NoError(t, c.Feed([]byte("{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e")))
			n.send("hello", all())
			synctest.Wait()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			n.balanced()
		}
		visit("1")
		first := n.Stats()
		require.Len(t, first.Hubs, 1)
		require.Equal(t, first.Hubs[0].Traffic, first.Total)
		require.NotZero(t, first.Total.Written)
		require.NotZero(t, first.Total.MessagesIn)

		time.Sleep(11 * time.Minute)
		n.balanced()
		require.Empty(t, n.Stats().Hubs, "the hub was forgotten")
		require.Equal(t, first.Total, n.Stats().Total)

		visit("2")
		again := n.Stats()
		require.Equal(t, first.Hubs[0].Traffic, again.Hubs[0].Traffic, "the hub began anew")
		require.Equal(t, 2*first.Total.Written, again.Total.Written)
		require.Equal(t, 2*first.Total.BytesOut, again.Total.BytesOut)
		require.Equal(t, 2*first.Total.MessagesIn, again.Total.MessagesIn)
	})
}

func (n *node) churn(t *testing.T, worker int) {
	r := rand.New(rand.NewPCG(1, uint64(worker)))
	var mine []*gatewaytest.Client
	for i := range 400 {
		user, group := fmt.Sprint("u", r.IntN(5)), fmt.Sprint("g", r.IntN(3))
		switch op := r.IntN(10); {
		case op < 3 || len(mine) == 0:
			mine = append(mine, gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{
				ID: fmt.Sprintf("%d-%d", worker, i), Hub: "chat", User: user, Stalled: r.IntN(10) == 0}))
		case op == 3:
			k := r.IntN(len(mine))
			mine[k].Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			mine = append(mine[:k], mine[k+1:]...)
		case op == 4:
			n.do(gateway.Command{Verb: gateway.VerbClose, Target: users(user), Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}})
		case op == 5:
			n.join(group, mine[r.IntN(len(mine))].Conn.Identity().ID)
		case op == 6:
			n.do(gateway.Command{Verb: gateway.VerbLeave, Target: users(user), Group: group})
		case op == 7:
			n.send("to a group", groups(group))
		case op == 8:
			n.send("to a user", users(user))
		default:
			n.send("to all", all())
			_ = mine[r.IntN(len(mine))].Feed([]byte("{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e"))
		}
	}
}
