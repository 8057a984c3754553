package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// wantMetrics waits until the metrics have all the lines.
func (p *program) wantMetrics(lines ...string) {
	p.t.Helper()
	require.EventuallyWithT(p.t, func(c *assert.CollectT) {
		_, text := p.get(p.Admin + "/metrics")
		var ours []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "hubgate_") {
				ours = append(ours, strings.TrimSpace(line))
			}
		}
		assert.Subset(c, ours, lines)
	}, patience, 10*time.Millisecond)
}

func TestDefaultHub(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	t.Run("clients are refused without a hub server", func(t *testing.T) {
		c := p.dial("chat", auth.ClientTokenSpec{UserID: "ann"})
		require.Contains(t, c.handshake(), `"error":"No hub server is connected`)
		c.wantEnd()
	})
	app := newApplication("Chat", "s1")
	app.serve(t, p)
	app.ready(t)
	ann, bob := p.connect("chat", "ann"), p.connect("chat", "bob")
	t.Run("a hub method runs and reaches all clients", func(t *testing.T) {
		ann.send(`{"type":1,"target":"say","arguments":["hello"]}`)
		for _, c := range []*client{ann, bob} {
			require.JSONEq(t, `{"type":1,"target":"said","arguments":["ann","hello"]}`, c.next())
		}
	})
	t.Run("REST reaches the same clients", func(t *testing.T) {
		status, answer := p.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01", hello)
		require.Equal(t, http.StatusAccepted, status, answer)
		require.Equal(t, helloRecord, ann.next())
		require.Equal(t, helloRecord, bob.next())
		require.JSONEq(t, `{"type":3,"invocationId":"i"}`, ann.invoke("join", `"team"`))
		status, _ = p.rest(http.MethodPost, "/api/hubs/chat/groups/team/:send?api-version=2022-06-01", hello)
		require.Equal(t, http.StatusAccepted, status)
		require.Equal(t, helloRecord, ann.next())
	})
	var carol *client
	t.Run("the hub sees claims and headers", func(t *testing.T) {
		spec := auth.ClientTokenSpec{UserID: "carol", Claims: []auth.Claim{{Type: "color", Value: "red"}}}
		token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", spec)
		require.NoError(t, err)
		carol = p.dialWith("chat", token, http.Header{"X-Test": {"kept"}})
		require.Equal(t, `{}`, carol.handshake())
		require.JSONEq(t, `{"type":3,"invocationId":"i","result":["carol","red","kept"]}`, carol.invoke("about", ""))
	})
	p.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`, `hubgate_server_connections{hub="chat",kind="Weak"} 0`,
		`hubgate_server_clients{hub="chat"} 3`, `hubgate_server_connections_opened_total 2`)
	t.Run("C78 draining tells clients to reconnect, and the hub that they are gone", func(t *testing.T) {
		p.cancel()
		for _, c := range []*client{ann, bob, carol} {
			c.wantClose(true)
		}
		app.wantGone(t, "ann", "bob", "carol")
		require.Zero(t, p.stop(), p.logs)
	})
}

func TestHubsWithModesOfTheirOwn(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	p := start(t, "--hub-mode", "Chat=default", "--upstream", hook.URL+"/{hub}/{event}")
	app := newApplication("chat", "s1")
	app.serve(t, p)
	app.ready(t)
	ann, bob := p.connect("chat", "ann"), p.connect("news", "bob")
	require.Equal(t, "/news/connected", (<-hook.events).path)
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, ann.invoke("server", ""))
	bob.send(`{"type":1,"target":"read","arguments":[]}`)
	require.Equal(t, "/news/read", (<-hook.events).path)
	for hub, c := range map[string]*client{"chat": ann, "news": bob} {
		status, _ := p.rest(http.MethodPost, "/api/hubs/"+hub+"/:send?api-version=2022-06-01", hello)
		require.Equal(t, http.StatusAccepted, status)
		require.Equal(t, helloRecord, c.next())
	}
	require.Contains(t, p.out.String(), "Default mode       hub chat\n")
	require.Empty(t, hook.events, "the webhook hears nothing of the hub in Default mode")
}

// configured starts the program with a configuration file that can be rewritten.
func configured(t *testing.T, text string) (p *program, write func(text string)) {
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	write = func(text string) {
		require.NoError(t, os.WriteFile(file+"~", []byte(text), 0o600))
		require.NoError(t, os.Rename(file+"~", file))
	}
	write(text)
	return start(t, "--config", file), write
}

func TestModeSwitch(t *testing.T) {
	t.Parallel()
	p, write := configured(t, "mode: serverless\nhubs: {chat: {mode: default}}\n")
	app := newApplication("chat", "s1")
	app.serve(t, p)
	app.ready(t)
	ann, other := p.connect("chat", "ann"), p.connect("news", "bob")
	// Both connections are there before the switch.
	p.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`)

	write("mode: serverless\n")
	ann.wantClose(true)
	app.wantGone(t, "ann")
	p.wantMetrics(`hubgate_connections_closed_total{reason="ServiceModeSwitched"} 1`, `hubgate_server_connections_closed_total{reason="ModeSwitched"} 2`)
	serverless := p.connect("chat", "ann")
	require.Contains(t, serverless.invoke("server", ""), "No upstream endpoint matches")
	require.NotEmpty(t, p.serverHandshake("/server/", serviceprotocol.KindDefault).Error)

	// Back: the client of webhooks has to go, hub servers come by themselves.
	write("mode: serverless\nhubs: {chat: {mode: default}}\n")
	serverless.wantClose(true)
	p.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`)
	again := p.connect("chat", "ann")
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, again.invoke("server", ""))
	require.Contains(t, other.invoke("x", ""), "No upstream endpoint matches", "the other hub has noticed nothing")

	// A change of something else closes nobody.
	write("mode: serverless\nhubs: {chat: {mode: default}}\nupstream: {templates: ['http://other.test/']}\n")
	p.logs.want(t, "http://other.test/")
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, again.invoke("server", ""))
}

func TestHubServersComeBackAfterARestart(t *testing.T) {
	t.Parallel()
	first := start(t, "--mode=default")
	app := newApplication("chat", "s1")
	app.serve(t, first)
	app.ready(t)
	ann := first.connect("chat", "ann")
	first.cancel()
	ann.wantClose(true)
	require.Zero(t, first.stop(), first.logs)
	second := start(t, "--mode=default")
	app.useGateway(second)
	t.Run("H30 all server connections come back", func(t *testing.T) {
		second.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`)
		ann := second.connect("chat", "ann")
		require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, ann.invoke("server", ""))
	})
}

func TestServerlessHubTakesWeakConnectionsOnly(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, path := range []string{"/server", "/server/"} {
		t.Run("H82 D6 hub server at "+path, func(t *testing.T) {
			require.Contains(t, p.serverHandshake(path, serviceprotocol.KindDefault).Error, "Serverless")
			require.Contains(t, p.serverHandshake(path, serviceprotocol.KindOnDemand).Error, "Serverless")
		})
		t.Run("H81 management client at "+path, func(t *testing.T) {
			require.Empty(t, p.serverHandshake(path, serviceprotocol.KindWeak).Error)
		})
	}
	p.wantMetrics(`hubgate_server_connections_refused_total{reason="Mode"} 4`)
}

func TestClassicHub(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=classic")
	early := p.connect("chat", "ann")
	app := newApplication("chat", "s1")
	app.serve(t, p)
	app.ready(t)
	late := p.connect("chat", "bob")
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, late.invoke("server", ""))
	require.Contains(t, early.invoke("server", ""), `"error"`, "who was there before the hub server stays without one")
	status, _ := p.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01", hello)
	require.Equal(t, http.StatusAccepted, status)
	for _, c := range []*client{early, late} {
		require.Equal(t, helloRecord, c.next())
	}
	p.wantMetrics(`hubgate_server_losses_total{reason="NoServer"} 1`)
}

func TestGracePeriodKeepsClientsOfALostServer(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default", "--servers-grace-period=1m")
	first, second := newApplication("chat", "s1"), newApplication("chat", "s2")
	first.Connections = 1 // else its other one might have the client for a moment
	first.serve(t, p)
	first.ready(t)
	ann := p.connect("chat", "ann")
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, ann.invoke("server", ""))
	first.kill()
	first.wantGone(t, "ann")
	p.wantMetrics(`hubgate_server_clients_waiting{hub="chat"} 1`)
	second.serve(t, p)
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s2"}`, ann.invoke("server", ""))
	p.wantMetrics(`hubgate_server_client_moves_total{cause="recovery"} 1`, `hubgate_server_clients{hub="chat"} 1`)
}

// An alert on a hub without servers needs a series that is 0: before the first
// server, and after the last one.
func TestMetricsOfServersStayAtZero(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default", "--hub-mode=named=default")
	p.wantMetrics(`hubgate_server_connections{hub="named",kind="Default"} 0`, `hubgate_hub_info{hub="named",mode="default"} 1`)
	c := p.dial("chat", auth.ClientTokenSpec{})
	c.handshake()
	c.wantEnd()
	without := []string{
		`hubgate_server_connections{hub="chat",kind="Default"} 0`, `hubgate_server_connections{hub="chat",kind="Weak"} 0`,
		`hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 0`, `hubgate_connections{generation="aspnetcore",hub="chat",transport="LongPolling"} 0`,
		`hubgate_hub_info{hub="chat",mode="default"} 1`,
	}
	p.wantMetrics(without...)
	app := newApplication("chat", "s1")
	app.serve(t, p)
	app.ready(t)
	p.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`)
	app.kill()
	p.wantMetrics(without...)
}

func TestBannerSaysHowHubServersConnect(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	out := p.out.String()
	for _, text := range []string{
		"serves in Default mode on " + p.URL, "AddSignalR().AddAzureSignalR();", `app.MapHub<Chat>("/chat");`,
		"Azure__SignalR__ConnectionString='" + p.connectionString() + "'",
	} {
		require.Contains(t, out, text)
	}
	serverless := start(t)
	require.Contains(t, serverless.out.String(), "serves in Serverless mode on ")
	require.NotContains(t, serverless.out.String(), "AddAzureSignalR")
	own := start(t, "--mode=default", "--access-key="+strings.Repeat("k", 32))
	require.NotContains(t, own.out.String(), "kkkk")
}
