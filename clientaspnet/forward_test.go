package clientaspnet

import (
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

// cluster hands requests to the handler of a node.
type cluster struct {
	mu    sync.Mutex
	nodes map[string]http.Handler
	asked []string
}

func (c *cluster) Forward(w http.ResponseWriter, r *http.Request, node string) error {
	c.mu.Lock()
	c.asked = append(c.asked, node+r.URL.Path)
	h, known := c.nodes[node]
	c.mu.Unlock()
	switch {
	case known && h == nil:
		return errors.New("no answer")
	case !known:
		return gateway.ErrNoNode
	}
	h.ServeHTTP(w, r)
	return nil
}

// Requests reach the node on which their connection lives, whichever of them the client's network chooses.
func TestForwarding(t *testing.T) {
	other := &cluster{nodes: make(map[string]http.Handler)}
	key := auth.NewSealerKey()
	sealed := func(_ *fixture, o *Options) {
		sealer, err := auth.NewSealer(key)
		require.NoError(t, err)
		o.Sealer, o.Forwarder = sealer, other
	}
	home := newFixture(t, sealed, func(_ *fixture, o *Options) { o.Node = "home" })
	away := newFixture(t, sealed, func(_ *fixture, o *Options) { o.Node = "away" })
	other.nodes["home"] = home.h

	c := home.negotiate(home.user("u"))
	abroad := *c
	abroad.f = away
	ws := abroad.dial("connect", "")
	ws.wantInit()
	abroad.start("webSockets")
	home.broadcast("a")
	ws.want("a")
	ws.say(call0)
	home.wait("call "+c.ConnectionID, 1)
	require.Equal(t, 200, abroad.say("serverSentEvents", call0).status, "with its body")
	home.wait("call "+c.ConnectionID, 2)
	res := abroad.do("POST", "abort", "webSockets", "", "")
	require.Equal(t, 200, res.status)
	require.Len(t, res.header.Values("Vary"), 1, "the owner's headers, once")
	ws.wantClose(1000)
	home.wait("closed "+c.ConnectionID, 1)
	require.Equal(t, []string{"home/aspnetclient/connect", "home/aspnetclient/start", "home/aspnetclient/send", "home/aspnetclient/abort"}, other.asked)
	require.Zero(t, away.gw.Stats().Opened)

	t.Run("a node that does not answer, or is gone", func(t *testing.T) {
		c := home.negotiate(home.user("u"))
		_ = c.connect()
		abroad := *c
		abroad.f = away
		reachable := other.nodes["home"]
		other.nodes["home"] = nil
		require.Equal(t, 503, abroad.do("POST", "poll", "longPolling", "", "").status)
		require.Equal(t, 503, abroad.say("webSockets", call0).status)
		require.Equal(t, 401, (&testClient{t: t, f: away, negotiated: c.negotiated}).say("webSockets", call0).status)
		other.nodes["home"] = reachable
		delete(other.nodes, "home")
		require.Equal(t, 404, abroad.do("POST", "connect", "longPolling", "", "").status)
		require.Equal(t, 404, abroad.say("webSockets", call0).status)
		abroad.dial("reconnect", "&messageId=0").wantError(goneText)
		require.Equal(t, goneText, parse[struct{ E string }](t, abroad.do("POST", "poll", "longPolling", "", "").body).E)
		require.Equal(t, 401, (&testClient{t: t, f: away, negotiated: c.negotiated}).say("webSockets", call0).status)
		require.Zero(t, away.gw.Connections(testHub))
		require.Zero(t, home.gw.Stats().Closed[gateway.CloseSlowClient])
	})
}

// A node that comes back under its name at once takes no id of the process before, though its tokens open.
func TestN53IDsOfTheProcessBefore(t *testing.T) {
	key := auth.NewSealerKey()
	at := func() *fixture {
		return newFixture(t, func(_ *fixture, o *Options) {
			sealer, err := auth.NewSealer(key)
			require.NoError(t, err)
			o.Sealer, o.Node, o.Forwarder = sealer, "home", &cluster{nodes: make(map[string]http.Handler)}
		})
	}
	before, after := at(), at()
	c := before.negotiate(before.user("u"))
	again := *c
	again.f = after
	require.Equal(t, 404, again.do("POST", "connect", "longPolling", "", "").status)
	require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
	own := after.negotiate(after.user("u"))
	require.Equal(t, 200, own.do("POST", "connect", "longPolling", "", "").status)
}
