package servermode_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/backplane"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// audience is clients of two applications: 1 to 5 of app, 6 of another.
func (w *world) audience() []*aspnetClient {
	return []*aspnetClient{
		w.aspnet(aspnetOptions{id: "1", user: "ann"}),
		w.aspnet(aspnetOptions{id: "2", user: "ann", hubs: []string{"CHAT", "news"}}),
		w.aspnet(aspnetOptions{id: "3", user: "bob", app: "App"}),
		w.aspnet(aspnetOptions{id: "4", user: "ann", hubs: []string{"News"}}),
		w.aspnet(aspnetOptions{id: "5", hubs: []string{"chat"}}),
		w.aspnet(aspnetOptions{id: "6", user: "ann", app: "other"}),
	}
}

// reached says how many messages each of them has got, and forgets them.
func reached(clients []*aspnetClient) string {
	synctest.Wait()
	var b strings.Builder
	for _, c := range clients {
		n := 0
		for _, f := range c.frames() {
			if f == busFrame("x") {
				n++
			}
		}
		fmt.Fprint(&b, n)
		c.forget()
	}
	return b.String()
}

func TestH86WhomAMessageReaches(t *testing.T) {
	p := wrapped(bus("x"))
	for _, c := range []struct {
		name, over string
		m          sp.Message
		want       string
	}{
		{"10 over a hub's connection", "app_chat", &sp.BroadcastData{Payloads: p}, "111010"},
		{"10 over that of another hub", "app_news", &sp.BroadcastData{Payloads: p}, "010100"},
		{"10 with exclusions", "app_chat", &sp.BroadcastData{Excluded: []string{"1", "5"}, Payloads: p}, "011000"},
		{"10 over the application's, which may have a hub of its name", "app_app", &sp.BroadcastData{Payloads: p}, "000000"},
		{"10 of a hub that nobody declared", "app_void", &sp.BroadcastData{Payloads: p}, "000000"},
		{"8", "app_chat", &sp.UserData{User: "ann", Payloads: p}, "110000"},
		{"8 of another hub", "app_news", &sp.UserData{User: "ann", Payloads: p}, "010100"},
		{"8 for nobody", "app_chat", &sp.UserData{User: "eve", Payloads: p}, "000000"},
		{"9, one twice", "app_chat", &sp.MultiUserData{Users: []string{"ann", "bob", "ann"}, Payloads: p}, "111000"},
		{"13 over the application's", "app_app", &sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: p}, "100110"},
		{"13 over a hub's", "app_news", &sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: p}, "100110"},
		{"13 with exclusions", "app_app", &sp.GroupBroadcastData{Group: "hg-Chat.g", Excluded: []string{"4"}, ExcludedUsers: []string{"ann"}, Payloads: p}, "000010"},
		{"13 in another letter case", "app_app", &sp.GroupBroadcastData{Group: "hg-chat.g", Payloads: p}, "000000"},
		{"14, in two groups twice", "app_app", &sp.MultiGroupBroadcastData{Groups: []string{"hg-Chat.g", "hg-Chat.h"}, Payloads: p}, "200110"},
		{"7, one twice, and one of another application", "app_app", &sp.MultiConnectionData{Connections: []string{"2", "4", "2", "6", "nobody"}, Payloads: p}, "010100"},
		{"the groups of the gateway have other names", "app_app", &sp.MultiGroupBroadcastData{Groups: []string{"h:app_chat", "u:app_chat:ann"}, Payloads: p}, "000000"},
		{"a user's name does not leave its place", "app_chat", &sp.UserData{User: "x:ann", Payloads: p}, "000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				app := w.aspnetServer(dial{})
				w.aspnetServer(dial{hub: "other_other"})
				over := w.aspnetServer(dial{hub: c.over})
				clients := w.audience()
				for i, id := range []string{"1", "4", "5"} {
					app.forget()
					app.wantAck(sp.AckOK, int32(i), &sp.JoinGroupWithAck{ConnectionID: id, Group: "hg-Chat.g", AckID: int32(i)})
				}
				app.wantAck(sp.AckOK, 9, &sp.JoinGroupWithAck{ConnectionID: "1", Group: "hg-Chat.h", AckID: 9})
				reached(clients)
				over.send(c.m)
				require.Equal(t, c.want, reached(clients))
			})
		})
	}
}

// Data for one client comes over any connection of its application, and over no other.
func TestH86DataOverAnyConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		app := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		own, hub := w.aspnetServer(dial{id: "s2"}), w.aspnetServer(dial{id: "s3", hub: "app_news"})
		other := w.aspnetServer(dial{id: "s4", hub: "other_other"})
		for i, s := range []*hubServer{app, own, hub, other} {
			s.tell("1", bus(fmt.Sprint(i)))
		}
		c.wantFrames(initFrame, busFrame("0"), busFrame("1"), busFrame("2"))
		require.EqualValues(t, 1, w.Stats().Lost[servermode.LossUnknownConnection])

		other.send(&sp.CloseConnection{ConnectionID: "1", Error: "x"})
		own.tell("nobody", bus("x"))
		synctest.Wait()
		require.Nil(t, c.conn.CloseRequested())
		require.EqualValues(t, 2, w.Stats().Lost[servermode.LossUnknownConnection])

		own.send(&sp.CloseConnection{ConnectionID: "1", Error: "bye"})
		synctest.Wait()
		require.Equal(t, "bye", c.conn.CloseRequested().Text)
		own.tell("1", bus("late"))
		app.tell("1", bus("late"))
		require.EqualValues(t, 2, w.Stats().Lost[servermode.LossUnknownConnection], "it has just gone")
	})
}

// Group traffic is in order with the results on the connection that carries both.
func TestH86Order(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{})
		c := w.aspnet(aspnetOptions{id: "1"})
		s.send(&sp.JoinGroup{ConnectionID: "1", Group: "hg-Chat.g"}, &sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("1"))},
			&sp.ConnectionData{ConnectionID: "1", Payload: sp.AppendWrapped(nil, []byte(aspnetResult("0", "1")))},
			&sp.LeaveGroup{ConnectionID: "1", Group: "hg-Chat.g"}, &sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("2"))},
			&sp.ConnectionData{ConnectionID: "1", Payload: sp.AppendWrapped(nil, []byte(bus("3")))})
		c.wantFrames(initFrame, busFrame("1"), aspnetResult("0", "1"), busFrame("3"))
	})
}

// Everything but 2 makes the application's call throw, and so is only said when it is true.
func TestAspNetGroupAcks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.core.MaxGroups = 3
		app, hub := w.aspnetServer(dial{}), w.aspnetServer(dial{hub: "app_chat"})
		c := w.aspnet(aspnetOptions{id: "1", user: "ann"})
		w.aspnet(aspnetOptions{id: "6", app: "other"})
		app.forget()
		join := func(id, group string, ack int32) sp.Message {
			return &sp.JoinGroupWithAck{ConnectionID: id, Group: group, AckID: ack}
		}
		app.wantAck(sp.AckOK, 1, join("1", "hg-Chat.g", 1))
		app.wantAck(sp.AckOK, 2, join("1", "hg-Chat.g", 2))
		hub.wantAck(sp.AckOK, 3, join("1", "hg-Chat.g", 3))
		app.wantAck(sp.AckNotFound, 4, join("nobody", "hg-Chat.g", 4))
		app.wantAck(sp.AckNotFound, 5, join("6", "hg-Chat.g", 5))
		app.wantAck(sp.AckNotFound, 6, join("1", "", 6))
		app.wantAck(sp.AckInternalError, 7, join("1", "hg-Chat.toomany", 7))
		app.wantAck(sp.AckOK, 8, &sp.LeaveGroupWithAck{ConnectionID: "1", Group: "hg-Chat.other", AckID: 8})
		app.wantAck(sp.AckNotFound, 9, &sp.LeaveGroupWithAck{ConnectionID: "nobody", Group: "hg-Chat.g", AckID: 9})
		// All groups would be the hubs that it declared too. Nobody sends it.
		app.wantAck(sp.AckNotFound, 10, &sp.LeaveGroupWithAck{ConnectionID: "1", All: true, AckID: 10})
		hub.broadcast("x")
		app.send(&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("y"))})
		c.wantFrames(initFrame, busFrame("x"), busFrame("y"))
		app.wantAck(sp.AckOK, 11, &sp.LeaveGroupWithAck{ConnectionID: "1", Group: "hg-Chat.g", AckID: 11})
		app.send(&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("z"))})
		c.wantFrames()
	})
}

// What ASP.NET SignalR does not have is counted, and whoever waits is answered.
func TestAspNetMessagesWithoutMeaning(t *testing.T) {
	for _, c := range []struct {
		m   sp.Message
		ack bool
	}{
		{&sp.UserJoinGroup{User: "ann", Group: "g"}, false}, {&sp.UserLeaveGroup{User: "ann", Group: "g"}, false},
		{&sp.UserJoinGroupWithAck{User: "ann", Group: "g", AckID: 7}, true}, {&sp.UserLeaveGroupWithAck{User: "ann", All: true, AckID: 7}, true},
		{&sp.CheckUserInGroup{User: "ann", Group: "g", AckID: 7}, true}, {&sp.CheckGroupExistence{Group: "g", AckID: 7}, true},
		{&sp.CheckConnectionExistence{ConnectionID: "1", AckID: 7}, true}, {&sp.CheckUserExistence{User: "ann", AckID: 7}, true},
		{&sp.CloseConnectionWithAck{ConnectionID: "1", AckID: 7}, true}, {&sp.CloseConnections{AckID: 7}, true},
		{&sp.CloseUserConnections{User: "ann", AckID: 7}, true}, {&sp.CloseGroupConnections{Group: "g", AckID: 7}, true},
		{&sp.GroupMemberQuery{Group: "g", AckID: 7}, true}, {&sp.LeaveGroup{ConnectionID: "1", All: true}, false},
		{&sp.ClientCompletion{InvocationID: "i", Payload: []byte("x")}, false}, {&sp.ErrorCompletion{InvocationID: "i"}, false},
		{&sp.OpenConnection{ConnectionID: "1"}, false}, {&sp.Ack{AckID: 1}, false}, {&sp.ConnectionReconnect{ConnectionID: "1"}, false},
		{&sp.ServiceMapping{InvocationID: "i"}, false}, {&sp.HandshakeRequest{Version: 1}, false},
	} {
		t.Run(c.m.Type().String(), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.aspnetServer(dial{hub: "app_chat"})
				client := w.aspnet(aspnetOptions{id: "1", user: "ann"})
				s.forget()
				if c.ack {
					s.wantAck(sp.AckNotFound, 7, c.m)
				} else {
					s.send(c.m)
					synctest.Wait()
					require.Empty(t, s.take(sp.TypeAck))
				}
				require.EqualValues(t, 1, w.Stats().Lost[servermode.LossNoMeaning])
				s.broadcast("x")
				client.wantFrames(initFrame, busFrame("x"))
				require.Nil(t, client.conn.CloseRequested())
			})
		})
	}
}

func TestAspNetClientsHaveNoResults(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{})
		w.aspnet(aspnetOptions{id: "1"})
		s.send(&sp.ClientInvocation{InvocationID: "i", ConnectionID: "1", CallerServerID: "s1", Payloads: wrapped(bus("x"))})
		synctest.Wait()
		answer := s.next(sp.TypeErrorCompletion).(*sp.ErrorCompletion)
		require.Equal(t, "i", answer.InvocationID)
		require.EqualValues(t, 1, w.Stats().Lost[servermode.LossNoMeaning])
	})
}

// A client of another node is reached as one of this node is, and messages keep their cursor.
func TestAspNetClientsOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := &backplane.InProcess{}
		a, b := newNode(t, "node-a", nodes.From("node-a")), newNode(t, "node-b", nodes.From("node-b"))
		defer a.stop()
		defer b.stop()
		s, there := a.aspnetServer(dial{hub: "app_chat"}), b.aspnetServer(dial{hub: "app_chat"})
		here := a.aspnet(aspnetOptions{id: auth.NewConnectionID("node-a")})
		id := auth.NewConnectionID("node-b")
		far := b.aspnet(aspnetOptions{id: id, user: "ann"})
		there.forget()
		s.broadcast("all")
		require.Equal(t, here.got, far.got)
		s.tell(id, bus("one"))
		s.send(&sp.UserData{User: "ann", Payloads: wrapped(bus("user"))})
		s.forget()
		s.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: id, Group: "hg-Chat.g", AckID: 1})
		s.send(&sp.GroupBroadcastData{Group: "hg-Chat.g", Payloads: wrapped(bus("group"))})
		far.wantFrames(initFrame, busFrame("all"), busFrame("one"), busFrame("user"), busFrame("group"))
		here.wantFrames(initFrame, busFrame("all"))
		require.Zero(t, a.Stats().Lost[servermode.LossUnknownConnection])

		s.send(&sp.CloseConnection{ConnectionID: id, Error: "bye"})
		synctest.Wait()
		require.Equal(t, "bye", far.conn.CloseRequested().Text)
		s.tell(auth.NewConnectionID("node-a"), bus("nobody"))
		require.EqualValues(t, 1, a.Stats().Lost[servermode.LossUnknownConnection])
	})
}

func TestAspNetUnknownMessages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.aspnetServer(dial{hub: "app_chat"})
		client := w.aspnet(aspnetOptions{id: "1"})
		s.write([]byte("\x03\x92\x7f\x01"))
		s.send(&sp.AccessKeyRequest{Token: "t"}, &sp.ConnectionFlowControl{})
		synctest.Wait()
		require.EqualValues(t, 1, w.Stats().Lost[servermode.LossUnknownType])
		require.Equal(t, "TokenMalformed", s.next(sp.TypeAccessKeyResponse).(*sp.AccessKeyResponse).ErrorType)
		s.broadcast("x")
		client.wantFrames(initFrame, busFrame("x"))
	})
}
