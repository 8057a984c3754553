// Package tracing searches in what has happened on all nodes: it asks each for what its flight recorder has, and for
// what is connected there.
package tracing

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/flight"
)

const (
	// answerBound is how long other nodes may take for an answer.
	answerBound = 5 * time.Second
	// maxAnswering is how many questions of other nodes are answered at a time.
	maxAnswering = 4
	// maxSearching is how many searches of this node's callers run at a time.
	maxSearching = 4
	// maxLive is how many connections are looked at for their groups, maxGroups how many groups of each.
	maxLive, maxGroups = 100, 200
	// maxAnswerBytes bounds the answer to another node: older events are left out.
	maxAnswerBytes = 1 << 20
)

var (
	errNoAnswer = errors.New("the node did not answer in time")
	errGone     = errors.New("the node is gone")
	errBusy     = errors.New("the node answers as many questions as it may")
	errBehind   = errors.New("the node did not get through all that it has in time")
	errSaid     = errors.New("tracing: malformed message of another node")
)

// ErrBusy is what Search returns while as many searches run as may.
var ErrBusy = errors.New("as many searches run as may: try again soon")

// Hub is what is needed of the gateway.
type Hub interface {
	Name() string
	Each(visit func(*gateway.Conn))
	GroupsOf(ctx context.Context, conns []*gateway.Conn, most int) ([]gateway.InGroups, error)
}

// Desk answers questions about what has happened. All methods may be called concurrently.
type Desk struct {
	hub  Hub
	ring *flight.Recorder
	stop func() // ends the conversation; nil if there are no other nodes

	mu        sync.Mutex // guards what follows
	peers     []gateway.Peer
	next      uint64
	open      map[uint64]*asking
	answering int // questions of other nodes
	searching int // own ones
	closed    bool
	running   sync.WaitGroup
}

// New returns a Desk for a node whose recorder may be nil, and hears of other nodes by peers, which may be nil too.
func New(hub Hub, ring *flight.Recorder, peers gateway.Peers) *Desk {
	d := &Desk{hub: hub, ring: ring, open: make(map[uint64]*asking)}
	if peers != nil {
		d.stop = peers.Converse(gateway.TraceTopic, d)
	}
	return d
}

// Close ends the answers to other nodes.
func (d *Desk) Close() {
	if d.stop != nil {
		d.stop()
	}
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.running.Wait()
}

// Search asks all nodes. A node that does not answer, or not with all, is in the answer with its error. The error is
// ErrBusy if as many searches run already as may.
func (d *Desk) Search(ctx context.Context, q *flight.Query) (flight.Answer, error) {
	if !d.begin() {
		return flight.Answer{}, ErrBusy
	}
	defer d.end()
	return d.search(ctx, q), nil
}

func (d *Desk) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.searching >= maxSearching {
		return false
	}
	d.searching++
	return true
}

func (d *Desk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.searching--
}

func (d *Desk) search(ctx context.Context, q *flight.Query) flight.Answer {
	var known flight.Known
	if q.Personal() {
		for _, part := range d.ask(ctx, &question{Query: *q, Who: true}) {
			if part.Known != nil {
				known.Add(part.Known)
			}
		}
	}
	var a flight.Answer
	var lists [][]flight.Event
	for _, part := range d.ask(ctx, &question{Query: *q, Known: known}) {
		a.Nodes = append(a.Nodes, part.NodeAnswer)
		for i := range part.Events {
			part.Events[i].Node = part.Node
		}
		lists = append(lists, part.Events)
		a.More = a.More || part.More
	}
	all, more := q.Merge(lists...)
	a.Events, a.More = append([]flight.Event{}, all...), a.More || more
	slices.SortFunc(a.Nodes, func(x, y flight.NodeAnswer) int { return cmp.Compare(x.Node, y.Node) })
	return a
}

// question is what a node is asked for: who belongs to the query, or the events.
type question struct {
	Query flight.Query `json:"q"`
	Who   bool         `json:"w,omitempty"`
	Known flight.Known `json:"k"`
}

// answer is that of one node.
type answer struct {
	flight.NodeAnswer
	Known  *flight.Known  `json:"k,omitempty"`
	Events []flight.Event `json:"e,omitempty"`
	More   bool           `json:"m,omitempty"`
}

// local is the answer of this node.
func (d *Desk) local(ctx context.Context, q *question) answer {
	stats := d.ring.Stats()
	a := answer{NodeAnswer: flight.NodeAnswer{Node: d.hub.Name(), Off: d.ring == nil, Since: stats.Since, Recorded: stats.Events}}
	if !q.Who {
		a.Events, a.More = d.ring.Search(ctx, &q.Query, &q.Known)
		if ctx.Err() != nil {
			a.Error = errBehind.Error()
		}
		return a
	}
	a.Known = new(flight.Known)
	if err := d.live(ctx, &q.Query, a.Known); err != nil {
		a.Error = err.Error()
	}
	d.ring.Know(ctx, &q.Query, a.Known)
	return a
}

// live adds what is connected now.
func (d *Desk) live(ctx context.Context, q *flight.Query, k *flight.Known) error {
	byHub := make(map[string][]*gateway.Conn)
	found := 0
	d.hub.Each(func(c *gateway.Conn) {
		id := c.Identity()
		if found >= maxLive || q.User != "" && flight.CutText(id.User) != q.User || q.Connection != "" && flight.CutText(id.ID) != q.Connection || q.Hub != "" && !strings.EqualFold(flight.CutText(id.Hub), q.Hub) {
			return
		}
		found++
		byHub[id.Hub] = append(byHub[id.Hub], c)
		k.Add(&flight.Known{Hubs: []string{id.Hub}, Users: []string{id.User}, Connections: []string{id.ID}})
	})
	for hub, conns := range byHub {
		groups, err := d.hub.GroupsOf(ctx, conns, maxGroups)
		if err != nil {
			return err
		}
		for _, in := range groups {
			for _, name := range in.Names {
				k.Add(&flight.Known{Groups: []string{flight.InGroup(hub, name)}})
			}
		}
	}
	return nil
}

// asking is a question that waits for answers. Guarded by Desk.mu.
type asking struct {
	missing []gateway.Peer
	parts   []answer
	done    chan struct{} // closed when nobody is missing
}

// What nodes say to each other begins with one of these bytes.
const (
	saidQuestion byte = iota + 1
	saidAnswer
)

// said is one message between nodes.
type said struct {
	ID       uint64    `json:"i"`
	Question *question `json:"q,omitempty"`
	Answer   *answer   `json:"a,omitempty"`
}

// message is what is sent. What came from a caller may have what cannot be written, such as a time far away.
func (s *said) message(kind byte) ([]byte, error) {
	body, err := json.Marshal(s)
	return append([]byte{kind}, body...), err
}

// ask asks this node and all others, and returns an answer of each.
func (d *Desk) ask(ctx context.Context, q *question) []answer {
	ctx, cancel := context.WithTimeout(ctx, answerBound)
	defer cancel()
	a := &asking{done: make(chan struct{})}
	d.mu.Lock()
	d.next++
	id := d.next
	d.mu.Unlock()
	message, err := (&said{ID: id, Question: q}).message(saidQuestion)
	if err != nil {
		return []answer{{NodeAnswer: flight.NodeAnswer{Node: d.hub.Name(), Error: err.Error()}}}
	}
	d.mu.Lock()
	d.open[id] = a
	for _, p := range d.peers {
		if p.Send(slices.Clone(message)) { // it belongs to the peer
			a.missing = append(a.missing, p)
		}
	}
	if len(a.missing) == 0 {
		close(a.done)
	}
	d.mu.Unlock()
	own := d.local(ctx, q)
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, id)
	for _, p := range a.missing {
		a.parts = append(a.parts, failed(p, errNoAnswer))
	}
	return append(a.parts, own)
}

func failed(p gateway.Peer, err error) answer {
	return answer{NodeAnswer: flight.NodeAnswer{Node: p.Name(), Error: err.Error()}}
}

// part takes the answer of a peer. Called with mu held.
func (d *Desk) part(a *asking, of gateway.Peer, part answer) {
	if a == nil || !slices.Contains(a.missing, of) {
		return
	}
	a.missing = slices.DeleteFunc(a.missing, func(p gateway.Peer) bool { return p == of })
	part.Node = of.Name()
	if a.parts = append(a.parts, part); len(a.missing) == 0 {
		close(a.done)
	}
}

// PeerUp implements gateway.PeerHandler.
func (d *Desk) PeerUp(p gateway.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = append(d.peers, p)
}

// PeerGone implements gateway.PeerHandler.
func (d *Desk) PeerGone(p gateway.Peer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peers = slices.DeleteFunc(d.peers, func(one gateway.Peer) bool { return one == p })
	for _, a := range d.open {
		d.part(a, p, failed(p, errGone))
	}
}

// PeerRoom implements gateway.PeerHandler.
func (d *Desk) PeerRoom(gateway.Peer) {}

// PeerSaid implements gateway.PeerHandler. What newer nodes say is passed over.
func (d *Desk) PeerSaid(p gateway.Peer, message []byte) error {
	var s said
	if len(message) == 0 {
		return errSaid
	}
	if kind := message[0]; kind != saidQuestion && kind != saidAnswer {
		return nil
	}
	if json.Unmarshal(message[1:], &s) != nil {
		return errSaid
	}
	switch {
	case message[0] == saidQuestion && s.Question != nil:
		d.asked(p, &s)
	case message[0] == saidAnswer && s.Answer != nil:
		d.mu.Lock()
		d.part(d.open[s.ID], p, *s.Answer)
		d.mu.Unlock()
	}
	return nil
}

// asked has a goroutine answer a question of a peer.
func (d *Desk) asked(p gateway.Peer, s *said) {
	d.mu.Lock()
	busy := d.closed || d.answering >= maxAnswering
	if !busy {
		d.answering++
		d.running.Go(func() { d.answer(p, s) })
	}
	d.mu.Unlock()
	if busy {
		refuse(p, s.ID, errBusy)
	}
}

// refuse answers a peer that there is no answer.
func refuse(p gateway.Peer, id uint64, why error) {
	a := failed(p, why)
	if message, err := (&said{ID: id, Answer: &a}).message(saidAnswer); err == nil {
		p.Send(message)
	}
}

// answer answers a question of a peer.
func (d *Desk) answer(p gateway.Peer, s *said) {
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answering--
	}()
	ctx, cancel := context.WithTimeout(context.Background(), answerBound)
	defer cancel()
	a := d.local(ctx, s.Question)
	message, err := (&said{ID: s.ID, Answer: &a}).message(saidAnswer)
	for err == nil && len(message) > maxAnswerBytes && len(a.Events) > 1 {
		a.Events, a.More = a.Events[len(a.Events)/2:], true
		message, err = (&said{ID: s.ID, Answer: &a}).message(saidAnswer)
	}
	switch {
	case err != nil:
		refuse(p, s.ID, err)
	case p.Full(len(message)):
		refuse(p, s.ID, errBusy)
	default:
		p.Send(message)
	}
}
