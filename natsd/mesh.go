package natsd

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Servers tell each other of a third one when that one dials them, and only then. Of one that they dial
// themselves they say nothing, when they were told of it once and now dial it again. Two nodes that start
// their servers again at the same moment, without an address of each other, may so never be told of each
// other. So each node says all the time whom it hears and where that one is. One that is told of another
// node, and does not hear it, dials it.

const (
	// meshSubject is what nodes say that on. The nodes' own account has nothing else of this name.
	meshSubject = "natsd.mesh"
	// meshEvery is how often.
	meshEvery = 2 * time.Second
	// meshFresh is how old may be what is passed on, and what is believed. Nobody dials a node that has ended
	// because of it: until it has been missed for long enough, nobody speaks of it any more.
	meshFresh = 3 * time.Second
	// meshMissed is for how long a node is not heard before it is dialled. One of two dials first: if both did
	// at the same time, each might hang up on the other.
	meshMissed = 2*meshFresh + time.Second
	// meshForgets is after which time nothing is known of a node that is not heard of.
	meshForgets = time.Minute
	// maxMeshText bounds what a node says, in bytes.
	maxMeshText = 256 << 10
	// meshAgain bounds how long the server of a node takes to start again.
	meshAgain = time.Minute
	// provesEvery is how often a node is asked to introduce itself at its address until it does.
	provesEvery = 10 * time.Second
)

var errMesh = errors.New("what a node says of the others cannot be read")

// sighting is a node, and the address at which others reach it.
type sighting struct {
	Name string `json:"name"`
	At   string `json:"at"`
}

// check returns an error if it is no name or no address, and whether the address has a host.
func (s sighting) check() (host bool, err error) {
	at, port, err := net.SplitHostPort(s.At)
	number, err2 := strconv.ParseUint(port, 10, 16)
	if s.Name == "" || err != nil || err2 != nil || number == 0 {
		return false, errMesh
	}
	return at != "", nil
}

// meshNews is what a node says.
type meshNews struct {
	Name string `json:"name"`
	// At has no host for a node that listens on all addresses of its machine: others see where it comes from.
	At string `json:"at"`
	// Hears are the nodes that it hears itself.
	Hears []sighting `json:"hears"`
	// Again: its server is about to start again. Until it speaks once more nobody is there.
	Again bool `json:"again,omitempty"`
}

func readMeshNews(text []byte) (*meshNews, error) {
	var news meshNews
	if len(text) > maxMeshText || json.Unmarshal(text, &news) != nil {
		return nil, errMesh
	}
	if _, err := (sighting{news.Name, news.At}).check(); err != nil || len(news.Hears) > maxNodes {
		return nil, errMesh
	}
	for _, s := range news.Hears {
		if host, err := s.check(); !host || err != nil {
			return nil, errMesh
		}
	}
	return &news, nil
}

// mesh is which nodes this one hears, and of which it is told.
type mesh struct {
	self string
	// found wakes the keeper of the routes: somebody is to be dialled.
	found chan struct{}

	mu    sync.Mutex
	nodes map[string]*meshNode
}

// meshNode is another node.
type meshNode struct {
	at string
	// proven is an address at which it introduced itself to this node, asked when it was last asked to.
	proven string
	asked  time.Time
	// heard and told are when it last spoke, and when another one last spoke of it. missed is since when it
	// has not been heard.
	heard, told, missed time.Time
	// again is until when nothing follows from it that nobody is at its address: its server starts again.
	again time.Time
}

func newMesh(self string) *mesh {
	return &mesh{self: self, found: make(chan struct{}, 1), nodes: make(map[string]*meshNode)}
}

func (m *mesh) node(name string, now time.Time) *meshNode {
	n := m.nodes[name]
	if n == nil && len(m.nodes) < maxNodes {
		n = &meshNode{missed: now}
		m.nodes[name] = n
	}
	return n
}

// take takes what a node says. at is where that one is.
func (m *mesh) take(news *meshNews, at string, now time.Time) {
	if news.Name == m.self {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.node(news.Name, now); n != nil {
		n.heard, n.missed, n.again = now, now, time.Time{}
		if news.Again {
			n.again = now.Add(meshAgain)
		}
		if at != "" {
			n.at = at
		}
	}
	for _, s := range news.Hears {
		if s.Name == m.self {
			continue
		}
		n := m.node(s.Name, now)
		if n == nil {
			continue
		}
		n.told = now
		if now.Sub(n.heard) > meshFresh {
			n.at = s.At
		}
	}
}

// hears are the nodes that this one hears, to tell others of.
func (m *mesh) hears(now time.Time) []sighting {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []sighting{}
	for name, n := range m.nodes {
		if now.Sub(n.heard) <= meshFresh && n.at != "" {
			list = append(list, sighting{name, n.at})
		}
	}
	return list
}

// dials are the addresses to dial, or to dial on: of nodes that others hear and this one does not, and of
// those among before that it hears.
func (m *mesh) dials(now time.Time, before map[string]time.Time) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for name, n := range m.nodes {
		_, dialled := before[n.at]
		if m.missingLocked(name, n, now) || dialled && now.Sub(n.heard) <= meshFresh {
			list = append(list, n.at)
		}
	}
	return list
}

func (m *mesh) missingLocked(name string, n *meshNode, now time.Time) bool {
	wait := meshMissed
	if m.self > name {
		wait *= 2
	}
	return now.Sub(n.told) <= meshFresh && now.Sub(n.missed) >= wait
}

// look forgets nodes of which nobody speaks, and wakes who dials if there is anybody to dial.
func (m *mesh) look(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, n := range m.nodes {
		if now.Sub(n.heard) > meshForgets && now.Sub(n.told) > meshForgets {
			delete(m.nodes, name)
			continue
		}
		if m.missingLocked(name, n, now) {
			select {
			case m.found <- struct{}{}:
			default:
			}
		}
	}
}

// unproven are the nodes that are heard and have not introduced themselves at their address, to be asked now.
func (m *mesh) unproven(now time.Time) (list []sighting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, n := range m.nodes {
		if now.Sub(n.heard) <= meshFresh && n.at != "" && n.at != n.proven && now.Sub(n.asked) >= provesEvery {
			n.asked = now
			list = append(list, sighting{name, n.at})
		}
	}
	return list
}

func (m *mesh) proved(s sighting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.nodes[s.Name]; n != nil {
		n.proven = s.At
	}
}

// provenAt is the address of a node, if it introduced itself there and has not said that its server starts again; else "".
func (m *mesh) provenAt(name string, now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.nodes[name]; n != nil && n.proven == n.at && !now.Before(n.again) {
		return n.at
	}
	return ""
}

// keepMesh says whom this node hears, and listens to the others, until the context ends.
func (e *Engine) keepMesh(ctx context.Context) {
	sub, err := e.conn.Subscribe(meshSubject, e.heardMesh)
	if err != nil {
		e.log.report(TroubleConnection, "the other nodes cannot be listened to: "+err.Error())
		return
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection is about to end
	tick := time.NewTicker(meshEvery)
	defer tick.Stop()
	for {
		now := time.Now()
		e.routes.mesh.look(now)
		for _, s := range e.routes.mesh.unproven(now) {
			e.keeper.Go(func() { e.prove(ctx, s) })
		}
		e.sayMesh(meshNews{Hears: e.routes.mesh.hears(now)}) // what is lost is said again
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sayMesh tells the other nodes something, and where this one is.
func (e *Engine) sayMesh(news meshNews) {
	news.Name, news.At = e.opts.Name, e.announced()
	if text, err := json.Marshal(news); err == nil {
		_ = e.conn.Publish(meshSubject, text)
	}
}

// againTime bounds the wait until the server has what the other nodes are told before it ends.
const againTime = 200 * time.Millisecond

// sayAgain tells the other nodes that the server is about to start again: that nobody is at its address meanwhile does
// not mean that the process has ended. Before the node has joined there is nobody to tell.
func (e *Engine) sayAgain() {
	if e.conn == nil {
		return
	}
	e.sayMesh(meshNews{Again: true})
	_ = e.conn.FlushTimeout(againTime) // it may be disconnected: then the others will see for themselves
}

func (e *Engine) heardMesh(msg *nats.Msg) {
	news, err := readMeshNews(msg.Data)
	if err != nil {
		e.log.report(TroubleConnection, err.Error())
		return
	}
	e.routes.mesh.take(news, e.addressOf(news.Name, news.At), time.Now())
}

// addressOf is what a node announced; with the host from which it comes, as this one sees it, if it has none. It is
// "" if they are not connected.
func (e *Engine) addressOf(name, announced string) string {
	host, port, err := net.SplitHostPort(announced)
	if err != nil || host != "" {
		return announced
	}
	all, err := e.server().Routez(&server.RoutezOptions{})
	if err != nil {
		return ""
	}
	for _, r := range all.Routes {
		if r.RemoteName == name && r.IP != "" {
			return net.JoinHostPort(r.IP, port)
		}
	}
	return ""
}
