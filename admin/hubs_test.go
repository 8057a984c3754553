package admin

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// fakeModes are the modes of the hubs that the settings name; all others have
// the gateway's.
type fakeModes struct {
	gateway string
	hubs    map[string]string
}

func (m fakeModes) NamedHubs() (names []string) {
	for name := range m.hubs {
		names = append(names, name)
	}
	return names
}

func (m fakeModes) ModeOf(hub string) string {
	hub, _ = strings.CutPrefix(hub, "aspnet:")
	if own := m.hubs[hub]; own != "" {
		return own
	}
	return m.gateway
}

func (m fakeModes) TakesServers(hub string) bool { return m.ModeOf(hub) != "serverless" }

// watching returns an Admin that expects what the program expects, over fakes
// that the test changes between scrapes.
func watching(modes fakeModes) (*Admin, *fakeNode, *fakeServers) {
	a, node, servers := New("test"), &fakeNode{}, &fakeServers{}
	node.stats.Total.Dropped = map[gateway.DropReason]uint64{gateway.DropSlowClient: 0}
	a.Expect(Labels{Transports: []string{"WebSockets", "LongPolling"}, ServerKinds: []string{"Default", "OnDemand", "Weak"}})
	a.Watch(node)
	a.WatchServers(servers)
	a.WatchModes(modes)
	return a, node, servers
}

// hubSeries are the lines of a scrape about one hub.
func hubSeries(t *testing.T, a *Admin, hub string) string {
	t.Helper()
	_, body := get(t, a, "/metrics")
	var lines strings.Builder
	for line := range strings.Lines(body) {
		if strings.Contains(line, `hub="`+hub+`"`) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

const noServers = `hubgate_server_clients{hub="chat"} 0
hubgate_server_clients_waiting{hub="chat"} 0
hubgate_server_connections{hub="chat",kind="Default"} 0
hubgate_server_connections{hub="chat",kind="OnDemand"} 0
hubgate_server_connections{hub="chat",kind="Weak"} 0
hubgate_server_connections_leaving{hub="chat"} 0
hubgate_server_queued_bytes{hub="chat"} 0
`

// An alert on a hub without servers needs a series that is 0. One that ends
// with the last server never fires.
func TestSeriesOfAHubStayAtZeroWhenItsServersAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, servers := watching(fakeModes{gateway: "default"})
		servers.stats.Hubs = []ServerHubStats{{Hub: "chat", ByKind: map[string]int{"Default": 5}}}
		series := hubSeries(t, a, "chat")
		require.Contains(t, series, `hubgate_server_connections{hub="chat",kind="Default"} 5`)
		require.Contains(t, series, `hubgate_server_connections{hub="chat",kind="OnDemand"} 0`)

		servers.stats.Hubs = nil
		for range 2 {
			series = hubSeries(t, a, "chat")
			require.Contains(t, series, noServers)
			require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 0`)
			require.Contains(t, series, `hubgate_hub_info{hub="chat",mode="default"} 1`)
			time.Sleep(gateway.EmptyHubLife) // in the test's own time
		}
		time.Sleep(time.Second)
		require.Empty(t, hubSeries(t, a, "chat"))
	})
}

// Clients that are refused because there is no server make the hub known before
// its first server was there.
func TestSeriesOfAHubAreZeroBeforeItsFirstServer(t *testing.T) {
	a, node, _ := watching(fakeModes{gateway: "default"})
	require.Empty(t, hubSeries(t, a, "chat"))
	node.stats.Hubs = []gateway.HubStats{{Hub: "chat"}}
	require.Contains(t, hubSeries(t, a, "chat"), noServers)
}

// The core keeps a hub for a while after its last client: so long its
// connections are 0 with every transport.
func TestConnectionsOfAHubStayAtZero(t *testing.T) {
	a, node, _ := watching(fakeModes{gateway: "serverless"})
	node.stats.Hubs = []gateway.HubStats{{Hub: "chat", Connections: 1, ByTransport: map[string]int{"LongPolling": 1}}}
	series := hubSeries(t, a, "chat")
	require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="LongPolling"} 1`)
	require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 0`)
	node.stats.Hubs = []gateway.HubStats{{Hub: "chat"}}
	series = hubSeries(t, a, "chat")
	require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="LongPolling"} 0`)
	require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 0`)
	require.NotContains(t, series, "hubgate_server_", "no server can come to a Serverless hub")
	require.Contains(t, series, `hubgate_hub_info{hub="chat",mode="serverless"} 1`)
}

// Hubs that the settings name are known from the start and for ever.
func TestHubsOfTheSettingsHaveSeriesFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := watching(fakeModes{gateway: "serverless", hubs: map[string]string{"chat": "default", "news": "serverless"}})
		for range 2 {
			series := hubSeries(t, a, "chat")
			require.Contains(t, series, noServers)
			require.Contains(t, series, `hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 0`)
			require.Contains(t, series, `hubgate_deliveries_dropped_total{hub="chat",reason="SlowClient"} 0`)
			require.NotContains(t, hubSeries(t, a, "news"), "hubgate_server_")
			time.Sleep(2 * gateway.EmptyHubLife) // in the test's own time
		}
	})
}
