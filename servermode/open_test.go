package servermode_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestWhatAHubServerLearnsOfAClient(t *testing.T) {
	const (
		nameID = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
		name   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
		role   = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
	)
	open := func(t *testing.T, w *world, id gateway.Identity) *sp.OpenConnection {
		s := w.server(dial{})
		w.connectAs(gatewaytest.Options{ID: "1", User: "ann", Identity: id})
		return s.next(sp.TypeOpenConnection).(*sp.OpenConnection)
	}
	t.Run("H38 H40 claims", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{TokenClaims: []gateway.Claim{
				{Type: "asrs.s.uid", Value: "ann"}, {Type: "nameid", Value: "n"}, {Type: "unique_name", Value: "Ann"},
				{Type: "role", Value: "admin"}, {Type: "role", Value: "user"}, {Type: "asrs.u.aud", Value: "mine"}, {Type: "age", Value: "7"},
			}})
			require.Equal(t, []sp.Claim{
				{Type: "asrs.s.uid", Value: "ann"}, {Type: "nameid", Value: "n"}, {Type: "unique_name", Value: "Ann"},
				{Type: "role", Value: "admin"}, {Type: "role", Value: "user"}, {Type: "asrs.u.aud", Value: "mine"}, {Type: "age", Value: "7"},
				{Type: nameID, Value: "n"}, {Type: name, Value: "Ann"}, {Type: role, Value: "admin"}, {Type: role, Value: "user"},
			}, m.Claims)
		})
	})
	t.Run("H39 no claims", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			w.connect("1", "")
			require.Empty(t, s.next(sp.TypeOpenConnection).(*sp.OpenConnection).Claims)
		})
	})
	t.Run("H41 H56 query", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{Query: "hub=chat&asrs.op=%2Fchat&x=a+b%26c&asrs_request_id=r%3D"})
			require.Equal(t, "?hub=chat&asrs.op=%2Fchat&x=a+b%26c&asrs_request_id=r%3D", m.Query)
		})
	})
	t.Run("H43 empty query", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) { require.Empty(t, open(t, w, gateway.Identity{}).Query) })
	})
	t.Run("H42 H55 headers", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			m := open(t, w, gateway.Identity{RemoteAddr: "10.0.0.9", Diagnostic: true, Headers: []gateway.Header{{Name: "User-Agent", Value: "x"}}})
			require.Equal(t, []sp.Header{
				{Name: "Asrs-Instance-Id", Values: []string{"node-a"}}, {Name: "X-Forwarded-For", Values: []string{"10.0.0.9"}},
				{Name: "Asrs-Is-Diagnostic-Client", Values: []string{"true"}}, {Name: "User-Agent", Values: []string{"x"}},
			}, m.Headers)
		})
	})
}

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

func TestH37NothingOvertakesTheHandshakeAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		owner := w.server(dial{silent: true})
		c := w.connect("1", "ann")
		other := w.server(dial{id: "s2"})
		other.send(&sp.BroadcastData{Payloads: message("early")}, &sp.MultiConnectionData{Connections: []string{"1"}, Payloads: message("early")},
			&sp.UserData{User: "ann", Payloads: message("early")})
		synctest.Wait()
		require.Empty(t, c.Got())
		owner.data("1", "{")
		owner.data("1", "}")
		synctest.Wait()
		require.Empty(t, c.Got())
		owner.data("1", "\x1e"+call("", "with it"))
		synctest.Wait()
		other.send(&sp.BroadcastData{Payloads: message("later")})
		synctest.Wait()
		require.Equal(t, "{}\x1e", c.Got()[0])
		require.Equal(t, 1, count(c, "with it"))
		require.Equal(t, 1, count(c, "later"))
		require.Equal(t, 3, count(c, "early"), "what a hub sends while it accepts a client waits for the answer")
	})
}

func TestRecordsAreNeverSplit(t *testing.T) {
	t.Run("H48 records arrive whole however they were cut", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			text := call("", "a") + call("", "b") + call("", "c")
			for _, b := range []byte(text) {
				s.data("1", string(b))
			}
			s.data("1", text[:50])
			s.data("1", text[50:])
			synctest.Wait()
			want := []string{"{}\x1e", call("", "a"), call("", "b"), call("", "c"), call("", "a"), call("", "b"), call("", "c")}
			require.Equal(t, want, c.Got(), "H48")
		})
	})
}
