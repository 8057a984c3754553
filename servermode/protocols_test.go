package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestNamesOfProtocols(t *testing.T) {
	t.Run("names that no hub server has accepted cost nobody anything", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			silent := w.server(dial{silent: true})
			for i := range 100 {
				w.connectAs(gatewaytest.Options{ID: fmt.Sprint(i), Protocol: fmt.Sprint("junk", i)})
			}
			_ = silent.ws.Close()
			synctest.Wait()
			s := w.server(dial{id: "s2"})
			c := w.connectAs(gatewaytest.Options{ID: "x", Protocol: "mine"})
			s.next(sp.TypeOpenConnection)
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
	t.Run("a hub has at most 64, and old ones make room", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			s.setOn(func(sp.Message) { s.send(sp.ClientCountPing(0, 0)) })
			for i := range 64 {
				w.connectAs(gatewaytest.Options{ID: fmt.Sprint(i), Protocol: fmt.Sprint("p", i)})
			}
			refused := w.connectAs(gatewaytest.Options{ID: "x", Protocol: "one-more"})
			require.Contains(t, refused.Got()[0], "The protocol 'one-more' is not supported.")
			other := w.server(dial{id: "s2", hub: "other"})
			c := gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "z", Hub: "other", Protocol: "one-more"})
			synctest.Wait()
			require.Nil(t, c.Conn.CloseRequested(), "other hubs have a room of their own")
			require.Len(t, other.take(sp.TypeOpenConnection), 1)
			time.Sleep(61 * time.Minute)
			last := w.connectAs(gatewaytest.Options{ID: "later", Protocol: "one-more"})
			require.Nil(t, last.Conn.CloseRequested())
		})
	})
}
