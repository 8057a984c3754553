package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/clientws"
	"github.com/hubgate/hubgate/cluster"
	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

const (
	clientKey     auth.Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
	jsonHandshake             = `{"protocol":"json","version":1}` + "\x1e"
)

// endpoints are three nodes with endpoints for clients, behind a balancer that gives each request to
// the next one.
type endpoints struct {
	t     *testing.T
	nodes []*endpoint
	next  int
	token string
}

type endpoint struct {
	*gateway.Gateway
	tag    string
	server *httptest.Server
}

func startEndpoints(t *testing.T) *endpoints {
	es := &endpoints{t: t}
	network := clustertest.NewNet(1 << 20)
	t.Cleanup(network.Wait)
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	var planes []*cluster.Backplane
	for _, tag := range []string{"a", "b", "c"} {
		o := options(tag, network.Carrier())
		o.Limits = cluster.DefaultLimits()
		o.Limits.Settle = 0
		plane := join(t, o)
		planes = append(planes, plane)
		e := &endpoint{tag: tag}
		e.Gateway, err = gateway.New(gateway.Options{Node: tag, NodeOf: auth.NodeOf, Backend: &gatewaytest.Backend{}, Workers: 2, Backplane: plane})
		require.NoError(t, err)
		handler := clientws.New(clientws.Options{Gateway: e.Gateway, Sealer: sealer, Node: tag, Forwarder: plane,
			Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{clientKey} }})})
		plane.Handle(handler)
		e.server = httptest.NewServer(handler)
		t.Cleanup(func() {
			abort, cancel := context.WithCancel(context.Background())
			cancel()
			_ = e.Drain(abort)
			e.server.Close()
			require.NoError(t, handler.Close(context.Background()))
			e.Close()
			require.NoError(t, e.Check())
		})
		es.nodes = append(es.nodes, e)
	}
	require.Eventually(t, func() bool {
		for _, plane := range planes {
			if len(plane.Stats().Peers) != 2 || !plane.Ready() {
				return false
			}
		}
		return true
	}, 20*time.Second, time.Millisecond)
	es.token, err = auth.SignClient(clientKey, "http://localhost:8888", "chat", auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(t, err)
	return es
}

// node returns the node that the balancer chooses.
func (es *endpoints) node() *endpoint {
	es.next++
	return es.nodes[es.next%len(es.nodes)]
}

// request gives a request to a node. The answer is whole.
func (es *endpoints) request(at *endpoint, method, path, id, body string) (status int, answer string) {
	es.t.Helper()
	res := es.begin(at, method, path, id, body, nil)
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	require.NoError(es.t, err)
	return res.StatusCode, string(got)
}

func (es *endpoints) begin(at *endpoint, method, path, id, body string, header http.Header) *http.Response {
	es.t.Helper()
	query := url.Values{"hub": {"chat"}}
	if id != "" {
		query.Set("id", id)
	}
	if path == "negotiate" && id == "" {
		query.Set("negotiateVersion", "1")
	}
	req, err := http.NewRequest(method, at.server.URL+"/client/"+path+"?"+query.Encode(), strings.NewReader(body))
	require.NoError(es.t, err)
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+es.token)
	res, err := at.server.Client().Do(req)
	require.NoError(es.t, err)
	return res
}

// negotiate returns a connection token, and the node that its connection will live on.
func (es *endpoints) negotiate() (id string, home *endpoint) {
	es.t.Helper()
	home = es.node()
	status, body := es.request(home, "POST", "negotiate", "", "")
	require.Equal(es.t, 200, status, body)
	var n struct{ ConnectionToken string }
	require.NoError(es.t, json.Unmarshal([]byte(body), &n))
	return n.ConnectionToken, home
}

// send sends to the user's clients from a node.
func (es *endpoints) send(text string) {
	es.t.Helper()
	_, err := es.node().Do(es.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: users("ann"), Frames: message(text, 0)})
	require.NoError(es.t, err)
}

// lives reports where the connections of the hub are.
func (es *endpoints) lives() (at []string) {
	for _, n := range es.nodes {
		for range n.Connections("chat") {
			at = append(at, n.tag)
		}
	}
	return at
}

// dead checks that a connection is unknown on every node, whatever is asked.
func (es *endpoints) dead(id string) {
	es.t.Helper()
	for _, n := range es.nodes {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			status, _ := es.request(n, method, "", id, "")
			require.Equal(es.t, 404, status, "%s on %s", method, n.tag)
		}
		_, res, err := es.dial(n, id)
		require.Error(es.t, err)
		require.Equal(es.t, 404, res.StatusCode, "a WebSocket on %s", n.tag)
	}
}

func (es *endpoints) dial(at *endpoint, id string) (*websocket.Conn, *http.Response, error) {
	query := url.Values{"hub": {"chat"}, "id": {id}, "access_token": {es.token}}
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(at.server.URL, "http")+"/client/?"+query.Encode(), nil)
	if err == nil {
		es.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, res, err
}

func TestN14LongPollingThroughAnyNode(t *testing.T) {
	es := startEndpoints(t)
	for range 4 {
		id, home := es.negotiate()
		es.node() // so that the first request goes to another node each time
		status, _ := es.request(es.node(), "GET", "", id, "")
		require.Equal(t, 200, status)
		require.Equal(t, []string{home.tag}, es.lives())
		status, _ = es.request(es.node(), "POST", "", id, jsonHandshake)
		require.Equal(t, 200, status)
		_, body := es.request(es.node(), "GET", "", id, "")
		require.Equal(t, "{}\x1e", body)
		for _, text := range []string{"one", "two", "three"} {
			es.send(text)
			_, body = es.request(es.node(), "GET", "", id, "")
			require.Contains(t, body, text)
			status, _ = es.request(es.node(), "POST", "", id, `{"type":6}`+"\x1e")
			require.Equal(t, 200, status)
		}
		status, _ = es.request(es.node(), "DELETE", "", id, "")
		require.Equal(t, 202, status)
		require.Eventually(t, func() bool { return len(es.lives()) == 0 }, patience, time.Millisecond)
	}
}

func TestN14EventStreamsThroughAnyNode(t *testing.T) {
	es := startEndpoints(t)
	for range 4 {
		id, home := es.negotiate()
		es.node()
		// What is posted before the stream begins waits for it.
		status, _ := es.request(es.node(), "POST", "", id, jsonHandshake)
		require.Equal(t, 200, status)
		res := es.begin(es.node(), "GET", "", id, "", http.Header{"Accept": {"text/event-stream"}})
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
		events := bufio.NewScanner(res.Body)
		event := func() string {
			for events.Scan() {
				if text, ok := strings.CutPrefix(events.Text(), "data: "); ok {
					return text
				}
			}
			return events.Err().Error()
		}
		require.Equal(t, "{}\x1e", event())
		require.Equal(t, []string{home.tag}, es.lives())
		for _, text := range []string{"one", "two", "three"} {
			es.send(text)
			require.Contains(t, event(), text)
		}
		require.NoError(t, res.Body.Close())
		require.Eventually(t, func() bool { return len(es.lives()) == 0 }, patience, time.Millisecond, "the owner sees that it has gone")
	}
}

func TestN16WebSocketsThroughAnyNode(t *testing.T) {
	es := startEndpoints(t)
	for range 4 {
		id, home := es.negotiate()
		es.node()
		conn, _, err := es.dial(es.node(), id)
		require.NoError(t, err)
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(jsonHandshake)))
		want := func(text string) {
			t.Helper()
			_, got, err := conn.ReadMessage()
			require.NoError(t, err)
			require.Contains(t, string(got), text)
		}
		want("{}\x1e")
		require.Equal(t, []string{home.tag}, es.lives())
		es.send("one")
		want("one")
		big := strings.Repeat("big", 100_000)
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(`{"type":1,"target":"`+big+`","arguments":[]}`+"\x1e")))
		es.send(big)
		want(big)

		for _, n := range es.nodes {
			_, res, err := es.dial(n, id)
			require.Error(t, err)
			require.Equal(t, 409, res.StatusCode, "a second one on %s", n.tag)
		}
		err = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Minute))
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		require.True(t, websocket.IsCloseError(err, 1000), "%v", err)
		require.Eventually(t, func() bool { return len(es.lives()) == 0 }, patience, time.Millisecond)
		es.dead(id)
	}
}
