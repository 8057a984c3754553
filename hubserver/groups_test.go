package hubserver

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestJoinWithinACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		hub.Handle("enter", func(ctx *Context, room string) error {
			if err := ctx.Join(room); err != nil {
				return err
			}
			return hub.Clients().InGroup(room).Send(ctx, "entered", ctx.Caller().ConnectionID())
		})
		hub.Handle("exit", func(ctx *Context, room string) error { return ctx.Leave(room) })
		g, _ := serve(t, hub)
		p := g.peer()
		c := p.open("C1")
		c.say(`{"type":1,"invocationId":"1","target":"enter","arguments":["r"]}`)
		join := want[*serviceprotocol.JoinGroupWithAck](p)
		require.Equal(t, &serviceprotocol.JoinGroupWithAck{ConnectionID: "C1", Group: "r", AckID: 1}, join)
		synctest.Wait()
		require.Empty(t, p.messages, "the acknowledgement comes first")
		p.send(&serviceprotocol.Ack{AckID: 1, Status: serviceprotocol.AckOK})
		require.Equal(t, "r", want[*serviceprotocol.GroupBroadcastData](p).Group)
		c.hears(`{"type":3,"invocationId":"1"}`)
		c.say(`{"type":1,"invocationId":"2","target":"exit","arguments":["r"]}`)
		p.send(&serviceprotocol.Ack{AckID: want[*serviceprotocol.LeaveGroupWithAck](p).AckID, Status: serviceprotocol.AckOK})
		c.hears(`{"type":3,"invocationId":"2"}`)
	})
}
