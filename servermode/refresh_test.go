package servermode_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client's new claims are those that its next hub server is told. The present one is told nothing: no
// message that it is known to read would say it.
func TestRefreshedClaimsReachTheNextHubServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		guest := gateway.Identity{TokenClaims: []gateway.Claim{{Type: "role", Value: "guest"}}}
		old := w.server(dial{id: "old", level: 1})
		c := w.connectAs(gatewaytest.Options{ID: "1", User: "ann", Identity: guest})
		next := w.server(dial{id: "next", level: 1})
		require.Contains(t, old.next(sp.TypeOpenConnection).(*sp.OpenConnection).Claims, sp.Claim{Type: "role", Value: "guest"})
		old.take(sp.TypeConnectionData)
		require.NoError(t, c.Conn.Renew(gateway.Renewal{TokenClaims: []gateway.Claim{{Type: "role", Value: "owner"}}}))
		synctest.Wait()
		for typ := range sp.Type(64) {
			if typ != sp.TypePing {
				require.Empty(t, old.take(typ), "a hub server is told nothing that it may not understand")
			}
		}
		old.send(sp.ShutdownPing(sp.FinMigrate))
		synctest.Wait()
		open := next.next(sp.TypeOpenConnection).(*sp.OpenConnection)
		require.Contains(t, open.Claims, sp.Claim{Type: "role", Value: "owner"})
		require.NotContains(t, open.Claims, sp.Claim{Type: "role", Value: "guest"})
	})
}

// Messages of which only the meaning is known (H19): a hub server that sends them goes on, each is counted,
// and none has an effect.
func TestH19RefreshAuthAndClaimsOfNewerHubServers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		c := w.connect("1", "ann")
		before := c.Conn.Identity()
		for number, body := range map[int][]byte{
			41: []byte("\x96\x29\xa1\x31\xc0\xce\x70\x00\x00\x00\x01\x80"), // token "1", no claims, an end, ack 1
			42: []byte("\x94\x2a\xa1\x31\x02\x80"),
			43: []byte("\x94\x2b\xa1\x31\x81\xa4role\xa5owner\x80"),
		} {
			lost := w.Stats().Lost[servermode.LossUnknownType]
			s.write(sp.AppendFrame(nil, body))
			synctest.Wait()
			require.Equal(t, lost+1, w.Stats().Lost[servermode.LossUnknownType], "%d", number)
		}
		require.Empty(t, s.take(sp.TypeAck), "whoever asks hears nothing, rather than a wrong answer")
		require.Same(t, before, c.Conn.Identity())
		s.send(&sp.BroadcastData{Payloads: message("after")})
		synctest.Wait()
		require.NoError(t, s.end())
		require.Equal(t, 1, count(c, "after"))
	})
}
