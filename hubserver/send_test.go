package hubserver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/serviceprotocol"
)

func TestSends(t *testing.T) {
	both := func(t *testing.T) serviceprotocol.Payloads {
		return serviceprotocol.Payloads{
			{Protocol: "json", Data: []byte(`{"type":1,"target":"note","arguments":["a",1]}` + "\x1e")},
			{Protocol: "messagepack", Data: packed(t, `[1,{},null,"note",["a",1],[]]`)},
		}
	}
	tests := map[string]struct {
		to   func(Clients) Receivers
		want func(serviceprotocol.Payloads) serviceprotocol.Message
	}{
		"all": {Clients.All, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.BroadcastData{Payloads: p}
		}},
		"all but some": {func(c Clients) Receivers { return c.AllExcept("C1", "C2") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.BroadcastData{Excluded: []string{"C1", "C2"}, Payloads: p}
		}},
		"connections": {func(c Clients) Receivers { return c.Connections("C1", "C2") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.MultiConnectionData{Connections: []string{"C1", "C2"}, Payloads: p}
		}},
		"group": {func(c Clients) Receivers { return c.InGroup("g") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.GroupBroadcastData{Group: "g", Payloads: p}
		}},
		"group but some": {func(c Clients) Receivers { return c.InGroupExcept("g", "C1") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.GroupBroadcastData{Group: "g", Excluded: []string{"C1"}, Payloads: p}
		}},
		"groups": {func(c Clients) Receivers { return c.InGroups("g", "h") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.MultiGroupBroadcastData{Groups: []string{"g", "h"}, Payloads: p}
		}},
		"user": {func(c Clients) Receivers { return c.OfUser("u") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.UserData{User: "u", Payloads: p}
		}},
		"users": {func(c Clients) Receivers { return c.OfUsers("u", "v") }, func(p serviceprotocol.Payloads) serviceprotocol.Message {
			return &serviceprotocol.MultiUserData{Users: []string{"u", "v"}, Payloads: p}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := NewHub("chat")
				g, _ := serve(t, hub)
				p := g.peer()
				synctest.Wait()
				require.NoError(t, test.to(hub.Clients()).Send(t.Context(), "note", "a", 1))
				// Written, the two are to be the same: empty lists read as nil or not.
				require.Equal(t, test.want(both(t)).Append(nil), want[serviceprotocol.Message](p).Append(nil))
			})
		})
	}
	t.Run("nobody", func(t *testing.T) {
		hub := NewHub("chat")
		for _, r := range []Receivers{hub.Clients().Connections(), hub.Clients().InGroups(), hub.Clients().OfUsers()} {
			require.NoError(t, r.Send(t.Context(), "note"))
		}
	})
	t.Run("one client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.Handle("greet", func(ctx *Context) error { return ctx.Caller().Send(ctx, "note", "a", 1) })
			g, _ := serve(t, hub)
			p := g.peer()
			require.Equal(t, "{}\x1e", p.opening("C1", "messagepack").record())
			p.opening("C1", "messagepack").raw(packed(t, `[1,{},null,"greet",[]]`))
			want[*serviceprotocol.ConnectionData](p)
			m := want[*serviceprotocol.MultiConnectionData](p)
			require.Equal(t, both(t)[1:], m.Payloads, "an own client gets its own protocol")
			require.NoError(t, hub.Clients().Client("C9").Send(t.Context(), "note", "a", 1))
			m = want[*serviceprotocol.MultiConnectionData](p)
			require.Equal(t, both(t), m.Payloads)
			require.Equal(t, []string{"C9"}, m.Connections)
		})
	})
	t.Run("a call writes to the connection of its client", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			hub.Handle("spread", func(ctx *Context) error {
				return errors.Join(
					hub.Clients().All().Send(ctx, "x"), hub.Clients().InGroup("g").Send(ctx, "x"),
					hub.Clients().OfUser("u").Send(ctx, "x"), ctx.Others().Send(ctx, "x"),
					ctx.OthersInGroup("g").Send(ctx, "x"))
			})
			g, _ := serve(t, hub, func(s *Server) { s.Connections = 3 })
			for _, p := range []*peer{g.peer(), g.peer(), g.peer()} {
				c := p.open("C" + p.request.URL.Query().Get("cid"))
				c.say(`{"type":1,"invocationId":"1","target":"spread","arguments":[]}`)
				want[*serviceprotocol.BroadcastData](p)
				want[*serviceprotocol.GroupBroadcastData](p)
				want[*serviceprotocol.UserData](p)
				require.Equal(t, []string{c.id}, want[*serviceprotocol.BroadcastData](p).Excluded)
				require.Equal(t, []string{c.id}, want[*serviceprotocol.GroupBroadcastData](p).Excluded)
				c.hears(`{"type":3,"invocationId":"1"}`)
			}
		})
	})
}

func TestSendsThatFailOrWait(t *testing.T) {
	t.Run("what cannot be sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			require.ErrorIs(t, hub.Clients().All().Send(t.Context(), "note"), ErrNotConnected)
			g, _ := serve(t, hub)
			p := g.peer()
			synctest.Wait()
			require.Error(t, hub.Clients().All().Send(t.Context(), ""))
			require.ErrorContains(t, hub.Clients().All().Send(t.Context(), "note", make(chan int)), "note")
			g.refuse(500, "")
			p.socket.Close()
			synctest.Wait()
			require.ErrorIs(t, hub.Clients().All().Send(t.Context(), "note"), ErrNotConnected)
		})
	})
	t.Run("senders wait while the gateway does not read", func(t *testing.T) {
		o := newOutbox()
		big := &serviceprotocol.ConnectionData{ConnectionID: "C", Payload: make([]byte, outboxRoom)}
		require.NoError(t, o.room(t.Context()))
		require.True(t, o.put(big))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, o.room(ctx), context.Canceled)
		waited := make(chan error)
		go func() { waited <- o.room(t.Context()) }()
		o.take(nil)
		require.NoError(t, <-waited)
		o.close()
		require.False(t, o.put(big))
	})
}

// acked are the calls that the gateway acknowledges, and what they write.
var acked = map[string]struct {
	ask  func(context.Context, *Hub) (bool, error)
	want serviceprotocol.Message
	// lenient: the answer no is no error.
	lenient bool
}{
	"join": {func(ctx context.Context, h *Hub) (bool, error) { return true, h.Groups().Add(ctx, "C1", "g") },
		&serviceprotocol.JoinGroupWithAck{ConnectionID: "C1", Group: "g", AckID: 1}, false},
	"leave": {func(ctx context.Context, h *Hub) (bool, error) { return true, h.Groups().Remove(ctx, "C1", "g") },
		&serviceprotocol.LeaveGroupWithAck{ConnectionID: "C1", Group: "g", AckID: 1}, false},
	"leave all": {func(ctx context.Context, h *Hub) (bool, error) { return true, h.Groups().RemoveFromAll(ctx, "C1") },
		&serviceprotocol.LeaveGroupWithAck{ConnectionID: "C1", All: true, AckID: 1}, false},
	"user joins": {func(ctx context.Context, h *Hub) (bool, error) {
		return true, h.Groups().AddUser(ctx, "u", "g", 0)
	}, &serviceprotocol.UserJoinGroupWithAck{User: "u", Group: "g", AckID: 1}, true},
	"user joins for a time": {func(ctx context.Context, h *Hub) (bool, error) {
		return true, h.Groups().AddUser(ctx, "u", "g", 89*time.Second+time.Millisecond)
	}, &serviceprotocol.UserJoinGroupWithAck{User: "u", Group: "g", AckID: 1, TTL: 90, HasTTL: true}, true},
	"user leaves": {func(ctx context.Context, h *Hub) (bool, error) { return true, h.Groups().RemoveUser(ctx, "u", "g") },
		&serviceprotocol.UserLeaveGroupWithAck{User: "u", Group: "g", AckID: 1}, true},
	"user leaves all": {func(ctx context.Context, h *Hub) (bool, error) { return true, h.Groups().RemoveUserFromAll(ctx, "u") },
		&serviceprotocol.UserLeaveGroupWithAck{User: "u", All: true, AckID: 1}, true},
	"user in group": {func(ctx context.Context, h *Hub) (bool, error) { return h.Groups().HasUser(ctx, "u", "g") },
		&serviceprotocol.CheckUserInGroup{User: "u", Group: "g", AckID: 1}, true},
	"group exists": {func(ctx context.Context, h *Hub) (bool, error) { return h.Groups().Exists(ctx, "g") },
		&serviceprotocol.CheckGroupExistence{Group: "g", AckID: 1}, true},
	"connection exists": {func(ctx context.Context, h *Hub) (bool, error) { return h.Clients().Client("C1").Exists(ctx) },
		&serviceprotocol.CheckConnectionExistence{ConnectionID: "C1", AckID: 1}, true},
	"user exists": {func(ctx context.Context, h *Hub) (bool, error) { return h.Clients().UserExists(ctx, "u") },
		&serviceprotocol.CheckUserExistence{User: "u", AckID: 1}, true},
}

func TestAcks(t *testing.T) {
	type outcome struct {
		ok  bool
		err error
	}
	for name, test := range acked {
		start := func(t *testing.T) (*peer, <-chan outcome) {
			hub := NewHub("chat")
			g, _ := serve(t, hub)
			p := g.peer()
			synctest.Wait()
			done := make(chan outcome, 1)
			go func() {
				ok, err := test.ask(context.Background(), hub)
				done <- outcome{ok, err}
			}()
			require.Equal(t, test.want, want[serviceprotocol.Message](p))
			return p, done
		}
		t.Run(name+": yes", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, done := start(t)
				synctest.Wait()
				require.Empty(t, done, "it waits")
				p.send(&serviceprotocol.Ack{AckID: 1, Status: serviceprotocol.AckOK})
				require.Equal(t, outcome{true, nil}, <-done)
			})
		})
		t.Run(name+": no", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, done := start(t)
				p.send(&serviceprotocol.Ack{AckID: 1, Status: serviceprotocol.AckNotFound})
				got := <-done
				if test.lenient {
					require.NoError(t, got.err)
				} else {
					require.ErrorIs(t, got.err, ErrNoClient)
				}
			})
		})
		t.Run(name+": nothing for ten seconds", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, done := start(t)
				require.ErrorIs(t, (<-done).err, ErrTimeout)
				require.Equal(t, 10*time.Second, time.Since(begin))
			})
		})
		t.Run(name+": connection lost", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, done := start(t)
				p.socket.Close()
				require.ErrorIs(t, (<-done).err, ErrConnectionLost)
			})
		})
	}
	t.Run("other statuses", func(t *testing.T) {
		answer := make(chan error, 1)
		var a acks
		for status, text := range map[serviceprotocol.AckStatus]string{3: ErrTimeout.Error(), 4: ErrGateway.Error(), 9: "status 9"} {
			a.answered(&serviceprotocol.Ack{AckID: a.add(pendingAck{answer: answer}), Status: status, Message: "why"})
			err := <-answer
			require.ErrorContains(t, err, text)
			require.ErrorContains(t, err, "why")
		}
	})
}

// A connection that has ended takes no question any more when those are answered that were asked
// over it: one in between would wait for an answer in vain.
func TestALostConnectionIsClosedBeforeItsQuestionsAreAnswered(t *testing.T) {
	hub := methods()
	g, server := serve(t, hub)
	p := g.peer()
	require.NoError(t, server.Ready(t.Context()))
	pool := hub.pool.Load()
	l := pool.listed()[0]
	pool.books.mu.Lock() // part waits for it
	defer pool.books.mu.Unlock()
	require.NoError(t, p.socket.Close())
	require.Eventually(t, func() bool {
		l.out.mu.Lock()
		defer l.out.mu.Unlock()
		return l.out.closed
	}, 5*time.Second, time.Millisecond)
}
