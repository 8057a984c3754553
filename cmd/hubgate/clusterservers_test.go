package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// Three programs are one gateway to hub servers, too: it does not matter which of them has the client
// and which one the hub server.
func TestN18HubServersOfThreePrograms(t *testing.T) {
	t.Parallel()
	nodes := startTrio(t, "--mode=default")
	for _, p := range nodes.each() {
		p.isReady()
	}
	app := newApplication("Chat", "s1")
	app.serve(t, nodes.b)
	app.ready(t)
	seesServer := func(p *program) {
		t.Helper()
		require.Eventually(t, func() bool {
			c := p.dial("chat", auth.ClientTokenSpec{UserID: "probe"})
			defer c.conn.Close()
			if c.handshake() != `{}` {
				return false
			}
			app.wantGoneAfter(t, c)
			return true
		}, patience, 20*time.Millisecond)
	}
	seesServer(nodes.a)
	seesServer(nodes.c)
	ann, bob, carol := nodes.a.connect("chat", "ann"), nodes.b.connect("chat", "bob"), nodes.c.connect("chat", "carol")
	t.Run("a hub method runs and reaches all clients", func(t *testing.T) {
		for _, from := range []struct {
			c    *client
			user string
		}{{ann, "ann"}, {bob, "bob"}, {carol, "carol"}} {
			from.c.send(`{"type":1,"target":"say","arguments":["hello"]}`)
			for _, c := range []*client{ann, bob, carol} {
				require.JSONEq(t, `{"type":1,"target":"said","arguments":["`+from.user+`","hello"]}`, c.next())
			}
		}
	})
	t.Run("REST reaches the same clients", func(t *testing.T) {
		require.JSONEq(t, `{"type":3,"invocationId":"i"}`, ann.invoke("join", `"team"`))
		status, answer := nodes.c.rest(http.MethodPost, "/api/hubs/chat/groups/team/:send?api-version=2022-06-01", hello)
		require.Equal(t, http.StatusAccepted, status, answer)
		require.Equal(t, helloRecord, ann.next())
	})
	t.Run("draining the client's program", func(t *testing.T) {
		nodes.a.cancel()
		ann.wantClose(true)
		app.wantGone(t, "ann")
	})
	t.Run("draining the hub server's program", func(t *testing.T) {
		nodes.b.cancel()
		carol.wantClose(true)
		app.wantGone(t, "bob", "carol")
	})
}

// wantGoneAfter ends a client and waits until the hub server knows.
func (a *application) wantGoneAfter(t *testing.T, c *client) {
	t.Helper()
	c.conn.Close()
	a.wantGone(t, "probe")
}
