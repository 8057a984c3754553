package servermode

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// farServer is a hub server that is no connection of this node. It notes what sessions ask of it.
// Sessions call it with their lock held, and the tests read it when nothing is under way.
type farServer struct {
	id     string
	leaves bool
	events []string
	latest *session
}

func (f *farServer) note(what string, s *session) {
	f.events, f.latest = append(f.events, what), s
}

func (f *farServer) take() []string {
	events := f.events
	f.events = nil
	return events
}

func (f *farServer) name() string   { return f.id }
func (f *farServer) migrates() bool { return f.leaves }

func (f *farServer) add(s *session) bool {
	f.note("add", s)
	return true
}

func (f *farServer) open(s *session, from string) { f.note("open from "+from, s) }

func (f *farServer) data(s *session, payload []byte, _ uint64) bool {
	f.note("data "+string(payload), s)
	return true
}

func (f *farServer) forward(s *session, payload []byte) { f.note("forward "+string(payload), s) }

func (f *farServer) invoke(m *sp.ClientInvocation) {
	f.events = append(f.events, "invoke "+m.InvocationID)
}

func (f *farServer) remove(s *session, tell bool) {
	if tell {
		f.note("remove and tell", s)
		return
	}
	f.note("remove", s)
}

func (f *farServer) moveAway(s *session, to string) { f.note("move away to "+to, s) }
func (f *farServer) removeFormer(s *session)        { f.note("remove former", s) }

// farServers is a directory of them.
type farServers struct{ list []*farServer }

func (d *farServers) choose(_ string, w wish) (hubServer, choice) {
	for _, f := range d.list {
		if f.id != w.not {
			return f, choseOne
		}
	}
	return nil, choseNone
}

func (d *farServers) knows(_, id string) bool {
	for _, f := range d.list {
		if f.id == id {
			return true
		}
	}
	return false
}

// A session needs nothing of a hub server but the interface: the server may be on another node.
func TestASessionNeedsNoConnectionOfThisNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := DefaultLimits()
		limits.Grace = time.Minute
		b := New(Options{Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return nil }}), Node: "a", Limits: func() Limits { return limits }})
		first, second := &farServer{id: "first"}, &farServer{id: "second"}
		servers := &farServers{list: []*farServer{first}}
		b.servers = servers
		gw, err := gateway.New(gateway.Options{Node: "a", Backend: b, Workers: 1})
		require.NoError(t, err)
		b.Use(gw)
		defer func() { require.NoError(t, b.Close(context.Background())) }()
		defer gw.Close()

		const request, hello, later = "{\"protocol\":\"json\",\"version\":1}\x1e", "{\"type\":1,\"target\":\"hello\",\"arguments\":[]}\x1e", "{\"type\":1,\"target\":\"later\",\"arguments\":[]}\x1e"
		c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		synctest.Wait()
		require.Equal(t, []string{"add", "open from "}, first.take())
		s := first.latest
		require.Empty(t, s.deliver(first, &sp.ConnectionData{ConnectionID: "1", Payload: []byte("{}\x1e" + hello)}))
		synctest.Wait()
		require.Equal(t, []string{"{}\x1e", hello}, c.Got())
		require.NoError(t, c.Feed([]byte(hello)))
		synctest.Wait()
		require.Equal(t, []string{"data " + hello}, first.take())

		// It leaves, and the client moves.
		first.leaves = true
		servers.list = append(servers.list, second)
		s.sweepMove(b.now())
		require.Equal(t, []string{"move away to second"}, first.take())
		require.Equal(t, []string{"add", "open from first"}, second.take())
		require.Empty(t, s.deliver(first, &sp.ConnectionData{ConnectionID: "1", Payload: []byte(later)}), "what was on its way")
		synctest.Wait()
		require.Equal(t, []string{"{}\x1e", hello, later}, c.Got())

		// It is lost, and nobody is there: what the client says waits for the next one.
		servers.list = nil
		s.serverLost(second, EndBroken)
		require.NoError(t, c.Feed([]byte(later)))
		synctest.Wait()
		require.Nil(t, c.Conn.CloseRequested())
		require.Equal(t, []string{"remove former"}, first.take())
		third := &farServer{id: "third"}
		servers.list = []*farServer{third}
		s.locked(func() { s.findServer() })
		require.Equal(t, []string{"add", "open from second", "forward " + later}, third.take())

		// It closes the client.
		s.closeByServer(third, "")
		synctest.Wait()
		require.Equal(t, gateway.CloseClosedByAppServer, c.WantEnd(t.Context()).Reason)
		require.Equal(t, []string{"remove"}, third.take())
	})
}

// askedAtTheEnd is a hub server whose client is asked at the moment at which it leaves.
type askedAtTheEnd struct{ *farServer }

func (f *askedAtTheEnd) remove(s *session, _ bool) {
	s.b.results.add(&resultCall{key: resultKey{"chat", "i"}, connection: s.id(), caller: &serverConn{b: s.b}})
}

// A client that leaves owes no answer: not to one either who asks it at that very moment.
func TestAClientThatLeavesOwesNoAnswer(t *testing.T) {
	b := New(Options{Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return nil }})})
	gw, err := gateway.New(gateway.Options{Backend: b, Workers: 1})
	require.NoError(t, err)
	defer gw.Close()
	c := gatewaytest.Connect(t, gw, gatewaytest.Options{ID: "1", Hub: "chat", Protocol: "-"})
	s := &session{b: b, conn: c.Conn, server: &askedAtTheEnd{&farServer{}}}
	s.Closed(gateway.Cause{})
	require.Empty(t, b.results.calls)
	require.Len(t, b.results.delayed, 1, "who asked is told")
}
