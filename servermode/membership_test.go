package servermode_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestAcks(t *testing.T) {
	t.Run("H59 H60 H62 H64 H65 each question is answered where it was asked", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s, other := w.server(dial{}), w.server(dial{id: "s2"})
			a, b := w.connect("1", "ann"), w.connect("2", "bob")
			type step struct {
				row  string
				m    sp.Message
				want sp.AckStatus
			}
			const yes, no = sp.AckOK, sp.AckNotFound
			for _, c := range []step{
				{"H60 join of nobody", &sp.JoinGroupWithAck{ConnectionID: "x", Group: "g", AckID: 1}, no},
				{"H59 join", &sp.JoinGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1}, yes},
				{"H65 group exists", &sp.CheckGroupExistence{Group: "g", AckID: 1}, yes},
				{"H65 no such group", &sp.CheckGroupExistence{Group: "h", AckID: 1}, no},
				{"H65 connection exists", &sp.CheckConnectionExistence{ConnectionID: "2", AckID: 1}, yes},
				{"H65 no such connection", &sp.CheckConnectionExistence{ConnectionID: "3", AckID: 1}, no},
				{"H65 user exists", &sp.CheckUserExistence{User: "ann", AckID: 1}, yes},
				{"H65 no such user", &sp.CheckUserExistence{User: "eve", AckID: 1}, no},
				{"H65 user not in group", &sp.CheckUserInGroup{User: "bob", Group: "g", AckID: 1}, no},
				{"H59 leave", &sp.LeaveGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1}, yes},
				{"H65 the group is gone", &sp.CheckGroupExistence{Group: "g", AckID: 1}, no},
				{"H59 leave of nobody", &sp.LeaveGroupWithAck{ConnectionID: "x", Group: "g", AckID: 1}, no},
				{"H62 join one", &sp.JoinGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1}, yes},
				{"H62 join two", &sp.JoinGroupWithAck{ConnectionID: "1", Group: "h", AckID: 1}, yes},
				{"H62 leave all", &sp.LeaveGroupWithAck{ConnectionID: "1", All: true, AckID: 1}, yes},
				{"H62 one is gone", &sp.CheckGroupExistence{Group: "g", AckID: 1}, no},
				{"H62 two is gone", &sp.CheckGroupExistence{Group: "h", AckID: 1}, no},
				{"H64 user without connections", &sp.UserJoinGroupWithAck{User: "eve", Group: "u", AckID: 1}, yes},
				{"H65 eve in group", &sp.CheckUserInGroup{User: "eve", Group: "u", AckID: 1}, yes},
				{"H62 user leaves all", &sp.UserLeaveGroupWithAck{User: "eve", All: true, AckID: 1}, yes},
				{"H65 eve not in group", &sp.CheckUserInGroup{User: "eve", Group: "u", AckID: 1}, no},
				{"H69 members", &sp.GroupMemberQuery{Group: "u", AckID: 1}, yes},
				{"H67 close of nobody", &sp.CloseConnectionWithAck{ConnectionID: "x", AckID: 1}, no},
			} {
				w.t.Log(c.row)
				s.wantAck(c.want, 1, c.m)
				require.Empty(t, other.take(sp.TypeAck), "an ack goes where the message came from")
			}
			require.Nil(t, a.Conn.CloseRequested())
			require.Nil(t, b.Conn.CloseRequested())
		})
	})
}

// silent is another node that does not answer.
type silent struct{}

func (silent) Join(gateway.Node) (func(), error)                         { return func() {}, nil }
func (silent) Publish(context.Context, []string, *gateway.Command) error { return nil }
func (silent) Ask(_ context.Context, _ []string, _ *gateway.Command, answered func(gateway.Result, error)) {
	time.AfterFunc(4*time.Second, func() { answered(gateway.Result{}, fmt.Errorf("%w: b", gateway.ErrIncomplete)) })
}

// N7: what not all nodes have answered is neither a yes nor a no.
func TestN7AcksWhileANodeIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNode(t, "a", silent{})
		defer w.stop()
		s := w.server(dial{})
		w.connect("1", "ann")
		for name, c := range map[string]struct {
			m    sp.Message
			want sp.AckStatus
		}{
			"a user is here":              {&sp.CheckUserExistence{User: "ann", AckID: 1}, sp.AckOK},
			"a user may be there":         {&sp.CheckUserExistence{User: "bob", AckID: 1}, sp.AckTimeout},
			"a group may be there":        {&sp.CheckGroupExistence{Group: "h", AckID: 1}, sp.AckTimeout},
			"a join":                      {&sp.JoinGroupWithAck{ConnectionID: "1", Group: "g", AckID: 1}, sp.AckTimeout},
			"a user's join":               {&sp.UserJoinGroupWithAck{User: "bob", Group: "g", AckID: 1}, sp.AckTimeout},
			"the members, and some there": {&sp.GroupMemberQuery{Group: "g", AckID: 1}, sp.AckTimeout},
		} {
			t.Log(name)
			begin := time.Now()
			s.send(c.m)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			acks := s.take(sp.TypeAck)
			require.Len(t, acks, 1)
			require.Equal(t, c.want, acks[0].(*sp.Ack).Status)
			require.LessOrEqual(t, time.Since(begin), 5*time.Second)
		}
	})
}

// later are other nodes that acknowledge names when they are told to.
type later struct {
	silent
	mu      sync.Mutex
	waiting []func()
	names   []gateway.Name
}

func (l *later) Announce(names []gateway.Name, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names, l.waiting = append(l.names, names...), append(l.waiting, done)
}

func (*later) Withdraw([]gateway.Name) {}

// acknowledge ends the wait for what was announced, and returns the last names of it.
func (l *later) acknowledge() []gateway.Name {
	l.mu.Lock()
	waiting, names := l.waiting, l.names
	l.waiting, l.names = nil, nil
	l.mu.Unlock()
	for _, done := range waiting {
		done()
	}
	synctest.Wait()
	return names
}

// N5: a hub server hears of a client when all nodes know it, and the groups that the hub server may send
// to at once.
func TestN5HubServersHearOfKnownClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := &later{}
		w := newNode(t, "a", others)
		defer w.stop()
		core, classic := w.server(dial{}), w.aspnetServer(dial{})
		c := w.connect("1", "ann")
		require.Empty(t, core.take(sp.TypeOpenConnection))
		others.acknowledge()
		require.Len(t, core.take(sp.TypeOpenConnection), 1)
		require.Equal(t, []string{"{}\x1e"}, c.Got())

		w.aspnet(aspnetOptions{id: "2", user: "ann"})
		others.acknowledge()
		require.Empty(t, classic.take(sp.TypeOpenConnection))
		application, err := hubname.ApplicationKey("app")
		require.NoError(t, err)
		require.ElementsMatch(t, []gateway.Name{
			{Kind: gateway.NameGroup, Hub: application, Name: "h:app_chat"}, {Kind: gateway.NameGroup, Hub: application, Name: "u:app_chat:ann"},
		}, others.acknowledge())
		require.Len(t, classic.take(sp.TypeOpenConnection), 1)
		require.Empty(t, others.acknowledge(), "the session has joined what was announced")
	})
}

func TestH61JoinIsVisibleBeforeItsAck(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s, other := w.server(dial{}), w.server(dial{id: "s2"})
		c := w.connect("1", "")
		const n = 200
		s.setOn(func(m sp.Message) {
			if ack, ok := m.(*sp.Ack); ok {
				go other.send(&sp.GroupBroadcastData{Group: fmt.Sprint("g", ack.AckID), Payloads: message(fmt.Sprint("m", ack.AckID, "."))})
			}
		})
		for i := range int32(n) {
			s.send(&sp.JoinGroupWithAck{ConnectionID: "1", Group: fmt.Sprint("g", i), AckID: i})
		}
		synctest.Wait()
		for i := range n {
			require.Equal(t, 1, count(c, fmt.Sprint("m", i, ".")), "group %d", i)
		}
	})
}

func TestUserGroups(t *testing.T) {
	t.Run("H63 ttl of 10 s", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			s.setOn(func(sp.Message) { s.send(sp.ClientCountPing(1, 1)) })
			before := w.connect("1", "ann")
			s.send(&sp.UserJoinGroupWithAck{User: "ann", Group: "g", AckID: 1, TTL: 10, HasTTL: true})
			for _, wait := range []time.Duration{time.Second, 2 * time.Second} {
				time.Sleep(wait)
				s.send(&sp.GroupBroadcastData{Group: "g", Payloads: message("early")})
			}
			synctest.Wait()
			require.Equal(t, 2, count(before, "early"))
			time.Sleep(27 * time.Second)
			after := w.connect("2", "ann")
			s.send(&sp.GroupBroadcastData{Group: "g", Payloads: message("late")})
			synctest.Wait()
			before.WantNone("late")
			after.WantNone("late")
		})
	})
	t.Run("H64 later connections are in the group", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			s.wantAck(sp.AckOK, 1, &sp.UserJoinGroupWithAck{User: "ann", Group: "g", AckID: 1})
			c := w.connect("1", "ann")
			s.send(&sp.GroupBroadcastData{Group: "g", Payloads: message("x")})
			synctest.Wait()
			require.Equal(t, 1, count(c, `"x"`))
		})
	})
	t.Run("H67 without acks", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "ann")
			for i, m := range []sp.Message{
				&sp.JoinGroup{ConnectionID: "1", Group: "g"}, &sp.LeaveGroup{ConnectionID: "1", Group: "g"},
				&sp.UserJoinGroup{User: "ann", Group: "g"}, &sp.UserLeaveGroup{User: "ann", Group: "g"},
			} {
				s.send(m, &sp.GroupBroadcastData{Group: "g", Payloads: message(fmt.Sprint("after", i))})
			}
			synctest.Wait()
			require.Equal(t, 1, count(c, "after0"))
			require.Equal(t, 0, count(c, "after1"))
			require.Equal(t, 1, count(c, "after2"))
			require.Equal(t, 0, count(c, "after3"))
			require.Empty(t, s.take(sp.TypeAck))
		})
	})
}

func TestClosing(t *testing.T) {
	closes := []struct {
		name string
		m    sp.Message
		want string // clients that are closed
	}{
		{"H67 30", &sp.CloseConnectionWithAck{ConnectionID: "2", Reason: "go away", AckID: 4}, "2"},
		{"H67 31", &sp.CloseConnections{Reason: "go away", AckID: 4, Excluded: []string{"1"}}, "234"},
		{"H67 32", &sp.CloseUserConnections{User: "ann", Reason: "go away", AckID: 4, Excluded: []string{"1"}}, "2"},
		{"H67 33", &sp.CloseGroupConnections{Group: "g", Reason: "go away", AckID: 4}, "13"},
		{"H66 5 from management", &sp.CloseConnection{ConnectionID: "3", Error: "go away"}, "3"},
	}
	for _, c := range closes {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				owner, manager := w.server(dial{}), w.server(dial{id: "m", kind: sp.KindWeak})
				clients := map[string]*gatewaytest.Client{}
				for i, user := range []string{"ann", "ann", "bob", ""} {
					clients[fmt.Sprint(i+1)] = w.connect(fmt.Sprint(i+1), user)
				}
				manager.send(&sp.JoinGroup{ConnectionID: "1", Group: "g"}, &sp.JoinGroup{ConnectionID: "3", Group: "g"})
				manager.send(c.m, &sp.CheckConnectionExistence{ConnectionID: c.want[:1], AckID: 77})
				synctest.Wait()
				for _, m := range manager.take(sp.TypeAck) {
					ack := m.(*sp.Ack)
					want := map[int32]sp.AckStatus{4: sp.AckOK, 77: sp.AckNotFound}[ack.AckID]
					require.Equal(t, want, ack.Status, "H66 ack %d", ack.AckID)
				}
				told := map[string]bool{}
				for _, m := range owner.take(sp.TypeCloseConnection) {
					told[m.(*sp.CloseConnection).ConnectionID] = true
				}
				for id, client := range clients {
					closed := strings.Contains(c.want, id)
					require.Equal(t, closed, client.Conn.CloseRequested() != nil, "client %s", id)
					require.Equal(t, closed, told[id], "the hub server of client %s", id)
					if closed {
						client.Want(w.ctx(), `{"type":7,"error":"go away"}`)
						require.False(t, client.WantEnd(w.ctx()).AllowReconnect, "D4")
					}
				}
			})
		})
	}
	t.Run("H44 the client leaves", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			s.data("1", call("", "late"))
			synctest.Wait()
			require.Equal(t, &sp.CloseConnection{ConnectionID: "1"}, s.next(sp.TypeCloseConnection))
			require.Zero(t, w.Stats().Lost[servermode.LossUnknownConnection], "an ordinary end")
			require.Zero(t, w.Stats().Hubs[0].Clients)
		})
	})
	t.Run("H45 the hub aborts, late data is ignored", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			s.data("1", call("", "last"))
			s.send(&sp.CloseConnection{ConnectionID: "1", Error: "secret of the pipeline"})
			s.data("1", call("", "late"))
			synctest.Wait()
			require.Equal(t, []string{"{}\x1e", call("", "last"), `{"type":7}` + "\x1e"}, c.Got())
			require.Equal(t, gateway.CloseClosedByAppServer, c.WantEnd(w.ctx()).Reason)
			require.Empty(t, s.take(sp.TypeCloseConnection), "it knows")
		})
	})
	t.Run("the hub's own Close record is the only one", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			own := `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}` + "\x1e"
			s.data("1", own)
			s.send(&sp.CloseConnection{ConnectionID: "1"})
			synctest.Wait()
			require.Equal(t, []string{"{}\x1e", own}, c.Got())
			c.WantEnd(w.ctx())
		})
	})
}

func TestH69MembersOfAGroupComeInPages(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		for i := range 5 {
			id := string(rune('a' + i))
			w.connect(id, "")
			s.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: id, Group: "g", AckID: 1})
		}
		w.connect("f", "fay")
		s.wantAck(sp.AckOK, 1, &sp.JoinGroupWithAck{ConnectionID: "f", Group: "g", AckID: 1})
		w.connect("not in it", "")
		page := func(token string) sp.GroupMembers {
			s.send(&sp.GroupMemberQuery{Group: "g", AckID: 7, Max: 4, Token: token})
			synctest.Wait()
			ack := s.next(sp.TypeAck).(*sp.Ack)
			require.Equal(t, sp.AckOK, ack.Status)
			members, err := sp.ParseGroupMembers(ack.Payload)
			require.NoError(t, err)
			return *members
		}
		first := page("")
		require.Equal(t, sp.GroupMembers{Token: "d", Members: []sp.GroupMember{
			{ConnectionID: "a"}, {ConnectionID: "b"}, {ConnectionID: "c"}, {ConnectionID: "d"}}}, first)
		require.Equal(t, sp.GroupMembers{Members: []sp.GroupMember{{ConnectionID: "e"}, {ConnectionID: "f", UserID: "fay"}}}, page(first.Token))
	})
}

func TestEmptyNamesOfGroups(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		w.connect("1", "ann")
		s.wantAck(sp.AckNotFound, 1, &sp.JoinGroupWithAck{ConnectionID: "1", AckID: 1})
		s.wantAck(sp.AckNotFound, 2, &sp.UserJoinGroupWithAck{User: "ann", AckID: 2})
		s.wantAck(sp.AckNotFound, 3, &sp.UserJoinGroupWithAck{Group: "g", AckID: 3})
		s.wantAck(sp.AckNotFound, 4, &sp.CheckGroupExistence{AckID: 4})
	})
}
