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
	"github.com/hubgate/hubgate/internal/poll"
)

const (
	// answerBound is how long other nodes may take for an answer.
	answerBound = 5 * time.Second
	// maxSearching is how many searches of this node's callers run at a time.
	maxSearching = 4
	// maxLive is how many connections are looked at for their groups, maxGroups how many groups of each.
	maxLive, maxGroups = 100, 200
)

var errBehind = errors.New("the node did not get through all that it has in time")

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
	hub    Hub
	ring   *flight.Recorder
	others *poll.Poll

	mu        sync.Mutex // guards what follows
	searching int
}

// New returns a Desk for a node whose recorder may be nil, and hears of other nodes by peers, which may be nil too.
func New(hub Hub, ring *flight.Recorder, peers gateway.Peers) *Desk {
	d := &Desk{hub: hub, ring: ring}
	d.others = poll.New(poll.Options{Peers: peers, Topic: gateway.TraceTopic, Answer: d.answer})
	return d
}

// Close ends the answers to other nodes.
func (d *Desk) Close() { d.others.Close() }

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

// ask asks this node and all others, and returns an answer of each.
func (d *Desk) ask(ctx context.Context, q *question) []answer {
	text, err := json.Marshal(q) // what came from a caller may have what cannot be written, such as a time far away
	if err != nil {
		return []answer{failed(d.hub.Name(), err)}
	}
	ctx, cancel := context.WithTimeout(ctx, answerBound)
	defer cancel()
	others := make(chan []poll.Answer, 1)
	go func() { others <- d.others.Ask(ctx, text) }()
	parts := []answer{d.local(ctx, q)}
	for _, of := range <-others {
		part := answer{}
		if of.Err == nil {
			of.Err = json.Unmarshal(of.Body, &part)
		}
		if of.Err != nil {
			part = failed(of.Node, of.Err)
		}
		part.Node = of.Node
		parts = append(parts, part)
	}
	return parts
}

func failed(node string, err error) answer {
	return answer{NodeAnswer: flight.NodeAnswer{Node: node, Error: err.Error()}}
}

// answer answers a question of another node. The oldest events are left out if there are too many for one message.
func (d *Desk) answer(ctx context.Context, text []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, err
	}
	a := d.local(ctx, &q)
	message, err := json.Marshal(&a)
	for err == nil && len(message) > poll.MaxText && len(a.Events) > 1 {
		a.Events, a.More = a.Events[len(a.Events)/2:], true
		message, err = json.Marshal(&a)
	}
	return message, err
}
