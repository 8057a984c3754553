package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubserver"
)

// N44, N46: a client of a hub server is cut off and comes back to each of three programs in turn, and then
// its program is drained. Both sides talk all the time, nothing is missing, nothing comes twice, and the
// hub server sees one connection that does not end.
func TestN44AClientOfAHubServerGoesFromProgramToProgram(t *testing.T) {
	t.Parallel()
	three := startTrio(t, "--mode=default")
	nodes := map[string]*program{"a": three.a, "b": three.b, "c": three.c}
	for _, p := range nodes {
		p.isReady()
	}
	app := newApplication("chat", "s1")
	app.Connections = 1 // what one connection sends stays in order
	heard, connected := make(chan string, 1000), make(chan string, 100)
	app.hub.Handle("said", func(_ *hubserver.Context, text string) { heard <- text })
	app.hub.OnConnected(func(ctx *hubserver.Context) error {
		connected <- ctx.ConnectionID()
		return nil
	})
	app.serve(t, three.b)
	app.ready(t)
	var s *stateful
	require.Eventually(t, func() bool {
		probe := three.a.dial("chat", auth.ClientTokenSpec{UserID: "probe"})
		defer probe.conn.Close()
		return probe.handshake() == `{}`
	}, patience, 20*time.Millisecond)
	app.wantGone(t, "probe")
	<-connected
	s = connectStateful(t, three.a)
	require.Equal(t, s.id, <-connected)
	var sent []string
	tell := func() {
		t.Helper()
		sent = append(sent, fmt.Sprint("message ", len(sent)))
		send := app.hub.Clients().All().Send
		if len(sent)%2 == 0 {
			send = app.hub.Clients().Client(s.id).Send
		}
		require.NoError(t, send(t.Context(), "said", sent[len(sent)-1]))
	}
	says := func() {
		t.Helper()
		s.send(fmt.Sprintf(`{"type":1,"target":"said","arguments":["%d"]}`, s.said))
		s.said++
		require.Equal(t, fmt.Sprint(s.said-1), <-heard)
	}
	for _, to := range []string{"b", "c", "a", "c", "b", "a"} {
		tell()
		says()
		require.False(t, s.reads(len(sent)))
		require.NoError(t, s.conn.Close())
		for range 5 {
			tell()
		}
		s.comesBack(nodes[to])
		tell()
		says()
		require.False(t, s.reads(len(sent)))
		tell()
	}
	stopped := make(chan int)
	go func() { stopped <- three.a.stop() }()
	require.True(t, s.reads(1<<20), "its WebSocket ends")
	tell()
	s.comesBack(three.c)
	says()
	tell()
	require.False(t, s.reads(len(sent)))
	require.Zero(t, <-stopped)
	tell()
	says()
	require.False(t, s.reads(len(sent)))
	require.Equal(t, sent, s.got)
	require.Empty(t, connected)
	require.Empty(t, app.gone)
	require.Empty(t, heard)
}
