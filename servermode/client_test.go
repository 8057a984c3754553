package servermode_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestOpening(t *testing.T) {
	t.Run("H33 H35 H57 OpenConnection, then the raw handshake, and the answer is the client's first record", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "ann")
			open := s.next(sp.TypeOpenConnection).(*sp.OpenConnection)
			require.Equal(t, "json", open.Protocol)
			require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e", s.payloads("1"))
			require.Equal(t, []string{"{}\x1e"}, c.Got())
		})
	})
	for _, protocol := range []string{"messagepack", "blazorpack", "mine"} {
		t.Run("H34 "+protocol, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{})
				c := w.connectAs(gatewaytest.Options{ID: "1", Protocol: protocol})
				require.Equal(t, protocol, s.next(sp.TypeOpenConnection).(*sp.OpenConnection).Protocol)
				s.take(sp.TypeConnectionData)
				record := "\x0d\x95\x01\x80\xa1i\xa4echo\x90\x90\x90"
				require.NoError(t, c.Conn.Feed([]byte(record)))
				s.data("1", "\x02\x91\x06")
				synctest.Wait()
				require.Equal(t, record, s.payloads("1"))
				require.Equal(t, []string{"{}\x1e", "\x02\x91\x06"}, c.Got())
			})
		})
	}
}

func TestHandshakeRefusedByTheHub(t *testing.T) {
	t.Run("H36 the client gets the text and is closed", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{silent: true})
			c := w.connect("1", "")
			s.data("1", `{"error":"wrong protocol"}`+"\x1e")
			s.send(&sp.CloseConnection{ConnectionID: "1"})
			synctest.Wait()
			require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(w.ctx()).Reason)
			require.Equal(t, []string{`{"error":"wrong protocol"}` + "\x1e"}, c.Got(), "H36 the client gets the text")
			require.Empty(t, s.take(sp.TypeCloseConnection))
		})
	})
}

func TestEcho(t *testing.T) {
	t.Run("H47 pings pass both ways", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "ann")
			s.take(sp.TypeConnectionData)
			s.setOn(func(m sp.Message) {
				if d, ok := m.(*sp.ConnectionData); ok {
					s.data(d.ConnectionID, string(d.Payload))
				}
			})
			require.NoError(t, c.Conn.Feed([]byte(call("7", "echo")+"{\"type\":6}\x1e")))
			synctest.Wait()
			require.Equal(t, []string{"{}\x1e", call("7", "echo"), "{\"type\":6}\x1e"}, c.Got(), "H47 pings pass, H48 records come one by one")
		})
	})
}

func TestH47AnIdleClientIsTheHubServersAffair(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		s.setOn(func(sp.Message) { s.send(sp.ClientCountPing(1, 1)) })
		c := w.connect("1", "")
		require.NoError(t, c.Conn.Feed([]byte("{\"type\":6}\x1e")))
		time.Sleep(70 * time.Second)
		require.Nil(t, c.Conn.CloseRequested())
		require.Equal(t, []string{"{}\x1e"}, c.Got(), "the gateway does not ping")
		s.data("1", "{\"type\":6}\x1e")
		synctest.Wait()
		require.Equal(t, 1, count(c, `"type":6`))
	})
}
