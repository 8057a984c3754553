package presence_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/store"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

const key = auth.Secret("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH")

// mesh carries what nodes say to each other.
type mesh struct {
	mu    sync.Mutex
	nodes []*meshNode
}

// meshNode is one node as gateway.Peers.
type meshNode struct {
	mesh    *mesh
	name    string
	deaf    bool
	slow    time.Duration // how long what is said to it is on its way
	handler gateway.PeerHandler
	peers   map[*meshNode]*meshPeer
}

// meshPeer is a node as another one sees it. What is said comes in order.
type meshPeer struct {
	from, to *meshNode
	mu       sync.Mutex
	queue    [][]byte
	running  bool
	full     atomic.Bool
}

func (p *meshPeer) Name() string  { return p.to.name }
func (p *meshPeer) Full(int) bool { return p.full.Load() }

func (p *meshPeer) Send(message []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, message)
	if !p.running {
		p.running = true
		go p.deliver()
	}
	return true
}

func (p *meshPeer) deliver() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.running = false
			p.mu.Unlock()
			return
		}
		message := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()
		p.to.mesh.mu.Lock()
		handler, back, deaf, slow := p.to.handler, p.to.peers[p.from], p.to.deaf, p.to.slow
		p.to.mesh.mu.Unlock()
		time.Sleep(slow)
		if handler != nil && !deaf {
			_ = handler.PeerSaid(back, message)
		}
	}
}

func (n *meshNode) Converse(_ gateway.Topic, h gateway.PeerHandler) (stop func()) {
	n.mesh.mu.Lock()
	defer n.mesh.mu.Unlock()
	n.handler = h
	for _, other := range n.mesh.nodes {
		if other != n && other.handler != nil {
			n.peers[other], other.peers[n] = &meshPeer{from: n, to: other}, &meshPeer{from: other, to: n}
			other.handler.PeerUp(other.peers[n])
			h.PeerUp(n.peers[other])
		}
	}
	return func() {
		n.mesh.mu.Lock()
		defer n.mesh.mu.Unlock()
		n.handler = nil
	}
}

// gone has the others see the end of the node.
func (n *meshNode) gone() {
	n.mesh.mu.Lock()
	n.deaf = true
	others := n.mesh.nodes
	n.mesh.mu.Unlock()
	for _, other := range others {
		if other != n && other.peers[n] != nil {
			other.handler.PeerGone(other.peers[n])
		}
	}
}

// node is one gateway with its endpoint.
type node struct {
	*gateway.Gateway
	*presence.Endpoint
	t    *testing.T
	plug *meshNode
	set  *set
}

// set is what the operator of a node has set.
type set struct {
	events atomic.Bool
	access atomic.Value // of presence.Access
}

// told tells an endpoint that is made later.
type told struct {
	to atomic.Pointer[presence.Endpoint]
}

func (*told) FollowSend(*gateway.Command) func(gateway.SendReport) { return nil }
func (*told) Unheard(*gateway.Command)                             {}
func (o *told) Opened(c *gateway.Conn) {
	if e := o.to.Load(); e != nil {
		e.Opened(c)
	}
}
func (o *told) Closed(c *gateway.Conn, cause gateway.Cause) {
	if e := o.to.Load(); e != nil {
		e.Closed(c, cause)
	}
}

// startNodes starts nodes that know each other. Access is key unless it is given.
func startNodes(t *testing.T, count int, access ...presence.Access) []*node {
	return startNodesWith(t, count, func(o *presence.Options, now *set) {
		if len(access) > 0 {
			now.access.Store(access[0])
			o.Access = func() presence.Access { return now.access.Load().(presence.Access) }
		}
	})
}

// startNodesWith is startNodes with other options.
func startNodesWith(t *testing.T, count int, change func(o *presence.Options, now *set)) []*node {
	m := &mesh{}
	var nodes []*node
	for i := range count {
		name := string(rune('a' + i))
		observer := new(told)
		g, err := gateway.New(gateway.Options{Node: name, Observer: observer, Backend: &gatewaytest.Backend{}, Workers: 2, UserGroups: store.NewMemory(store.MemoryOptions{}), Limits: gateway.DefaultLimits})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		plug := &meshNode{mesh: m, name: name, peers: make(map[*meshNode]*meshPeer)}
		m.nodes = append(m.nodes, plug)
		o := presence.Options{
			Hub: g, Peers: plug,
			Tokens: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{key} }}),
		}
		now := new(set)
		now.events.Store(true)
		o.Events = now.events.Load
		change(&o, now)
		e := presence.New(o)
		observer.to.Store(e)
		t.Cleanup(e.Close)
		nodes = append(nodes, &node{g, e, t, plug, now})
	}
	return nodes
}

func (n *node) connect(id, user string) *gatewaytest.Client {
	return gatewaytest.Connect(n.t, n.Gateway, gatewaytest.Options{ID: id, Hub: "chat", User: user, Identity: gateway.Identity{RemoteAddr: "192.0.2.1"}})
}

func (n *node) join(group string, ids ...string) {
	_, err := n.Do(n.t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: group, Target: gateway.Target{Kind: gateway.TargetConnections, IDs: ids}})
	require.NoError(n.t, err)
}

// ask makes a request with a token that is signed for it.
func (n *node) ask(path string, query url.Values, addresses bool) *httptest.ResponseRecorder {
	token, err := auth.SignPresence(key, "http://localhost"+path, time.Minute, addresses)
	require.NoError(n.t, err)
	return n.askWith(token, path, query)
}

func (n *node) askWith(token, path string, query url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(n.t.Context(), http.MethodGet, path+"?"+query.Encode(), nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	return w
}

// list pages through a list. Between is called between pages.
func list[T any](n *node, what string, size int, filters url.Values, between func()) (all []T) {
	n.t.Helper()
	query := url.Values{"maxpagesize": {fmt.Sprint(size)}}
	for name, values := range filters {
		query[name] = values
	}
	for {
		w := n.ask("/hubgate/v1/hubs/chat/"+what, query, false)
		require.Equal(n.t, http.StatusOK, w.Code, w.Body)
		var page struct {
			Value             []T
			ContinuationToken string
		}
		require.NoError(n.t, json.Unmarshal(w.Body.Bytes(), &page))
		require.LessOrEqual(n.t, len(page.Value), size)
		all = append(all, page.Value...)
		if page.ContinuationToken == "" {
			return all
		}
		query.Set("continuationToken", page.ContinuationToken)
		if between != nil {
			between()
		}
	}
}

func failed(t *testing.T, w *httptest.ResponseRecorder) (status int, code string) {
	var body presence.Error
	if text := strings.TrimSpace(w.Body.String()); text != "" {
		require.NoError(t, json.Unmarshal([]byte(text), &body))
	}
	return w.Code, body.Code
}
