package bench

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// fakePeer speaks first, wants one message, and sends two records in a message where it may.
type fakePeer struct {
	lines, refuse bool

	mu      sync.Mutex
	clients []*websocket.Conn
}

func (p *fakePeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ws" && r.URL.Query().Get("v") == "4" && r.Header.Get("Sec-Websocket-Protocol") == "peer":
		p.serveClient(w, r)
	case r.URL.Path == "/send" && r.Header.Get("X-Key") == "key":
		p.serveSend(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *fakePeer) serveClient(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{Subprotocols: []string{"peer"}}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.WriteMessage(websocket.TextMessage, []byte("open"))
	if _, text, err := conn.ReadMessage(); err != nil || string(text) != "join" {
		return
	}
	answer := "joined"
	if p.refuse {
		answer = "full"
	}
	p.mu.Lock()
	_ = conn.WriteMessage(websocket.TextMessage, []byte(answer))
	p.clients = append(p.clients, conn)
	p.mu.Unlock()
	_, _, _ = conn.ReadMessage()
}

func (p *fakePeer) serveSend(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	text := string(body)
	if p.lines {
		text = "a line before\n" + text
	}
	for _, c := range p.clients {
		_ = c.WriteMessage(websocket.TextMessage, []byte(text))
	}
	w.WriteHeader(http.StatusCreated)
}

func peerOptions(t *testing.T, p *fakePeer) Options {
	o := options(t, p)
	o.Target = Target{Endpoint: o.Target.Endpoint, Peer: &Peer{
		Path: "/ws?v=4", Protocol: "peer", Hello: []string{"", "join"}, Welcome: []string{"open", "joined"}, Lines: p.lines,
		Send: "/send", SendHeader: http.Header{"X-Key": {"key"}}, Before: `["`, After: `"]`,
	}}
	return o
}

func TestAPeerGetsTheSameLoad(t *testing.T) {
	for _, lines := range []bool{false, true} {
		t.Run(fmt.Sprintf("lines %t", lines), func(t *testing.T) {
			report, err := Run(t.Context(), peerOptions(t, &fakePeer{lines: lines}))
			require.NoError(t, err)
			require.EqualValues(t, 50, report.Load.Deliveries)
		})
	}
}

func TestAPeerThatRefusesMakesTheRunFail(t *testing.T) {
	_, err := Run(t.Context(), peerOptions(t, &fakePeer{refuse: true}))
	require.ErrorContains(t, err, "the start was refused: full")

	o := peerOptions(t, &fakePeer{})
	o.Target.Peer.SendHeader = nil
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, "send: 404")

	o = peerOptions(t, &fakePeer{})
	o.Load.Kind, o.Target.Peer.Welcome = ToUsers, nil
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, "a peer gets broadcasts, or nothing")
	require.ErrorContains(t, err, "needs an answer")
}
