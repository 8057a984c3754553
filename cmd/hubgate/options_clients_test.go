package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Effects of the timers of clients. With the usual value each takes longer than
// a test waits, so what is seen was done by the unusual one.
var clientEffects = map[string]func(*testing.T) effect{
	"clients-keep-alive": func(*testing.T) effect {
		return effect{usual: "2m", unusual: "1s", before: never, after: `{"type":6}`, see: func(_ *testing.T, p *program) string {
			return p.connect("chat", "ann").anything()
		}}
	},
	"clients-timeout": func(*testing.T) effect {
		return effect{usual: "2m", unusual: "1s", before: never, after: "ping timeout", see: func(_ *testing.T, p *program) string {
			c := p.connect("chat", "ann")
			c.send(`{"type":6}`)
			return firstMatch(`(ping timeout)`, c.anything())
		}}
	},
	"clients-handshake-timeout": func(*testing.T) effect {
		return effect{usual: "2m", unusual: "1s", before: never, after: `{"error":"Handshake was canceled."}`, see: func(_ *testing.T, p *program) string {
			return p.dial("chat", auth.ClientTokenSpec{}).anything()
		}}
	},
	"clients-negotiate-timeout": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", with: []string{"--clients-keep-alive", "1s"}, before: "connected", after: "404", see: func(t *testing.T, p *program) string {
			token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
			require.NoError(t, err)
			_, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+token)
			var negotiated struct{ ConnectionToken string }
			require.NoError(t, json.Unmarshal([]byte(answer), &negotiated))
			clock := p.connect("chat", "clock")
			for range 3 { // pings, a second apart
				require.Equal(t, `{"type":6}`, clock.anything())
			}
			return p.open("hub=chat&id="+negotiated.ConnectionToken, token)
		}}
	},
	"clients-stateful-reconnect": func(*testing.T) effect {
		return effect{usual: "1h", unusual: "0s", before: `"useStatefulReconnect":true`, after: "", see: func(t *testing.T, p *program) string {
			token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
			require.NoError(t, err)
			_, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&useStatefulReconnect=true&hub=chat", "", "Authorization", "Bearer "+token)
			return firstMatch(`("useStatefulReconnect":true)`, answer)
		}}
	},
	"clients-long-poll-interval": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", with: []string{"--clients-keep-alive", "2m"}, before: never, after: "answered with nothing", see: func(t *testing.T, p *program) string {
			status, answer := p.poller("chat").poll()
			require.Equal(t, http.StatusOK, status)
			require.Empty(t, answer)
			return "answered with nothing"
		}}
	},
	"clients-long-poll-disconnect": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", before: never, after: "PingTimeout", see: func(_ *testing.T, p *program) string {
			p.poller("chat")
			return p.whyClosed()
		}}
	},
	"clients-invoke-timeout": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", before: never, after: "504", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann")
			p.restStatus(http.MethodPut, "/api/hubs/chat/users/ann/groups/g", "")
			_, page := p.rest(http.MethodGet, "/api/hubs/chat/groups/g/connections", "")
			id := firstMatch(`"connectionId":"([^"]+)"`, page)
			return p.restStatus(http.MethodPost, "/api/hubs/chat/connections/"+id+"/:invoke", `{"target":"ask"}`)
		}}
	},
	"clients-send-timeout": func(*testing.T) effect {
		with := []string{"--limits-outbox-bytes", "64MiB", "--limits-outbox-max-bytes", "256MiB"}
		return effect{usual: "24h", unusual: "1s", with: with, before: never, after: "SlowClient", see: func(t *testing.T, p *program) string {
			p.connect("chat", "ann") // and reads no more
			for range 16 {           // more than the buffers of both sockets take
				require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/chat/:send", text(1_000_000)))
			}
			return p.whyClosed()
		}}
	},
}

// anything is the next record, also a ping.
func (c *client) anything() string {
	c.t.Helper()
	_, data, err := c.conn.ReadMessage()
	require.NoError(c.t, err)
	return strings.TrimSuffix(string(data), "\x1e")
}
