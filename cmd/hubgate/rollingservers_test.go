package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubserver"
)

// staff are hub servers of one application, one at each of three programs, and what they hear of a client.
type staff struct {
	t            *testing.T
	number       int
	at           map[string]*application
	heard        chan string
	came, former chan string
}

// joins starts a hub server at a program.
func (s *staff) joins(tag string, p *program) {
	s.t.Helper()
	s.number++
	app := newApplication("chat", fmt.Sprint("s", s.number, tag))
	app.Connections = 1 // what one connection sends stays in order
	app.hub.Handle("said", func(_ *hubserver.Context, text string) { s.heard <- text })
	app.hub.OnConnected(func(ctx *hubserver.Context) error {
		s.came <- ctx.ConnectionID()
		return nil
	})
	app.hub.OnDisconnected(func(ctx *hubserver.Context, _ error) { s.former <- ctx.ConnectionID() })
	app.serve(s.t, p)
	app.ready(s.t)
	s.at[tag] = app
}

// N44, N49: each of three programs, which all have a hub server, is stopped in order and started again at another
// address. A client with stateful reconnect keeps its id: what it says reaches the application once and in order, and so
// does what any hub server says to it. If its hub server's connection was to the program that ended, another hub server
// has it from then on, without an interruption; else its hub server hears nothing.
func TestN44N49RollingRestartWithHubServers(t *testing.T) {
	t.Parallel()
	// A node that is not given a processor for twelve seconds would take itself for isolated, and close the client.
	const patientLease = "--cluster-lease=5m"
	three := startTrio(t, "--mode=default", patientLease)
	nodes := map[string]*program{"a": three.a, "b": three.b, "c": three.c}
	apps := &staff{t: t, at: make(map[string]*application), heard: make(chan string, 1000), came: make(chan string, 1000), former: make(chan string, 1000)}
	for tag, p := range nodes {
		p.logsIfFailed()
		p.isReady()
		apps.joins(tag, p)
	}
	s := connectServed(t, three.a, apps)
	var sent []string
	tell := func(from string) {
		t.Helper()
		sent = append(sent, fmt.Sprint("message ", len(sent)))
		require.NoError(t, apps.at[from].hub.Clients().Client(s.id).Send(t.Context(), "said", sent[len(sent)-1]))
	}
	says := func() {
		t.Helper()
		s.send(fmt.Sprintf(`{"type":1,"target":"said","arguments":["%d"]}`, s.said))
		s.said++
		select {
		case text := <-apps.heard:
			require.Equal(t, fmt.Sprint(s.said-1), text)
		case <-time.After(patience):
			require.FailNow(t, "nobody has heard it", "the client, which has %d messages, next gets %s", len(s.got), s.last())
		}
	}
	at, next := "a", map[string]string{"a": "b", "b": "c", "c": "a"}
	for range 3 {
		to := next[at]
		tell(at)
		require.False(t, s.reads(len(sent)))
		says()
		stopped := make(chan int)
		old := nodes[at]
		go func() { stopped <- old.stop() }()
		require.True(t, s.reads(1<<20), "its WebSocket ends")
		tell(to)
		tell(to)
		s.comesBack(nodes[to])
		says()
		require.False(t, s.reads(len(sent)))
		require.Zero(t, <-stopped)
		nodes[at] = start(t, "--node="+at, "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c", "--cluster-peer="+nodes[to].clusterStatus().Address, "--mode=default", patientLease)
		nodes[at].logsIfFailed()
		nodes[at].seesPeers(2)
		nodes[at].isReady() // the next one is not restarted before
		apps.joins(at, nodes[at])
		says()
		at = to
	}
	tell("c")
	require.False(t, s.reads(len(sent)))
	require.Equal(t, sent, s.got)
	require.Empty(t, apps.heard)
	// Whoever has had the client heard of it, and but for the last one that it is gone.
	require.Eventually(t, func() bool { return len(apps.came) == len(apps.former)+1 }, patience, 10*time.Millisecond)
	for len(apps.came) > 0 {
		require.Equal(t, s.id, <-apps.came)
	}
	require.Equal(t, http.StatusOK, must(nodes["b"].rest(http.MethodHead, "/api/v1/hubs/chat/connections/"+s.id, "")))
}

// connectServed connects a client with stateful reconnect when the programs know all hub servers.
func connectServed(t *testing.T, p *program, apps *staff) *stateful {
	t.Helper()
	require.Eventually(t, func() bool {
		probe := p.dial("chat", auth.ClientTokenSpec{UserID: "probe"})
		defer probe.conn.Close()
		return probe.handshake() == `{}`
	}, patience, 20*time.Millisecond)
	<-apps.came
	<-apps.former
	return connectStateful(t, p)
}

func must(status int, _ string) int { return status }
