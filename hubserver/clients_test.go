package hubserver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

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
