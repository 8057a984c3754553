package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// Opens and closes are counted for clients and for live trace, closes by their category.
func TestR90OpensAndClosesByCategory(t *testing.T) {
	t.Parallel()
	p := start(t, "--trace-live", "--clients-timeout=1s", "--limits-max-connections=10")
	require.Equal(t, 10.0, p.metric("hubgate_connections_limit"))
	p.connect("chat", "ann").leave()
	p.wantMetrics(`hubgate_connections_closed_total{reason="Normal"} 1`)
	silent := p.connect("chat", "bob")
	silent.send(`{"type":6}`) // who pings is expected to go on
	silent.wantClose(true)
	p.wantMetrics(`hubgate_connections_closed_total{reason="PingTimeout"} 1`, `hubgate_connections_opened_total{generation="aspnetcore",transport="WebSockets"} 2`)
	l, _ := p.lookOn(t, "/livetrace")
	p.wantMetrics(`hubgate_live_trace_watchers 1`)
	l.ws.Close()
	p.wantMetrics(`hubgate_live_trace_watchers_opened_total 1`, `hubgate_live_trace_watchers_closed_total{reason="Normal"} 1`)
}

func TestR90ClosesOfAnUpstreamFailure(t *testing.T) {
	t.Parallel()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer hook.Close()
	p := start(t, "--upstream="+hook.URL)
	c := p.connect("chat", "ann")
	c.wantClose(false)
	p.wantMetrics(`hubgate_connections_closed_total{reason="InvokeUpstreamFailed"} 1`)
}

// A client for whose message the node has no room is closed, and counted, as throttled.
func TestR90ClosesOfThrottledClients(t *testing.T) {
	t.Parallel()
	p := start(t, "--limits-unfinished-bytes=2KiB", "--limits-message-bytes=1KiB")
	for range 3 { // messages that do not end
		require.NoError(t, p.connect("chat", "ann").conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", 900))))
	}
	require.Equal(t, "Throttled", p.whyClosed())
	p.wantMetrics(`hubgate_connections_closed_total{reason="Throttled"} 1`)
}
