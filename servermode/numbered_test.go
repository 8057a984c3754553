package servermode_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A hub server sees one client of version 1, whatever becomes of the client's connections.
func TestC93C100AHubServerNoticesNothingOfStatefulReconnect(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		c := w.connectAs(gatewaytest.Options{ID: "1", Numbers: true})
		require.NoError(t, c.SayPing())
		synctest.Wait()
		s.data("1", call("", "from the hub"))
		s.send(&sp.BroadcastData{Payloads: message("broadcast")})
		s.data("1", `{"type":8,"sequenceId":7}`+"\x1e"+`{"type":9,"sequenceId":7}`+"\x1e") // not of the hub's business
		s.data("1", call("", "half")[:20])
		synctest.Wait()
		require.NoError(t, c.Feed([]byte(call("7", "up"))))
		c.Leave()
		synctest.Wait()
		s.data("1", call("", "half")[20:])
		synctest.Wait()
		c, err := c.ReturnNumbered(gatewaytest.Options{})
		require.NoError(t, err)
		require.NoError(t, c.SaySequence(1))
		require.NoError(t, c.Feed([]byte(call("7", "up")+call("8", "more"))))
		s.data("1", `{"type":3,"invocationId":"7"}`+"\x1e")
		synctest.Wait()
		got := strings.Join(c.Got(), "")
		for _, want := range []string{`{"type":9,"sequenceId":1}`, "from the hub", "broadcast", "half", `{"type":8,"sequenceId":1}`, `{"type":3,"invocationId":"7"}`} {
			at := strings.Index(got, want)
			require.GreaterOrEqual(t, at, 0, "%s behind what came before, in %q", want, c.Got())
			got = got[at+len(want):]
		}
		require.NotContains(t, strings.Join(c.Got(), ""), `"sequenceId":7`)
		want := `{"protocol":"json","version":1}` + "\x1e" + `{"type":6}` + "\x1e" + call("7", "up") + call("8", "more")
		require.Equal(t, want, s.payloads("1"))
		require.Len(t, s.take(sp.TypeOpenConnection), 1)
		require.Empty(t, s.take(sp.TypeCloseConnection))
	})
}
