package admin

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// The series of an application of ASP.NET SignalR have its key as their hub, and say its generation
// where clients are counted.
func TestSeriesTellTheGeneration(t *testing.T) {
	a, node, servers := watching(fakeModes{gateway: "default"})
	one := map[string]int{"WebSockets": 1}
	node.stats.Hubs = []gateway.HubStats{{Hub: "chat", ByTransport: one}, {Hub: "aspnet:shop.startup", ByTransport: one}}
	servers.stats.Hubs = []ServerHubStats{{Hub: "aspnet:shop.startup", ByKind: map[string]int{"Default": 5}}}
	require.Contains(t, hubSeries(t, a, "chat"), `hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 1`)
	series := hubSeries(t, a, "aspnet:shop.startup")
	for _, line := range []string{
		`hubgate_connections{generation="aspnet",hub="aspnet:shop.startup",transport="WebSockets"} 1`,
		`hubgate_connections{generation="aspnet",hub="aspnet:shop.startup",transport="LongPolling"} 0`,
		`hubgate_hub_info{hub="aspnet:shop.startup",mode="default"} 1`,
		`hubgate_server_connections{hub="aspnet:shop.startup",kind="Default"} 5`,
	} {
		require.Contains(t, series, line)
	}
}

// Hubs and applications without series of their own are two series: a total of one generation holds
// nothing of the other.
func TestFurtherHubsAreOneSeriesForEachGeneration(t *testing.T) {
	a, node, servers := watching(fakeModes{gateway: "default"})
	for i := range maxHubLabels {
		node.stats.Hubs = append(node.stats.Hubs, gateway.HubStats{Hub: fmt.Sprintf("aspnet:app%03d", i)})
	}
	polling := map[string]int{"LongPolling": 1}
	for _, hub := range []string{"aspnet:b", "aspnet:c", "chat"} {
		node.stats.Hubs = append(node.stats.Hubs, gateway.HubStats{Hub: hub, ByTransport: polling})
		servers.stats.Hubs = append(servers.stats.Hubs, ServerHubStats{Hub: hub, Clients: 1})
	}
	_, body := get(t, a, "/metrics")
	for _, line := range []string{
		`hubgate_connections{generation="aspnet",hub="aspnet:_other",transport="LongPolling"} 2`,
		`hubgate_connections{generation="aspnetcore",hub="_other",transport="LongPolling"} 1`,
		`hubgate_server_clients{hub="aspnet:_other"} 2`,
		`hubgate_server_clients{hub="_other"} 1`,
	} {
		require.Contains(t, body, line)
	}
}

// The settings have one list of names. One that turns out to be an application's has no series as a
// hub: an alert on a hub without servers would fire for ever.
func TestNameOfTheSettingsThatIsAnApplication(t *testing.T) {
	a, node, servers := watching(fakeModes{gateway: "serverless", hubs: map[string]string{"shop": "default"}})
	require.Contains(t, hubSeries(t, a, "shop"), `hubgate_server_connections{hub="shop",kind="Default"} 0`)

	servers.stats.Hubs = []ServerHubStats{{Hub: "aspnet:shop", ByKind: map[string]int{"Default": 5}}}
	require.Empty(t, hubSeries(t, a, "shop"))
	servers.stats.Hubs = nil
	require.Contains(t, hubSeries(t, a, "aspnet:shop"), `hubgate_server_connections{hub="aspnet:shop",kind="Default"} 0`)
	require.Empty(t, hubSeries(t, a, "shop"))

	node.stats.Hubs = []gateway.HubStats{{Hub: "shop"}}
	require.NotEmpty(t, hubSeries(t, a, "shop"), "a hub that has clients has series, whatever else is called like it")
}
