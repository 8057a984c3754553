package hubserver

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
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

func TestCloseOfAnotherServersClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		client := hub.Clients().Client("C9")
		require.ErrorIs(t, client.Close(t.Context(), "out"), ErrNotConnected)
		g, _ := serve(t, hub)
		p := g.peer()
		synctest.Wait()
		require.NoError(t, client.Close(t.Context(), "out"))
		m := want[*serviceprotocol.CloseConnection](p)
		require.Equal(t, "C9", m.ConnectionID)
		require.Equal(t, "out", m.Error)
	})
}

func TestWaitsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		_, err := Invoke[int](t.Context(), hub.Clients().Client("C9"), "ask")
		require.ErrorIs(t, err, ErrNotConnected)
		_, err = hub.Clients().UserExists(t.Context(), "u")
		require.ErrorIs(t, err, ErrNotConnected)
		g, _ := serve(t, hub)
		p := g.peer()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Invoke[int](ctx, hub.Clients().Client("C9"), "ask")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = hub.Clients().UserExists(ctx, "u")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// What comes too late is for nobody.
		id := want[*serviceprotocol.ClientInvocation](p).InvocationID
		want[*serviceprotocol.CheckUserExistence](p)
		p.send(&serviceprotocol.ErrorCompletion{InvocationID: id}, &serviceprotocol.Ack{AckID: 1, Status: serviceprotocol.AckOK})
		p.open("C1")
		require.Empty(t, hub.pool.Load().results.waiting)
		require.Empty(t, hub.pool.Load().acks.waiting)
	})
}

func TestForwardedResultsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub("chat")
		g, _ := serve(t, hub)
		p := g.peer()
		c, m := p.open("C1"), p.opening("C2", "messagepack")
		require.Equal(t, "{}\x1e", m.record())
		for i := range 3 {
			p.send(&serviceprotocol.ClientInvocation{InvocationID: fmt.Sprint(i), ConnectionID: []string{"C1", "C2", "C9"}[i]})
		}
		record := packed(t, `[3,{},"1",3,"x"]`)
		m.raw(record)
		completion := want[*serviceprotocol.ClientCompletion](p)
		require.Equal(t, record, completion.Payload)
		require.Equal(t, hubprotocol.MessagePack, completion.Protocol)
		c.leave()
		synctest.Wait()
		require.Empty(t, hub.pool.Load().results.forwarded)
	})
}
