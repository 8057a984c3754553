package clientaspnet

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/transport"
)

// What negotiate has promised may not be so any more when the client connects.
func TestRefusedConnect(t *testing.T) {
	t.Run("a quota", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.MaxConnections = 1 })
		c := f.negotiate(f.user("u"))
		_, _ = f.connected("v")
		_, res := f.tryDial("connect", c.query("webSockets", "")+"&access_token="+c.token, nil)
		require.Equal(t, 429, res.status)
		require.Equal(t, 429, c.do("POST", "connect", "longPolling", "", "").status)
		require.Equal(t, 429, c.do("GET", "connect", "serverSentEvents", "", "").status)
		require.EqualValues(t, 3, f.h.Refused()[transport.RefusedConnections])
	})

	t.Run("Serverless mode", func(t *testing.T) {
		var serverless atomic.Bool
		f := newFixture(t, func(_ *fixture, o *Options) { o.Serverless = func(string) bool { return serverless.Load() } })
		c, connected := f.negotiate(f.user("u")), f.negotiate(f.user("u"))
		ws := connected.connect()
		serverless.Store(true)
		res := c.do("POST", "connect", "longPolling", "", "")
		require.Equal(t, 400, res.status)
		require.Contains(t, res.body, "Serverless")
		ws.cut()
		connected.dial("reconnect", "&messageId=0") // whoever is connected is the core's to close
	})

	t.Run("connectionData", func(t *testing.T) {
		f := newFixture(t)
		c := f.negotiate(f.user("u"))
		query := strings.Replace(c.query("longPolling", ""), chatHub, "connectionData=x", 1)
		require.Equal(t, 400, f.do(request{method: "POST", path: "connect", query: query, token: c.token}).status)
	})

	t.Run("a server that cannot hand over its connection", func(t *testing.T) {
		f := newFixture(t)
		c := f.negotiate(f.user("u"))
		_ = f.negotiate(f.user("v")).connect()
		for _, command := range []string{"connect", "reconnect"} {
			r := httptest.NewRequest("GET", "/aspnetclient/"+command+"?"+c.query("webSockets", "&messageId=0"), nil)
			for k, v := range map[string]string{"Authorization": "Bearer " + c.token, "Connection": "Upgrade", "Upgrade": "websocket",
				"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			f.h.ServeHTTP(w, r)
			require.Equal(t, 400, w.Code)
			_, ended := f.gw.Lookup(c.ConnectionID)
			require.True(t, ended, "nothing stays behind")
		}
	})

	t.Run("a bad upgrade", func(t *testing.T) {
		f := newFixture(t)
		c := f.negotiate(f.user("u"))
		res := f.do(request{path: "connect", query: c.query("webSockets", ""), token: c.token,
			header: map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8"}})
		require.Equal(t, 426, res.status)
		require.Equal(t, "13", res.header.Get("Sec-Websocket-Version"))
		conn, _ := f.gw.Lookup(c.ConnectionID)
		require.Nil(t, conn)
	})
}

// A client whose event stream takes nothing is lost as one whose WebSocket does, and may come back.
func TestSlowEventStream(t *testing.T) {
	inBubble(t, "C111 it comes back and misses nothing", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		c.events("connect", "").wantInit() // and reads nothing from here on
		long := strings.Repeat("x", 20_000)
		f.broadcast(long)
		f.broadcast("b")
		time.Sleep(12 * time.Second)
		ws := c.dial("reconnect", c.cursorItem())
		ws.want(long)
		ws.want("b")
		require.Empty(t, mustTold(f, "closed"))
	})
}
