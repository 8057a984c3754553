package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestModes(t *testing.T) {
	t.Run("a Classic client without a hub server", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.mode = modes.Classic
			c := w.connect("1", "")
			require.NoError(t, c.Conn.Feed([]byte(call("7", "x")+call("", "y"))))
			s := w.server(dial{})
			s.send(&sp.BroadcastData{Payloads: message("all")})
			time.Sleep(20 * time.Second)
			synctest.Wait()
			require.Equal(t, "{}\x1e", c.Got()[0])
			require.Equal(t, 1, count(c, `"invocationId":"7","error"`))
			require.Equal(t, 1, count(c, `"type":6`), "the gateway pings")
			require.Equal(t, 1, count(c, "all"))
			require.Empty(t, s.take(sp.TypeOpenConnection), "it stays without one")
			require.EqualValues(t, 1, w.modes.Unanswered())
		})
	})
	switches := []struct {
		from, to                modes.Mode
		server, hubbed, without bool // what is closed: the hub server, its client, a client without
	}{
		{"default", "serverless", true, true, false},
		{"classic", "serverless", true, true, true},
		{"classic", "default", false, false, true},
		{"serverless", "default", false, false, true},
		{"serverless", "classic", false, false, false},
		{"default", "classic", false, false, false},
	}
	for _, c := range switches {
		t.Run(fmt.Sprintf("%s to %s", c.from, c.to), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.mode = c.from
				var without, hubbed *gatewaytest.Client
				var s *hubServer
				if c.from != modes.Default {
					without = w.connect("1", "")
				}
				if c.from != modes.Serverless {
					s = w.server(dial{})
					hubbed = w.connect("2", "")
				}
				weak := w.server(dial{kind: sp.KindWeak, id: "m"})
				w.mode = c.to
				w.modes.Changed()
				synctest.Wait()
				for client, closed := range map[*gatewaytest.Client]bool{without: c.without, hubbed: c.hubbed} {
					if client == nil {
						continue
					}
					cause := client.Conn.CloseRequested()
					require.Equal(t, closed, cause != nil)
					if closed {
						require.Equal(t, gateway.CloseServiceModeSwitched, cause.Reason)
						require.True(t, cause.AllowReconnect)
					}
				}
				if s != nil {
					require.Equal(t, c.server, s.end() != nil)
				}
				require.NoError(t, weak.end())
			})
		})
	}
}
