package servermode_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// where says which of the hub servers has got the client, "" for none.
func where(id string, servers map[string]*hubServer) string {
	for name, s := range servers {
		for _, have := range s.clients() {
			if have == id {
				return name
			}
		}
	}
	return ""
}

func TestChoice(t *testing.T) {
	sticky := func(kind, server string) gateway.Identity {
		return gateway.Identity{TokenClaims: []gateway.Claim{{Type: "asrs.s.sn", Value: server}, {Type: "asrs.s.ssticky", Value: kind}}}
	}
	const sdk = "Microsoft.Azure.SignalR/1.25.1 (.NET 8)"
	cases := []struct {
		name     string
		mode     modes.Mode
		servers  map[string]dial
		leaves   string // a hub server that has said so
		identity gateway.Identity
		want     string // "" is refused
	}{
		{"C67 no hub server", "default", nil, "", gateway.Identity{}, ""},
		{"H50 Required", "default", map[string]dial{"a": {}, "b": {}}, "", sticky("Required", "b"), "b"},
		{"H50 Required is gone", "default", map[string]dial{"a": {}}, "", sticky("Required", "b"), ""},
		{"H50 Preferred", "default", map[string]dial{"a": {}, "b": {}}, "", sticky("Preferred", "b"), "b"},
		{"H50 Preferred falls back", "default", map[string]dial{"a": {}}, "", sticky("Preferred", "b"), "a"},
		{"H13a the token's id counts, not the header's", "default", map[string]dial{"a": {header: "b"}, "b": {header: "b"}}, "", sticky("Required", "a"), "a"},
		{"H74 one that leaves", "default", map[string]dial{"a": {}, "b": {}}, "a", gateway.Identity{}, "b"},
		{"H74 only one that leaves", "default", map[string]dial{"a": {}}, "a", gateway.Identity{}, ""},
		{"OnDemand", "default", map[string]dial{"a": {kind: sp.KindOnDemand}}, "", gateway.Identity{}, "a"},
		{"H81 management", "default", map[string]dial{"a": {kind: sp.KindWeak, agent: "Microsoft.Azure.SignalR.Management/1.25"}}, "", gateway.Identity{}, ""},
		{"H81 a weak hub server as last resort", "default", map[string]dial{"a": {kind: sp.KindWeak, agent: sdk}}, "", gateway.Identity{}, "a"},
		{"H81 a weak hub server besides another", "default", map[string]dial{"a": {kind: sp.KindWeak, agent: sdk}, "b": {level: 1}}, "", gateway.Identity{}, "b"},
		{"H81 a weak hub server besides one that leaves", "default", map[string]dial{"a": {kind: sp.KindWeak, agent: sdk}, "b": {}}, "b", gateway.Identity{}, "a"},
		{"another hub's", "default", map[string]dial{"a": {hub: "other"}}, "", gateway.Identity{}, ""},
		{"H9 an application's", "default", map[string]dial{"a": {hub: "app_chat"}}, "", gateway.Identity{}, ""},
		{"classic with one", "classic", map[string]dial{"a": {}}, "", gateway.Identity{}, "a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.mode = c.mode
				servers := make(map[string]*hubServer)
				for name, d := range c.servers {
					d.id = name
					servers[name] = w.server(d)
				}
				if c.leaves != "" {
					servers[c.leaves].send(sp.ShutdownPing(sp.FinKeep))
					synctest.Wait()
				}
				client := w.connectAs(gatewaytest.Options{ID: "1", Identity: c.identity})
				require.Equal(t, c.want, where("1", servers))
				if c.want == "" {
					cause := client.WantEnd(t.Context())
					require.Equal(t, gateway.CloseNoAvailableServerConnection, cause.Reason)
					require.True(t, strings.HasPrefix(client.Got()[0], `{"error":"No hub server`), "%q", client.Got())
				}
			})
		})
	}
	t.Run("the one with the fewest clients", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			servers := map[string]*hubServer{"a": w.server(dial{id: "a"}), "b": w.server(dial{id: "b"}), "c": w.server(dial{id: "c"})}
			for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
				w.connect(id, "")
			}
			for name, s := range servers {
				require.Len(t, s.clients(), 3, "server %s", name)
			}
		})
	})
}

func TestASilentServerGetsNoNewClients(t *testing.T) {
	t.Run("while there is another", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			hung, live := w.server(dial{id: "hung"}), w.server(dial{id: "live"})
			live.setOn(func(sp.Message) { live.send(sp.ClientCountPing(0, 0)) })
			conns := crowd(t, w, 8)
			require.Len(t, hung.take(sp.TypeOpenConnection), 4)
			time.Sleep(13 * time.Second)
			for i := range 8 {
				w.connect(fmt.Sprint("new", i), "")
			}
			require.Empty(t, hung.take(sp.TypeOpenConnection), "two pings missed")
			require.NoError(t, hung.end())
			time.Sleep(9 * time.Second)
			require.Error(t, hung.end())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndSilent])
			require.EqualValues(t, 4, w.Stats().Recovered, "there was time to give its clients away")
			wantLive(t, conns)
		})
	})
	t.Run("unless all are silent", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			time.Sleep(13 * time.Second)
			w.connect("1", "")
			s.next(sp.TypeOpenConnection)
		})
	})
}

func TestH32FiveConnectionsOfOneProcess(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var servers []*hubServer
		for range 5 {
			servers = append(servers, w.server(dial{}))
		}
		var clients []*gatewaytest.Client
		for i := range 10 {
			clients = append(clients, w.connect(fmt.Sprint(i), ""))
		}
		for i, s := range servers {
			require.Len(t, s.clients(), 2)
			s.send(&sp.BroadcastData{Payloads: message(fmt.Sprint("from", i))})
		}
		synctest.Wait()
		for _, c := range clients {
			for i := range servers {
				require.Equal(t, 1, count(c, fmt.Sprint("from", i)))
			}
		}
	})
}
