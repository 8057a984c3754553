package clientws

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// handlers is a Forwarder within one process.
type handlers struct {
	byNode    map[string]*fixture
	forwarded atomic.Int32
}

func (h *handlers) Forward(w http.ResponseWriter, r *http.Request, node string) error {
	f := h.byNode[node]
	switch {
	case node == "silent":
		return errors.New("no answer")
	case f == nil:
		return gateway.ErrNoNode
	}
	h.forwarded.Add(1)
	f.h.ServeHTTP(w, r)
	return nil
}

// twoNodes returns two nodes that share the keys of their sealers.
func twoNodes(t *testing.T, keys func() []auth.Secret) (one, two *fixture, between *handlers) {
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	between = &handlers{byNode: make(map[string]*fixture)}
	node := func(name string) *fixture {
		f := newFixture(t, func(_ *fixture, o *Options) {
			o.Node, o.Sealer, o.Forwarder = name, sealer, between
			o.Verifier = auth.NewVerifier(auth.VerifierOptions{Keys: keys})
		})
		between.byNode[name] = f
		return f
	}
	return node("one"), node("two"), between
}

func TestForwarding(t *testing.T) {
	var key atomic.Pointer[auth.Secret]
	good, another := testKey, auth.Secret("another key of more than thirty-two bytes")
	key.Store(&good)
	one, two, between := twoNodes(t, func() []auth.Secret { return []auth.Secret{*key.Load()} })
	alone := func(t *testing.T, id string) {
		here, _ := one.gw.Lookup(id)
		there, _ := two.gw.Lookup(id)
		require.NotNil(t, here, "the connection lives on the node of its id")
		require.Nil(t, there, "and only there")
	}
	t.Run("polls, posts and the end, also when the token is good no more", func(t *testing.T) {
		for _, query := range []string{"negotiateVersion=1", ""} {
			token := one.user("u")
			n := one.negotiateVersion(token, query)
			here, there := &pollClient{f: one, n: n, token: token}, &pollClient{f: two, n: n, token: token}
			require.Equal(t, 200, there.poll().status, "the first poll comes to the wrong node")
			alone(t, n.ConnectionID)
			held := one.async(here.get())
			require.Equal(t, 200, there.post(jsonHandshake).status)
			require.Equal(t, "{}\x1e", (<-held).body)
			one.send("hello")
			require.Equal(t, messageRecord("hello"), there.poll().body)
			alone(t, n.ConnectionID)
			key.Store(&another)
			require.Equal(t, 200, there.post(`{"type":6}`+"\x1e").status)
			require.Equal(t, 202, there.delete().status)
			require.Equal(t, 401, there.poll().status)
			key.Store(&good)
			require.Equal(t, 404, there.poll().status)
			require.Zero(t, two.gw.Connections("chat"))
		}
	})
	t.Run("event streams and what is posted to them", func(t *testing.T) {
		token := one.user("u")
		n := one.negotiate(token)
		early := &pollClient{f: two, n: n, token: token}
		require.Equal(t, 200, early.post(jsonHandshake).status)
		s := two.openEventsOf(n, token, map[string]string{"Origin": "http://page.example"})
		require.Equal(t, []string{"http://page.example"}, s.header.Values("Access-Control-Allow-Origin"), "once")
		alone(t, n.ConnectionID)
		s.wantEvent("{}\x1e")
		one.send("hello")
		s.wantEvent(messageRecord("hello"))
		require.Equal(t, 409, one.do(request{method: "GET", query: n.query(), token: token, header: map[string]string{"Accept": "text/event-stream"}}).status)
		s.close()
		one.waitFor(t, "closed "+n.ConnectionID)
	})
	t.Run("WebSockets", func(t *testing.T) {
		token := one.user("u")
		n := one.negotiate(token)
		ws := two.dial(n.query() + "&access_token=" + token)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		alone(t, n.ConnectionID)
		require.NoError(t, ws.Close())
		one.waitFor(t, "closed "+n.ConnectionID)
	})
	t.Run("another user's connection is nobody's", func(t *testing.T) {
		n := one.negotiate(one.user("u"))
		before := between.forwarded.Load()
		require.Equal(t, 404, two.do(request{method: "GET", query: n.query(), token: two.user("v")}).status)
		require.Equal(t, before, between.forwarded.Load())
	})
	t.Run("a node that is gone", func(t *testing.T) {
		token := one.user("u")
		gone := one.h.options.Sealer.Seal(auth.NewConnectionID("three"), time.Now().Add(time.Minute), "chat", "u")
		res := one.do(request{method: "GET", query: "hub=chat&id=" + gone, token: token, header: map[string]string{"Origin": "http://page.example"}})
		require.Equal(t, 404, res.status)
		require.Equal(t, "http://page.example", res.header.Get("Access-Control-Allow-Origin"))
	})
	t.Run("N53 ids of the process before, though its tokens open", func(t *testing.T) {
		token := one.user("u")
		for _, id := range []string{
			one.h.options.Sealer.Seal(auth.NewMint(one.h.options.Node).New(), time.Now().Add(time.Minute), "chat", "u"),
			one.h.options.Sealer.NewMarkedID(one.h.options.Node, time.Now().Add(time.Minute), "chat", "u"),
		} {
			for _, f := range []*fixture{one, two} {
				require.Equal(t, 404, f.do(request{method: "GET", query: "hub=chat&id=" + id, token: token}).status)
				require.Equal(t, 404, f.do(request{method: "POST", query: "hub=chat&id=" + id, token: token}).status)
			}
		}
	})
	t.Run("a node that does not answer", func(t *testing.T) {
		token := one.user("u")
		silent := one.h.options.Sealer.Seal(auth.NewConnectionID("silent"), time.Now().Add(time.Minute), "chat", "u")
		for _, method := range []string{"GET", "POST"} {
			res := one.do(request{method: method, query: "hub=chat&id=" + silent, token: token, header: map[string]string{"Origin": "http://page.example"}})
			require.Equal(t, 503, res.status)
			require.Equal(t, "1", res.header.Get("Retry-After"))
			require.Equal(t, "http://page.example", res.header.Get("Access-Control-Allow-Origin"))
		}
	})
	t.Run("an EventSource that gets 503 would ask again for ever", func(t *testing.T) {
		token := one.user("u")
		silent := one.h.options.Sealer.Seal(auth.NewConnectionID("silent"), time.Now().Add(time.Minute), "chat", "u")
		before := one.h.Refused()[transport.RefusedNode]
		res := one.do(request{method: "GET", query: "hub=chat&id=" + silent, token: token, header: map[string]string{"Accept": "text/event-stream"}})
		require.Equal(t, 404, res.status)
		require.Contains(t, res.body, "cannot be reached")
		require.Equal(t, before+1, one.h.Refused()[transport.RefusedNode])
	})
}
