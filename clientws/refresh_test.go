package clientws

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// passing is a token whose connection ends with it.
func (f *fixture) passing(user, role string, lifetime time.Duration) string {
	f.t.Helper()
	return f.token(auth.ClientTokenSpec{UserID: user, Lifetime: lifetime, CloseOnExpiry: true, Claims: []auth.Claim{{Type: "role", Value: role}}})
}

func (f *fixture) refresh(id, token string) response {
	f.t.Helper()
	return f.do(request{method: "POST", path: "/client/refresh", query: "hub=chat&id=" + id, token: token})
}

// A client that brings a new token in time stays, with what that one says, on every transport. It is
// closed when the last one ends.
func TestRefresh(t *testing.T) {
	for _, by := range []string{"WebSockets", "ServerSentEvents", "LongPolling"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPipeFixture(t)
				first := f.passing("ann", "guest", 10*time.Second)
				n := f.negotiate(first)
				switch by {
				case "WebSockets":
					ws := f.dial(n.query() + "&access_token=" + first)
					ws.say(jsonHandshake)
					ws.want("{}\x1e")
				case "ServerSentEvents":
					f.openEventsOf(n, first, nil).shake()
				default:
					f.do(request{method: "GET", query: n.query(), token: first})
					f.do(request{method: "POST", query: n.query(), token: first, body: jsonHandshake})
					f.do(request{method: "GET", query: n.query(), token: first})
				}
				conn := f.live(n.ConnectionID)
				require.Contains(t, conn.Identity().Claims, gateway.Claim{Type: "role", Value: "guest"})
				ends := func() time.Duration { return time.Until(conn.Identity().CloseAt).Round(time.Second) }
				require.Equal(t, 10*time.Second, ends())

				time.Sleep(8 * time.Second)
				second := f.passing("ann", "owner", 10*time.Second)
				answer := f.refresh(n.ConnectionToken, second)
				require.Equal(t, 200, answer.status, answer.body)
				require.Equal(t, `{"tokenLifetimeSeconds":10}`, answer.body)
				require.Equal(t, "application/json", answer.header.Get("Content-Type"))
				require.Contains(t, answer.header.Get("Cache-Control"), "no-store")
				require.Equal(t, 10*time.Second, ends())
				require.Contains(t, conn.Identity().Claims, gateway.Claim{Type: "role", Value: "owner"})
				require.NotContains(t, conn.Identity().Claims, gateway.Claim{Type: "role", Value: "guest"})
				require.Equal(t, "ann", conn.Identity().User)
				if by == "LongPolling" { // it stays while it polls, with the token that it has now
					poll := f.async(request{method: "GET", query: n.query(), token: second})
					defer func() { <-poll }()
				}
				time.Sleep(8 * time.Second)
				require.Nil(t, conn.CloseRequested())
				time.Sleep(3500 * time.Millisecond)
				require.Equal(t, gateway.CloseUnauthorized, conn.CloseRequested().Reason)
				require.Equal(t, 404, f.refresh(n.ConnectionToken, second).status)
				require.ErrorIs(t, conn.Renew(gateway.Renewal{}), gateway.ErrConnectionEnded)
			})
		})
	}
}

func TestRefreshRefusals(t *testing.T) {
	f := newFixture(t)
	token := f.user("ann")
	n := f.negotiate(token)
	ws := f.dial(n.query() + "&access_token=" + token)
	ws.say(jsonHandshake)
	ws.want("{}\x1e")
	unused := f.negotiate(token)
	for name, test := range map[string]struct {
		request
		status int
		body   string
		reason transport.Refusal
	}{
		"no token":        {request{method: "POST", query: "hub=chat&id=" + n.ConnectionToken}, 401, `{"error":"invalid_token"}`, transport.Refusal(auth.TokenMissing)},
		"expired":         {request{method: "POST", query: "hub=chat&id=" + n.ConnectionToken, token: f.token(auth.ClientTokenSpec{UserID: "ann", Lifetime: -time.Hour})}, 401, `{"error":"invalid_token"}`, transport.Refusal(auth.TokenExpired)},
		"no connection":   {request{method: "POST", token: token}, 400, `{"error":"missing_connection_token"}`, transport.RefusedNoID},
		"another user's":  {request{method: "POST", query: "hub=chat&id=" + n.ConnectionToken, token: f.user("bob")}, 404, `{"error":"connection_not_found"}`, transport.RefusedUnknownID},
		"never connected": {request{method: "POST", query: "hub=chat&id=" + unused.ConnectionToken, token: token}, 404, `{"error":"connection_not_found"}`, transport.RefusedUnknownID},
		"public id":       {request{method: "POST", query: "hub=chat&id=" + n.ConnectionID, token: token}, 404, `{"error":"connection_not_found"}`, transport.RefusedUnknownID},
		"nonsense":        {request{method: "POST", query: "hub=chat&id=x", token: token}, 404, `{"error":"connection_not_found"}`, transport.RefusedUnknownID},
		"GET":             {request{method: "GET", query: "hub=chat&id=" + n.ConnectionToken, token: token}, 405, "Refresh by POST.", transport.RefusedMethod},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.h.Refused()[test.reason]
			test.path = "/client/refresh"
			answer := f.do(test.request)
			require.Equal(t, test.status, answer.status, answer.body)
			require.Equal(t, test.body, answer.body)
			require.Equal(t, before+1, f.h.Refused()[test.reason])
		})
	}
	require.Equal(t, 200, f.refresh(n.ConnectionToken, token).status)
	require.Zero(t, f.live(n.ConnectionID).Identity().CloseAt)
}

// The request may come to any node: the one that has the connection answers, wherever its id is from.
func TestRefreshAtAnyNode(t *testing.T) {
	_, nodes := homeNodesWith(t, func(*fixture, *Options) {}, "a", "b", "c")
	a, b := nodes["a"], nodes["b"]
	first := a.passing("ann", "guest", time.Hour)
	n := a.negotiate(first)
	ws := b.dial(n.query() + "&access_token=" + first)
	ws.say(jsonHandshake)
	ws.want("{}\x1e")
	for i, at := range []string{"c", "a", "b"} {
		lifetime := time.Duration(i+2) * time.Hour
		answer := nodes[at].refresh(n.ConnectionToken, a.passing("ann", at, lifetime))
		require.Equal(t, 200, answer.status, "%s: %s", at, answer.body)
		require.Contains(t, b.live(n.ConnectionID).Identity().Claims, gateway.Claim{Type: "role", Value: at})
		require.InDelta(t, lifetime.Seconds(), time.Until(b.live(n.ConnectionID).Identity().CloseAt).Seconds(), 60)
	}
	polled := a.negotiate(first)
	require.Equal(t, 200, a.do(request{method: "GET", query: polled.query(), token: first}).status)
	require.Equal(t, 200, nodes["c"].refresh(polled.ConnectionToken, a.passing("ann", "owner", time.Hour)).status)
	require.Contains(t, a.live(polled.ConnectionID).Identity().Claims, gateway.Claim{Type: "role", Value: "owner"})
	require.Equal(t, 404, nodes["c"].refresh(a.negotiate(first).ConnectionToken, first).status)
}

// While another node is being given a connection nobody can say who will have it: the client is told to ask
// again, and does not lose its connection for that.
func TestN43RefreshDuringAHandOver(t *testing.T) {
	arrived, held := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(held) })
	_, nodes := homeNodesWith(t, func(f *fixture, _ *Options) {
		f.backend.Moves = true
		f.backend.Arrived = func() { arrived <- struct{}{}; <-held }
	}, "a", "b", "c")
	t.Cleanup(goOn)
	first := nodes["a"].passing("ann", "guest", time.Hour)
	n := nodes["a"].negotiateVersion(first, askStateful)
	query := n.query() + "&access_token=" + first
	ws := nodes["a"].dial(query)
	ws.say(jsonHandshake2)
	ws.want("{}\x1e")
	ws.say(ping)
	require.NoError(t, ws.NetConn().Close())
	require.Eventually(t, nodes["a"].live(n.ConnectionID).IsAway, time.Minute, time.Millisecond)

	dialed := make(chan bool, 1)
	go func() {
		_, res := nodes["b"].tryDial(query, nil)
		dialed <- res.status == 101
	}()
	<-arrived
	second := nodes["a"].passing("ann", "owner", 2*time.Hour)
	answer := nodes["a"].refresh(n.ConnectionToken, second)
	require.Equal(t, 503, answer.status, answer.body)
	require.Equal(t, `{"error":"unavailable"}`, answer.body)
	require.Equal(t, "1", answer.header.Get("Retry-After"))
	require.EqualValues(t, 1, nodes["a"].h.Refused()[transport.RefusedMoving])
	for _, at := range []string{"b", "c"} { // either node may be the one that they ask
		require.Contains(t, []int{200, 503}, nodes[at].refresh(n.ConnectionToken, second).status)
	}
	goOn()
	require.True(t, <-dialed)
	for _, at := range []string{"a", "b", "c"} {
		require.Eventually(t, func() bool { return nodes[at].refresh(n.ConnectionToken, second).status == 200 }, time.Minute, time.Millisecond)
	}
	claims := nodes["b"].live(n.ConnectionID).Identity().Claims
	require.Contains(t, claims, gateway.Claim{Type: "role", Value: "owner"})
}
