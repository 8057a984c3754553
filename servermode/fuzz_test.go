package servermode_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// FuzzHubServer sends anything behind a good handshake: nothing panics, and
// another hub server and its client are unharmed.
func FuzzHubServer(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(2))
	}
	f.Fuzz(func(t *testing.T, input []byte, kind uint8) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.MessageBytes = 1 << 20
			other := w.server(dial{id: "good"})
			c := gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "good", Hub: "chat", User: "u1"})
			s := w.server(dial{kind: sp.ConnectionKind(kind % 3), agent: "Microsoft.Azure.SignalR/1"})
			gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "C1", Hub: "chat", User: "u2"})
			s.write(input)
			time.Sleep(3 * time.Second)
			if n := w.gw.Stats().Panics; n > 0 {
				t.Fatalf("%d panics: %s", n, w.log)
			}
			for end, n := range w.Stats().Ended {
				if end == "Panic" && n > 0 {
					t.Fatal(w.log.String())
				}
			}
			if other.end() != nil {
				t.Fatal("another hub server was harmed")
			}
			if c.Conn.CloseRequested() == nil {
				other.data("good", call("", "unharmed"))
				ctx := t.Context()
				c.Want(ctx, "unharmed")
			}
		})
	})
}

// FuzzAspNetServer is FuzzHubServer for hub servers of ASP.NET SignalR.
func FuzzAspNetServer(f *testing.F) {
	for _, seed := range append(seeds(), aspnetSeeds()...) {
		f.Add(seed, uint8(0), "app_app")
		f.Add(seed, uint8(2), "app_chat")
	}
	f.Fuzz(func(t *testing.T, input []byte, kind uint8, hub string) {
		if hub != "app_app" {
			hub = "app_chat"
		}
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.MessageBytes, w.limits.Grace = 1<<20, 5*time.Second
			other := w.aspnetServer(dial{id: "good", hub: "other_other"})
			c := w.aspnet(aspnetOptions{id: "good", app: "other", user: "ann"})
			s := w.aspnetServer(dial{kind: sp.ConnectionKind(kind % 3), hub: hub})
			client := w.aspnet(aspnetOptions{id: "C1", user: "u2"})
			client.say(aspnetCall("1", "x"))
			s.write(input)
			time.Sleep(3 * time.Second)
			if n := w.gw.Stats().Panics + w.Stats().Panics; n > 0 {
				t.Fatalf("%d panics: %s", n, w.log)
			}
			for _, frame := range client.frames() {
				if !json.Valid([]byte(frame)) || strings.ContainsAny(frame, "\r\n") {
					t.Fatalf("the client has got %q", frame)
				}
			}
			if other.end() != nil || c.conn.CloseRequested() != nil {
				t.Fatal("another application was harmed")
			}
			c.wantFrames(initFrame)
			other.tell("good", bus("unharmed"))
			c.wantFrames(busFrame("unharmed"))
		})
	})
}

// aspnetSeeds are messages of hub servers of ASP.NET SignalR.
func aspnetSeeds() (list [][]byte) {
	p := wrapped(bus("x"))
	for _, m := range []sp.Message{
		&sp.ConnectionData{ConnectionID: "C1", Payload: p[0].Data}, &sp.ConnectionData{ConnectionID: "good", Payload: p[0].Data},
		&sp.ConnectionData{ConnectionID: "C1", Payload: sp.AppendWrapped(nil, []byte(aspnetResult("1", "2")))},
		&sp.ConnectionData{ConnectionID: "C1", Payload: sp.AppendWrapped(nil, []byte("{\r\n\"I\":1,\n\"M\":[\r]}"))},
		&sp.BroadcastData{Excluded: []string{"C1"}, Payloads: p}, &sp.UserData{User: "u2", Payloads: p},
		&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: p}, &sp.JoinGroupWithAck{ConnectionID: "C1", Group: "hg-Chat.g", AckID: 1},
		&sp.LeaveGroupWithAck{ConnectionID: "C1", Group: "hg-Chat.g", AckID: 1}, &sp.CloseConnection{ConnectionID: "C1", Error: "Duplicate connection ID C1"},
		&sp.CloseConnection{ConnectionID: "good", Error: "x"}, &sp.CloseConnection{ConnectionID: "C1", Error: "x"},
	} {
		list = append(list, m.Append(nil))
	}
	return list
}

// seeds are messages of all kinds, and what is next to them.
func seeds() [][]byte {
	list := [][]byte{{}, []byte("\x05hello"), []byte("\xff\xff\xff\xff\xff\x01"), []byte("\x03\x92\x7f\x01")}
	p := message("x")
	for _, m := range []sp.Message{
		&sp.ConnectionData{ConnectionID: "C1", Payload: []byte(call("", "x") + "{}\x1e" + completion("1", "2"))}, &sp.ConnectionData{ConnectionID: "C1", Payload: []byte("{")},
		&sp.CloseConnection{ConnectionID: "C1"}, &sp.CloseConnection{ConnectionID: "good", Error: "x"},
		&sp.BroadcastData{Excluded: []string{"C1"}, Payloads: p}, &sp.MultiConnectionData{Connections: []string{"C1", "C1"}, Payloads: p},
		&sp.UserData{User: "u2", Payloads: p}, &sp.MultiUserData{Users: []string{"u1"}, Payloads: p},
		&sp.GroupBroadcastData{Group: "g", ExcludedUsers: []string{"u1"}, Payloads: p}, &sp.MultiGroupBroadcastData{Groups: []string{"g"}, Payloads: p},
		&sp.JoinGroupWithAck{ConnectionID: "C1", Group: "g", AckID: 1}, &sp.LeaveGroupWithAck{ConnectionID: "C1", All: true, AckID: 2},
		&sp.UserJoinGroupWithAck{User: "u2", Group: "g", AckID: 3, TTL: -1, HasTTL: true}, &sp.UserLeaveGroupWithAck{User: "u2", All: true, AckID: 4},
		&sp.CheckUserInGroup{User: "u2", Group: "g", AckID: 5}, &sp.GroupMemberQuery{Group: "g", AckID: 6},
		&sp.ClientInvocation{InvocationID: "i", ConnectionID: "C1", Payloads: p}, &sp.ClientCompletion{InvocationID: "i", Payload: []byte("x")},
		&sp.ErrorCompletion{InvocationID: "i"}, sp.ShutdownPing(sp.FinMigrate), sp.StatusQuestionPing(), sp.ServersQuestionPing(), sp.EchoPing("x"),
		&sp.AccessKeyRequest{Token: "t"}, &sp.CloseUserConnections{User: "u2", AckID: 7}, &sp.HandshakeRequest{Version: 1},
	} {
		list = append(list, m.Append(nil))
	}
	return list
}
