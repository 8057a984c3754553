package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Clients of all transports and protocols come, go, stall and are closed while senders of all
// protocols send everything to them. At rest the books and the tables agree, and nobody is left.
func TestBooksBalanceAfterChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes, n.limits.OutboxMaxBytes = 1500, 2000 })
		var wg sync.WaitGroup
		for worker := range 6 {
			c := churn{
				node: n, worker: worker, random: rand.New(rand.NewPCG(1, uint64(worker))),
				left: make(map[*gateway.Conn][]leaving),
			}
			wg.Go(func() {
				for i := range 400 {
					c.step(i)
				}
				c.twice()
			})
		}
		wg.Wait()
		n.balanced()
		require.Zero(t, n.Stats().Backlog, "bytes wait for workers that have nothing to do")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = n.Drain(ctx) // stalled clients are aborted at the end
		n.balanced()
		n.nobodyIsLeft()
	})
}

// nobodyIsLeft checks the tables and the books of a node that was drained.
func (n *node) nobodyIsLeft() {
	t := n.t
	s := n.Stats()
	require.Equal(t, s.Opened, sum(s.Closed))
	require.Zero(t, s.Hubs[0].Connections)
	require.Zero(t, s.Hubs[0].QueuedBytes)
	require.Zero(t, s.Backlog)
	require.Zero(t, s.Unfinished)
	require.Zero(t, s.Panics)
	require.Zero(t, n.count(all(), ""))
	require.Zero(t, n.count(groups("g0", "g1", "g2"), ""))
	for _, why := range []gateway.DropReason{gateway.DropSlowClient, gateway.DropConnectionClosed, gateway.DropNoPayloadForProtocol} {
		require.NotZero(t, s.Total.Dropped[why], "the test is to meet %s", why)
	}
	require.NotZero(t, s.Total.Written)
	opened, told, returned := 0, 0, 0
	for _, e := range n.backend.Events() {
		switch e[0] {
		case 'o':
			opened++
		case 'c':
			told++
		default:
			if strings.HasPrefix(e, "returned") {
				returned++
			}
		}
	}
	require.NotZero(t, returned, "the test is to meet clients that come back")
	require.Equal(t, opened, told, "every session that was opened was told of its end")
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

// churn is one of those who connect clients and send to all.
type churn struct {
	*node
	worker int
	random *rand.Rand
	mine   []*gatewaytest.Client
	marked int
	// left are the transports that clients have left, by connection.
	left map[*gateway.Conn][]leaving
}

// leaving is a client that does not read from a transport any more; until is the last that it has read.
type leaving struct {
	from  *gatewaytest.Client
	until string
}

func (c *churn) one() *gatewaytest.Client { return c.mine[c.random.IntN(len(c.mine))] }

// connects adds a client of any transport and protocol. Some can be written to directly, some take
// nothing.
func (c *churn) connects(id, user string) {
	r := c.random
	o := gatewaytest.Options{ID: id, Hub: "chat", User: user, Stalled: r.IntN(10) == 0}
	switch r.IntN(9) {
	case 6, 7, 8:
		o.Returns = true
		c.transport(&o)
	case 0:
		o.Transport = gateway.ServerSentEvents
	case 1:
		o.Transport, o.Protocol = gateway.LongPolling, hubprotocol.MessagePack
	case 2:
		o.Protocol = hubprotocol.MessagePack
	case 3:
		o.Raw = true
	case 4:
		o.Raw, o.Protocol = true, hubprotocol.MessagePack
	}
	c.mine = append(c.mine, gatewaytest.Connect(c.t, c.Gateway, o))
}

// transport chooses a transport for a client that may come back.
func (c *churn) transport(o *gatewaytest.Options) {
	switch c.random.IntN(4) {
	case 0:
		o.Transport = gateway.ServerSentEvents
	case 1:
		o.Transport = gateway.LongPolling
	case 2:
		o.Raw = true
	}
}

// comesBack lets a client come back, if it can, whether its transport is there or not.
func (c *churn) comesBack() {
	k := c.random.IntN(len(c.mine))
	client := c.mine[k]
	o := gatewaytest.Options{Stalled: c.random.IntN(10) == 0}
	c.transport(&o)
	cursor := client.Cursor()
	switch next, err := client.Return(o, cursor); err {
	case nil:
		c.mine[k] = next
		c.left[client.Conn] = append(c.left[client.Conn], leaving{client, cursor})
	case gateway.ErrMissed, gateway.ErrConnectionEnded:
	default:
		c.t.Errorf("a client could not come back: %v", err)
	}
}

// twice sees that no client that came back has got anything twice.
func (c *churn) twice() {
	for _, last := range c.mine {
		if last.Conn.Protocol() != gatewaytest.Marked {
			continue
		}
		got := map[string]bool{"0": true} // of whoever has read nothing
		for _, l := range append(c.left[last.Conn], leaving{last, ""}) {
			for _, r := range l.from.Got() {
				cursor, _, marked := strings.Cut(r, "|")
				if !marked || cursor == "" || got[l.until] {
					continue
				}
				if got[cursor] {
					c.t.Errorf("client %s has got %s twice", last.Conn.Identity().ID, cursor)
				}
				got[cursor] = true
			}
		}
	}
}

// sends sends a message in one of the protocols, or in JSON without any other form.
func (c *churn) sends(to gateway.Target) {
	size := c.random.IntN(300)
	if c.random.IntN(20) == 0 {
		size = 40_000 // more than an outbox may hold, and than some sockets take
	}
	var frames *hubprotocol.Frames
	switch c.random.IntN(4) {
	case 0:
		frames = either(c.t, hubprotocol.MessagePack, size)
	case 1:
		var err error
		frames, err = hubprotocol.NewFrames(map[string][]byte{"json": []byte("no record that could be converted\x1e")})
		require.NoError(c.t, err)
	case 2:
		c.marked++
		text := fmt.Sprintf("%d-%d", c.worker, c.marked)
		json, _ := either(c.t, hubprotocol.JSON, size).For(hubprotocol.JSON)
		var err error
		frames, err = hubprotocol.NewFrames(map[string][]byte{
			hubprotocol.JSON: json, gatewaytest.Marked: gatewaytest.MarkedRecord(text, strings.Repeat("x", size)),
		})
		require.NoError(c.t, err)
	default:
		frames = either(c.t, hubprotocol.JSON, size)
	}
	c.do(gateway.Command{Verb: gateway.VerbSend, Target: to, Frames: frames})
}

func (c *churn) step(i int) {
	r := c.random
	user, group := fmt.Sprint("u", r.IntN(5)), fmt.Sprint("g", r.IntN(3))
	switch op := r.IntN(14); {
	case op >= 12 && len(c.mine) > 0:
		c.comesBack()
	case op < 3 || len(c.mine) == 0:
		c.connects(fmt.Sprintf("%d-%d", c.worker, i), user)
	case op == 3:
		k := r.IntN(len(c.mine))
		c.mine[k].Leave()
		c.mine = append(c.mine[:k], c.mine[k+1:]...)
	case op == 4:
		if r.IntN(4) == 0 {
			c.do(gateway.Command{Verb: gateway.VerbClose, Target: users(user), Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}})
		}
	case op == 5, op == 6:
		c.join(group, c.one().Conn.Identity().ID)
	case op == 7:
		c.do(gateway.Command{Verb: gateway.VerbLeave, Target: users(user), Group: group})
	case op == 8:
		c.sends(groups(group))
	case op == 9:
		c.sends(users(user))
	case op == 10:
		c.one().Unstall()
	default:
		c.sends(all())
		_ = c.one().Feed([]byte("{\"type\":1,\"target\":\"x\",\"arguments\":[]}\x1e"))
	}
}

// either makes a message that came in one of the protocols.
func either(t *testing.T, protocol string, size int) *hubprotocol.Frames {
	text := strings.Repeat("x", size)
	arguments := []byte(`["` + text + `"]`)
	if protocol == hubprotocol.MessagePack {
		arguments = append([]byte{0x91, 0xda, byte(size >> 8), byte(size)}, text...)
	}
	frames, err := hubprotocol.NewInvocation(protocol, "m", arguments)
	require.NoError(t, err)
	return frames
}
