package servermode_test

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// trap panics when it is stepped on, once each time that it was set.
type trap struct{ set atomic.Bool }

func (t *trap) step() {
	if t.set.CompareAndSwap(true, false) {
		panic("trap")
	}
}

// A fault of the gateway stays with the connection that it happens on.
func TestFaults(t *testing.T) {
	t.Run("in the handshake of a hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			other := w.server(dial{id: "other"})
			w.trap.set.Store(true)
			s := w.server(dial{id: "unlucky", refused: true})
			require.True(t, websocket.IsCloseError(s.end(), websocket.CloseNormalClosure), "%v", s.end())
			require.EqualValues(t, 1, w.Stats().Refused[servermode.RefusedPanic])
			require.NoError(t, other.end())
			require.EqualValues(t, 1, w.Stats().Panics)
			w.server(dial{id: "lucky"})
		})
	})
	t.Run("in what is written to a hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			var fault trap
			w.listen.wrap = func(c net.Conn) net.Conn { return &trappedConn{c, &fault} }
			s := w.server(dial{})
			w.listen.wrap = nil
			other := w.server(dial{id: "other"})
			c := w.connect("1", "")
			require.Len(t, s.take(sp.TypeOpenConnection), 1)
			fault.set.Store(true)
			require.NoError(t, c.Feed([]byte(call("1", "x"))))
			synctest.Wait()
			require.Error(t, s.end())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndPanic])
			require.Equal(t, gateway.CloseServerConnectionClosed, c.WantEnd(w.ctx()).Reason)
			require.NoError(t, other.end())
		})
	})
	t.Run("while a client waits for a hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = time.Minute
			old := w.server(dial{id: "old"})
			unlucky, other := w.connect("1", ""), w.connect("2", "")
			_ = old.ws.Close()
			synctest.Wait()
			next := w.server(dial{id: "next"})
			w.trap.set.Store(true)
			time.Sleep(2 * time.Second)
			ended := 0
			for _, c := range []*gateway.Conn{unlucky.Conn, other.Conn} {
				if cause := c.CloseRequested(); cause != nil {
					require.Equal(t, gateway.CloseServiceTransientError, cause.Reason)
					require.True(t, cause.AllowReconnect)
					ended++
				}
			}
			require.Equal(t, 1, ended)
			require.Len(t, next.take(sp.TypeOpenConnection), 1)
			require.Empty(t, w.Stats().Hubs[0].Waiting)
			require.Contains(t, w.log.String(), "panic")
		})
	})
	t.Run("when a hub server is lost", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = time.Minute
			old, next := w.server(dial{id: "old"}), w.server(dial{id: "next"})
			var conns []*gateway.Conn
			for _, id := range []string{"1", "2", "3", "4"} {
				conns = append(conns, w.connect(id, "").Conn)
			}
			next.take(sp.TypeOpenConnection)
			w.trap.set.Store(true)
			_ = old.ws.Close()
			time.Sleep(2 * time.Second)
			ended := 0
			for _, c := range conns {
				if c.CloseRequested() != nil {
					ended++
				}
			}
			require.Equal(t, 1, ended)
			require.Len(t, next.take(sp.TypeOpenConnection), 1, "the other one goes on")
		})
	})
}

// trappedConn has a trap in Write.
type trappedConn struct {
	net.Conn
	fault *trap
}

func (c *trappedConn) Write(b []byte) (int, error) {
	c.fault.step()
	return c.Conn.Write(b)
}
