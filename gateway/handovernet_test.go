package gateway_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/gateway"
)

// moveNet are the links between the nodes of a schedule. What is on a link is delivered one by one, in
// order, when the schedule says so.
type moveNet struct {
	rand  *rand.Rand
	mu    sync.Mutex
	nodes []*moveNode
	links map[[2]string][]func()
	// held are links on which nothing is delivered.
	held map[[2]string]bool
	// sent is called, if it is set, when a node has said something to another one.
	sent func(from, to *moveNode)
	// full, if it is set, says whether there is no room on a link.
	full func(from, to *moveNode) bool
}

// moveNode is a node's Backplane, with the abilities that one between processes has.
type moveNode struct {
	net  *moveNet
	tag  string
	node gateway.Node
	*gateway.Gateway
	dead   bool
	naming sync.Mutex // keeps announcements in order with withdrawals
	// unanswered is what other nodes have not answered, by node.
	unanswered map[string][]func()
	handler    gateway.PeerHandler
	peers      map[string]*movePeer
	// own are the names that this node has announced, theirs those of the others as far as it knows.
	own    map[gateway.Name]int
	theirs map[string]map[gateway.Name]bool
}

// movePeer is one node as another one sees it.
type movePeer struct{ from, to *moveNode }

func (p *movePeer) Name() string { return p.to.tag }
func (p *movePeer) Full(int) bool {
	return p.from.net.full != nil && p.from.net.full(p.from, p.to)
}
func (p *movePeer) Send(m []byte) bool {
	if p.from.net.sent != nil {
		defer p.from.net.sent(p.from, p.to)
	}
	return p.from.net.push(p.from, p.to, func() {
		if err := p.to.handler.PeerSaid(p.to.peers[p.from.tag], m); err != nil {
			panic(err)
		}
	})
}

func (n *moveNet) node(tag string) *moveNode {
	return n.nodes[slices.IndexFunc(n.nodes, func(m *moveNode) bool { return m.tag == tag })]
}

func (n *moveNet) add(tag string) *moveNode {
	m := &moveNode{net: n, tag: tag, peers: make(map[string]*movePeer), unanswered: make(map[string][]func()), own: make(map[gateway.Name]int), theirs: make(map[string]map[gateway.Name]bool)}
	n.nodes = append(n.nodes, m)
	return m
}

func (n *moveNet) push(from, to *moveNode, do func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from.dead || to.dead {
		return false
	}
	way := [2]string{from.tag, to.tag}
	n.links[way] = append(n.links[way], do)
	return true
}

// deliver delivers what is next on a link at random. It reports false if there is nothing.
func (n *moveNet) deliver() bool {
	n.mu.Lock()
	var ways [][2]string
	for _, a := range n.nodes {
		for _, b := range n.nodes {
			if way := [2]string{a.tag, b.tag}; len(n.links[way]) > 0 && !n.held[way] {
				ways = append(ways, way)
			}
		}
	}
	if len(ways) == 0 {
		n.mu.Unlock()
		return false
	}
	way := ways[n.rand.IntN(len(ways))]
	do := n.links[way][0]
	n.links[way] = n.links[way][1:]
	n.mu.Unlock()
	do()
	return true
}

func (n *moveNet) hold(from, to string, held bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held[[2]string{from, to}] = held
}

// others are the nodes that live, without one.
func (n *moveNet) others(than *moveNode) (list []*moveNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.nodes {
		if m != than && !m.dead {
			list = append(list, m)
		}
	}
	return list
}

// crash ends a node. What is on its links is lost; the others hear of it one after the other.
func (n *moveNet) crash(m *moveNode) {
	n.mu.Lock()
	m.dead = true
	for way := range n.links {
		if way[0] == m.tag || way[1] == m.tag {
			delete(n.links, way)
		}
	}
	n.mu.Unlock()
	for _, o := range n.others(m) {
		n.push(o, o, func() {
			o.handler.PeerGone(o.peers[m.tag])
			n.mu.Lock()
			unanswered := o.unanswered[m.tag]
			delete(o.unanswered, m.tag)
			n.mu.Unlock()
			for _, give := range unanswered {
				give()
			}
		})
	}
}

// awaits returns a function that is called once: by the other node's answer, or when that is gone.
func (m *moveNode) awaits(o *moveNode, do func()) func() {
	m.net.mu.Lock()
	defer m.net.mu.Unlock()
	if o.dead {
		m.net.mu.Unlock()
		do()
		m.net.mu.Lock()
		return func() {}
	}
	once := sync.OnceFunc(do)
	m.unanswered[o.tag] = append(m.unanswered[o.tag], once)
	return once
}

func (m *moveNode) Join(n gateway.Node) (leave func(), err error) {
	m.node = n
	return func() {}, nil
}

func (m *moveNode) Converse(about gateway.Topic, h gateway.PeerHandler) (stop func()) {
	if about != gateway.MoveTopic {
		return func() {}
	}
	m.handler = h
	return func() {}
}

// meet makes all nodes know each other.
func (n *moveNet) meet() {
	for _, a := range n.nodes {
		for _, b := range n.others(a) {
			a.peers[b.tag] = &movePeer{a, b}
			a.theirs[b.tag] = make(map[gateway.Name]bool)
		}
	}
	for _, a := range n.nodes {
		for _, b := range n.others(a) {
			a.handler.PeerUp(a.peers[b.tag])
		}
	}
}

func (m *moveNode) wants(cmd *gateway.Command, peer string) bool {
	known := m.theirs[peer]
	kind := gateway.NameHub
	switch cmd.Target.Kind {
	case gateway.TargetAll:
		return known[gateway.Name{Kind: kind, Hub: cmd.Hub}]
	case gateway.TargetConnections:
		kind = gateway.NameConnection
	case gateway.TargetUsers:
		kind = gateway.NameUser
	case gateway.TargetGroups:
		kind = gateway.NameGroup
	}
	return slices.ContainsFunc(cmd.Target.IDs, func(id string) bool { return known[gateway.Name{Kind: kind, Hub: cmd.Hub, Name: id}] })
}

func (m *moveNode) Publish(_ context.Context, _ []string, cmd *gateway.Command) error {
	m.hand(cmd, nil)
	return nil
}

// hand hands a command to the nodes that it concerns. Part is called with the result of each.
func (m *moveNode) hand(cmd *gateway.Command, part func(add bool, r gateway.Result, err error)) {
	wire := gateway.AppendCommand(nil, cmd)
	for _, o := range m.net.others(m) {
		m.net.mu.Lock()
		wanted := m.wants(cmd, o.tag)
		m.net.mu.Unlock()
		if !wanted {
			continue
		}
		if part != nil {
			part(true, gateway.Result{}, nil)
		}
		var result gateway.Result
		var failed error
		answer := func() {}
		if part != nil {
			answer = m.awaits(o, func() { part(false, result, failed) })
		}
		m.net.push(m, o, func() {
			there, err := gateway.ParseCommand(wire)
			if err != nil {
				panic(err)
			}
			there.From = m.tag
			if part == nil {
				o.node.Apply(there, nil)
				return
			}
			o.node.Apply(there, func(r gateway.Result, err error) {
				m.net.push(o, m, func() {
					result, failed = r, err
					answer()
				})
			})
		})
	}
}

func (m *moveNode) Ask(_ context.Context, _ []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	var mu sync.Mutex
	missing, sum := 1, gateway.Result{}
	var failed error
	part := func(add bool, r gateway.Result, err error) {
		mu.Lock()
		defer mu.Unlock()
		if add {
			missing++
			return
		}
		sum.Add(r)
		if err != nil {
			failed = err
		}
		if missing--; missing == 0 {
			answered(sum, failed)
		}
	}
	m.hand(cmd, part)
	part(false, gateway.Result{}, nil)
}

func (m *moveNode) Announce(names []gateway.Name, done func()) {
	var mu sync.Mutex
	missing := 1
	known := func() {
		mu.Lock()
		missing--
		last := missing == 0
		mu.Unlock()
		if last {
			done()
		}
	}
	m.naming.Lock()
	for _, name := range names {
		m.own[name]++
	}
	for _, o := range m.net.others(m) {
		mu.Lock()
		missing++
		mu.Unlock()
		told := m.awaits(o, known)
		m.net.push(m, o, func() {
			m.net.mu.Lock()
			for _, name := range names {
				o.theirs[m.tag][name] = true
			}
			m.net.mu.Unlock()
			m.net.push(o, m, told)
		})
	}
	m.naming.Unlock()
	known()
}

func (m *moveNode) Withdraw(names []gateway.Name) {
	var gone []gateway.Name
	m.naming.Lock()
	defer m.naming.Unlock()
	for _, name := range names {
		if m.own[name]--; m.own[name] == 0 {
			gone = append(gone, name)
		}
	}
	for _, o := range m.net.others(m) {
		m.net.push(m, o, func() {
			m.net.mu.Lock()
			defer m.net.mu.Unlock()
			for _, name := range gone {
				delete(o.theirs[m.tag], name)
			}
		})
	}
}

var (
	_ gateway.Asker     = (*moveNode)(nil)
	_ gateway.Announcer = (*moveNode)(nil)
	_ gateway.Peers     = (*moveNode)(nil)
)
