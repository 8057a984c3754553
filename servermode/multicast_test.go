package servermode_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// message is a payload that names itself.
func message(name string) sp.Payloads {
	return payload(`{"type":1,"target":"` + name + `","arguments":[]}`)
}

func TestMulticast(t *testing.T) {
	cases := []struct {
		name string
		m    sp.Message
		want string // how many each of the clients 1 to 5 gets
	}{
		{"H58 10 with exclusions", &sp.BroadcastData{Excluded: []string{"1", "3"}, Payloads: message("x")}, "01011"},
		{"H58 H32 10", &sp.BroadcastData{Payloads: message("x")}, "11111"},
		{"H58 7, one id twice", &sp.MultiConnectionData{Connections: []string{"2", "5", "2", "nobody"}, Payloads: message("x")}, "01001"},
		{"H58 8", &sp.UserData{User: "ann", Payloads: message("x")}, "11000"},
		{"H58 9, one user twice", &sp.MultiUserData{Users: []string{"ann", "bob", "ann"}, Payloads: message("x")}, "11100"},
		{"H58 13", &sp.GroupBroadcastData{Group: "g", Payloads: message("x")}, "10110"},
		{"H58 13 without ids and users", &sp.GroupBroadcastData{Group: "g", Excluded: []string{"4"}, ExcludedUsers: []string{"bob"}, Payloads: message("x")}, "10000"},
		{"H58 14, in both groups twice", &sp.MultiGroupBroadcastData{Groups: []string{"g", "h"}, Payloads: message("x")}, "20110"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				servers := []*hubServer{w.server(dial{}), w.server(dial{id: "s2"})}
				var clients []*gatewaytest.Client
				for i, user := range []string{"ann", "ann", "bob", "", "eve"} {
					clients = append(clients, w.connect(fmt.Sprint(i+1), user))
				}
				other := gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "x", Hub: "other", User: "ann", Protocol: "-"})
				for i, id := range []string{"1", "3", "4"} {
					servers[0].wantAck(sp.AckOK, int32(i), &sp.JoinGroupWithAck{ConnectionID: id, Group: "g", AckID: int32(i)})
				}
				servers[0].wantAck(sp.AckOK, 9, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "h", AckID: 9})
				servers[1].send(c.m) // over a connection that has not joined them
				synctest.Wait()
				got := ""
				for _, client := range clients {
					got += fmt.Sprint(count(client, `"target":"x"`))
				}
				require.Equal(t, c.want, got)
				other.WantNone("x")
			})
		})
	}
}

func TestPayloads(t *testing.T) {
	t.Run("H68 D11 payloads are passed on as they are, nothing is made", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			json := w.connect("1", "")
			packed := w.connectAs(gatewaytest.Options{ID: "2", Protocol: "messagepack"})
			blazor := w.connectAs(gatewaytest.Options{ID: "3", Protocol: "blazorpack"})
			frame := "\x0b\x95\x01\x80\xc0\xa4mess\x90\x90"
			odd := `{ "type":1, "target":"odd","arguments":[ ]}` + "\x1e"
			s.send(&sp.BroadcastData{Payloads: sp.Payloads{{Protocol: "JSON", Data: []byte(odd)}, {Protocol: "messagepack", Data: []byte(frame)},
				{Protocol: "blazorpack", Data: []byte(frame)}}})
			s.send(&sp.BroadcastData{Payloads: message("only")})
			synctest.Wait()
			require.Equal(t, odd, json.Got()[1], "H68 verbatim, the name in any letter case")
			require.Equal(t, frame, packed.Got()[1], "H68")
			require.Equal(t, frame, blazor.Got()[1], "H68")
			packed.Want(w.ctx(), "only") // D11
			require.Len(t, blazor.Got(), 2, "D11 nothing is made for other protocols")
		})
	})
}
