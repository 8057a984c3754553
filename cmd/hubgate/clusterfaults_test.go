package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/natsd"
)

// Two nodes of one name: the younger one ends, and says why.
func TestN53NameThatIsInUse(t *testing.T) {
	t.Parallel()
	first := start(t, oneNode()...)
	at := first.clusterStatus().Address
	client := first.connect("chat", "ann")
	second := tryStart(t, []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--settings", first.settings,
		"--node=n", "--cluster-listen=127.0.0.1:0", "--cluster-voter=n", "--cluster-peer=" + at})
	select { // it may have served for a moment before it met the first
	case <-second.ended:
	case <-time.After(patience):
		t.Fatal("the second node goes on")
	}
	require.Equal(t, exitError, second.code)
	require.Contains(t, second.logs.String(), `another node of the cluster has the name "n" and lives: give each node a name of its own (--node)`)
	first.sendTo(":send", "still here")
	client.wants("still here")
	t.Run("of a node that is met by way of others", func(t *testing.T) {
		between := start(t, anotherNode(first)...)
		between.seesPeers(1)
		third := tryStart(t, []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--settings", first.settings,
			"--node=n", "--cluster-listen=127.0.0.1:0", "--cluster-voter=x", "--cluster-peer=" + between.clusterStatus().Address})
		select {
		case <-third.ended:
		case <-time.After(patience):
			t.Fatal("the third node goes on")
		}
		require.Equal(t, exitError, third.code)
		require.Contains(t, third.logs.String(), `another node of the cluster has the name "n" and lives`)
		first.sendTo(":send", "and now")
		client.wants("and now")
	})
}

// A node that comes back under its name knows that the connections of before have ended.
func TestN53SameNameAfterARestart(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	conn, token := negotiateAt(t, three.b, 1)
	ws := dialAt(t, three.b, "chat", conn.ConnectionToken, token)
	require.Equal(t, "{}", ws.handshake())
	at := three.a.clusterStatus().Address
	require.Equal(t, exitOK, three.b.stop())
	three.a.seesPeers(1)
	again := start(t, "--node=b", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c", "--cluster-peer="+at)
	three.a.seesPeers(2)
	again.isReady()
	for _, p := range []*program{three.a, again, three.c} {
		require.Equal(t, "404", p.status(http.MethodPost, p.clientURL(conn.ConnectionToken), "", "Authorization", "Bearer "+token))
	}
}

// A node that is killed is forgotten, and its clients come back elsewhere.
func TestN34NodeThatIsKilled(t *testing.T) {
	t.Parallel()
	first := start(t, "--node=a", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a")
	at := first.clusterStatus().Address
	settings := filepath.Join(t.TempDir(), settingsFileName)
	require.NoError(t, os.WriteFile(settings, []byte("{}"), 0o600))
	second := startProcess(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", settings,
		"--node=b", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--cluster-peer=" + at}, nil)
	first.seesPeers(1)
	conn, token := negotiateAt(t, second, 1)
	ws := dialAt(t, second, "chat", conn.ConnectionToken, token)
	require.Equal(t, "{}", ws.handshake())
	require.Equal(t, "200", first.restStatus(http.MethodHead, "/api/hubs/chat/users/ann", ""))
	second.kill()
	require.Eventually(t, func() bool { // within five seconds, says the sheet; here only that it happens
		return first.restStatus(http.MethodHead, "/api/hubs/chat/users/ann", "") == "404"
	}, patience, 10*time.Millisecond)
	t.Run("N17 its ids are nobody's", func(t *testing.T) {
		require.Eventually(t, func() bool {
			return first.status(http.MethodPost, first.clientURL(conn.ConnectionToken), "", "Authorization", "Bearer "+token) == "404"
		}, patience, 10*time.Millisecond)
	})
	again := first.connect("chat", "ann")
	first.sendTo("users/ann/:send", "welcome back")
	again.wants("welcome back")
}

// The application is told of the end of each client of a node that is killed, by another node, once.
func TestN29ClientsOfAKilledNode(t *testing.T) {
	t.Parallel()
	hook := newHook(t, answers("hook"))
	first := start(t, append([]string{"--node=a", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a"}, hook.upstream()...)...)
	first.isReady()
	settings := filepath.Join(t.TempDir(), settingsFileName)
	require.NoError(t, os.WriteFile(settings, []byte("{}"), 0o600))
	second := startProcess(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", settings,
		"--node=b", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--cluster-peer=" + first.clusterStatus().Address}, hook.upstream()...), nil)
	first.seesPeers(1)
	second.isReady()
	const clients = 20
	open := make(map[string]bool)
	for i := range clients {
		c := second.connect("chat", fmt.Sprint("user", i))
		open[c.id] = true
	}
	stays := first.connect("chat", "ann")
	for range clients + 1 {
		require.Equal(t, "/connections/connected", (<-hook.calls).URL.Path)
	}
	second.kill()
	deadline := time.After(slowPatience)
	for len(open) > 0 {
		select {
		case call := <-hook.calls:
			require.Equal(t, "/connections/disconnected", call.URL.Path)
			id := call.Header.Get("X-ASRS-Connection-Id")
			require.True(t, open[id], "told twice, or of a client that lives: %s", id)
			delete(open, id)
		case <-deadline:
			t.Fatalf("not told of %d clients", len(open))
		}
	}
	require.Empty(t, hook.calls)
	first.sendTo("users/ann/:send", "still here")
	stays.wants("still here")
}

// Who has another secret stays outside, and hears nothing.
func TestN50NodeWithAnotherSecret(t *testing.T) {
	t.Parallel()
	first := start(t, oneNode("--cluster-secret-file="+secretFile(t, clusterSecret))...)
	stranger := start(t, append(anotherNode(first), "--cluster-secret-file="+secretFile(t, previousSecret))...)
	require.Eventually(t, func() bool {
		return first.metric(`hubgate_cluster_troubles_total{reason="RouteRefused"}`) > 0
	}, patience, 10*time.Millisecond)
	require.Empty(t, first.clusterStatus().Peers)
	require.Empty(t, stranger.clusterStatus().Peers)
	for _, p := range []*program{first, stranger} {
		require.NotContains(t, p.logs.String(), clusterSecret)
		require.NotContains(t, p.logs.String(), previousSecret)
		_, config := p.get(p.Admin + "/cluster")
		require.NotContains(t, config, clusterSecret)
	}
}

// A node that is told to do without clients closes those it has, says so, and takes none until it may again.
func TestN42IsolatedNode(t *testing.T) {
	t.Parallel()
	cli := new(commands)
	_, err := parseInto(cli, append([]string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, oneNode()...), terminal{io.Discard, io.Discard})
	require.NoError(t, err)
	s, err := newServer(&cli.Serve.Config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.stop(ctx))
	}()
	p := &program{endpoints: s.endpoints, t: t}
	p.isReady()
	ann := p.connect("chat", "ann")
	s.isolate(noStore, true)
	s.isolate(noLink, true)
	require.Contains(t, ann.next(), `"allowReconnect":true`)
	require.Equal(t, websocket.CloseInternalServerErr, ann.wantEnd())
	require.Equal(t, "503", p.enter("chat", auth.ClientTokenSpec{}))
	status, why := p.get(p.Admin + "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, why, "isolated")
	require.Equal(t, 1.0, p.metric("hubgate_cluster_isolated"))
	require.Equal(t, "503", p.status(http.MethodGet, p.URL+"/aspnetclient/negotiate?clientProtocol=2.1", ""))
	s.isolate(noLink, false)
	require.Equal(t, "503", p.enter("chat", auth.ClientTokenSpec{}), "there is another reason")
	s.isolate(noStore, false)
	p.isReady()
	require.Equal(t, "connected", p.enter("chat", auth.ClientTokenSpec{}))
}

// A node alone opens its own ports only, and starts nothing that joins others.
func TestN1NodeAloneHasNoOtherPorts(t *testing.T) {
	t.Parallel()
	lone := startProcess(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, nil)
	require.ElementsMatch(t, []string{port(t, lone.URL), port(t, lone.Admin)}, lone.listens(t))
	require.NotContains(t, lone.logs.String(), "engine")
	require.Equal(t, "404", lone.status(http.MethodGet, lone.Admin+"/cluster", ""))
	kept := startProcess(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", t.TempDir()}, nil)
	require.ElementsMatch(t, []string{port(t, kept.URL), port(t, kept.Admin)}, kept.listens(t), "nor one that keeps something")
	one := startProcess(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, oneNode()...), nil)
	one.isReady() // until then its store has some help
	want := []string{port(t, one.URL), port(t, one.Admin), port(t, "http://"+one.clusterStatus().Address)}
	slices.Sort(want)
	require.Eventually(t, func() bool {
		ports := one.listens(t)
		slices.Sort(ports)
		return slices.Equal(want, ports)
	}, patience, 10*time.Millisecond)
}

// What all nodes together may have under way to one node is never taken for a connection that does not
// read, by which everything would be lost.
func TestWindowsFitIntoTheEngine(t *testing.T) {
	require.LessOrEqual(t, 2*cluster.DefaultLimits().AllWindows, natsd.MaxPending)
}

func port(t *testing.T, at string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
	require.NoError(t, err)
	return port
}
