package presence

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

const (
	// keptEvents is how many events of a hub a node remembers for those who come back.
	keptEvents = 4096
	// maxTracked is how many connections a node knows by feeds, of all hubs.
	maxTracked = 1 << 20
	// feedLinger is how long a feed goes on without a reader.
	feedLinger = time.Minute
	// nodeLost is after how long a node that cannot be reached is given up: with the time until that is noticed it is
	// less than the 25 seconds that the cluster promises.
	nodeLost = 18 * time.Second
	// moveTime is how long a connection may be between two nodes.
	moveTime = 10 * time.Second
)

// event is one that readers see. It is immutable.
type event struct {
	seq  uint64
	name string // connected or disconnected
	data []byte
}

// feed is what happens in one hub on all nodes, as this node sees it. Its methods do not wait.
type feed struct {
	hub string
	// nonce tells feeds of one node and hub apart; it is in the ids of events.
	nonce string

	mu      sync.Mutex // guards what follows
	have    map[string]*tracked
	origins map[string]*origin
	moving  map[string]moving
	told    journal
	// ready is closed when the nodes of the beginning have said who is there. Before, nothing is an event.
	ready   chan struct{}
	readers readers
	// over is why the feed has ended, "" if it goes on.
	over string
	// total is shared by all feeds of the node.
	total *tally
}

// journal is what readers are told.
type journal struct {
	// ring are the last events, seq the number of the last one.
	ring []event
	seq  uint64
	// changed is closed when there is something new, and replaced.
	changed chan struct{}
}

// add adds an event.
func (j *journal) add(name string, data []byte) {
	j.seq++
	if len(j.ring) >= keptEvents {
		j.ring = slices.Delete(j.ring, 0, keptEvents/4)
	}
	j.ring = append(j.ring, event{j.seq, name, data})
	j.wake()
}

// wake wakes readers.
func (j *journal) wake() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// readers are those of a feed.
type readers struct {
	count int
	last  time.Time // when one came or left
}

// tally counts the connections that feeds know.
type tally struct {
	mu sync.Mutex
	n  int
}

func (t *tally) add(n int) (fits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n += n
	return t.n <= maxTracked
}

// tracked is a connection that is there, at one node or, while it moves, at two.
type tracked struct {
	user  string
	nodes int
}

type moving struct {
	user, node string
	until      time.Time
}

// origin is what one node has said.
type origin struct {
	node  string
	known map[string]struct{}
	// seen are those of the list that is under way, and those that came meanwhile; ended those that went. Nil: there is none.
	seen, ended map[string]struct{}
	// whole: it has said once who is there.
	whole bool
	// lost is since when the node cannot be reached, zero if it can.
	lost time.Time
}

func newFeed(hub, nonce string, total *tally) *feed {
	return &feed{
		hub: hub, nonce: nonce, have: make(map[string]*tracked), origins: make(map[string]*origin), moving: make(map[string]moving),
		told: journal{changed: make(chan struct{})}, ready: make(chan struct{}), total: total,
	}
}

// expect says that a node will say who is there.
func (f *feed) expect(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != "" {
		return
	}
	o := f.origins[node]
	if o == nil {
		o = &origin{node: node, known: make(map[string]struct{})}
		f.origins[node] = o
	}
	o.lost = time.Time{}
}

// unreachable says that a node cannot be reached.
func (f *feed) unreachable(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o := f.origins[node]; o != nil {
		o.lost, o.seen, o.ended = time.Now(), nil, nil
		f.checkReady()
	}
}

// heard takes news of a node.
func (f *feed) heard(node string, n *news) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.origins[node]
	if o == nil || f.over != "" {
		return
	}
	if n.Begin {
		o.seen, o.ended = make(map[string]struct{}), make(map[string]struct{})
	}
	for i := range n.Entries {
		if f.over == "" {
			f.entry(o, &n.Entries[i])
		}
	}
	if n.Whole && o.seen != nil && f.over == "" {
		for id := range o.known {
			if _, there := o.seen[id]; !there {
				f.leaves(o, id, entry{What: hasGone, Reason: string(gateway.CloseNormal), At: now()})
			}
		}
		o.seen, o.ended, o.whole = nil, nil, true
		f.checkReady()
	}
}

// entry takes one entry. Called with mu held.
func (f *feed) entry(o *origin, e *entry) {
	switch e.What {
	case isThere, hasCome:
		if _, gone := o.ended[e.ID]; gone {
			return
		}
		if o.seen != nil {
			o.seen[e.ID] = struct{}{}
		}
		f.comes(o, e)
	case hasGone, hasMoved:
		if o.ended != nil {
			o.ended[e.ID] = struct{}{}
		}
		f.leaves(o, e.ID, *e)
	}
}

// comes notes that a node has a connection. Called with mu held.
func (f *feed) comes(o *origin, e *entry) {
	if _, known := o.known[e.ID]; known {
		return
	}
	o.known[e.ID] = struct{}{}
	if t := f.have[e.ID]; t != nil {
		t.nodes++
		return
	}
	f.have[e.ID] = &tracked{e.User, 1}
	if !f.total.add(1) {
		f.end("TooManyConnections")
		return
	}
	if _, moves := f.moving[e.ID]; moves {
		delete(f.moving, e.ID)
		return
	}
	f.publish("connected", e.ID, e.User, o.node, "", e.At)
}

// leaves notes that a node has a connection no more. Called with mu held.
func (f *feed) leaves(o *origin, id string, e entry) {
	if _, known := o.known[id]; !known {
		return
	}
	delete(o.known, id)
	t := f.have[id]
	if t.nodes--; t.nodes > 0 {
		return
	}
	delete(f.have, id)
	f.total.add(-1)
	if e.What == hasMoved {
		f.moving[id] = moving{t.user, o.node, time.Now().Add(moveTime)}
		return
	}
	f.publish("disconnected", id, t.user, o.node, e.Reason, e.At)
}

// checkReady looks whether all have said who is there. Called with mu held.
func (f *feed) checkReady() {
	if f.isReady() {
		return
	}
	for _, o := range f.origins {
		if !o.whole && o.lost.IsZero() {
			return
		}
	}
	close(f.ready)
}

// isReady says whether ready is closed.
func (f *feed) isReady() bool {
	select {
	case <-f.ready:
		return true
	default:
		return false
	}
}

// change is the data of an event.
type change struct {
	ConnectionID string    `json:"connectionId"`
	UserID       string    `json:"userId,omitempty"`
	Node         string    `json:"node,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	At           time.Time `json:"at"`
}

// publish makes an event. Called with mu held.
func (f *feed) publish(name, id, user, node, reason string, at int64) {
	if !f.isReady() {
		return
	}
	if at == 0 {
		at = now()
	}
	data, err := json.Marshal(change{id, user, node, reason, time.UnixMilli(at).UTC()})
	if err != nil {
		panic(err) // it has nothing that could not be written
	}
	f.told.add(name, data)
}

// end ends the feed: its readers are told why. Called with mu held.
func (f *feed) end(why string) {
	if f.over != "" {
		return
	}
	f.over = why
	f.total.add(-len(f.have))
	f.have, f.origins, f.moving = nil, nil, nil
	f.told.wake()
}

// tick does what is due. It reports false if nobody has read for long.
func (f *feed) tick() (goesOn bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := time.Now()
	for id, m := range f.moving {
		if at.After(m.until) {
			delete(f.moving, id)
			f.publish("disconnected", id, m.user, m.node, string(gateway.CloseMoved), 0)
		}
	}
	for node, o := range f.origins {
		if !o.lost.IsZero() && at.Sub(o.lost) >= nodeLost {
			for id := range o.known {
				f.leaves(o, id, entry{What: hasGone, Reason: string(gateway.CloseNodeLost)})
			}
			delete(f.origins, node)
		}
	}
	return f.over == "" && (f.readers.count > 0 || at.Sub(f.readers.last) < feedLinger)
}

// id is the id of an event: the node, the feed and the number.
func (f *feed) id(node string, seq uint64) string {
	return node + "." + f.nonce + "." + strconv.FormatUint(seq, 10)
}

// parseID reads an id.
func parseID(id string) (node, nonce string, seq uint64, ok bool) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return "", "", 0, false
	}
	seq, err := strconv.ParseUint(parts[2], 10, 64)
	return parts[0], parts[1], seq, err == nil && parts[1] != ""
}

// since returns the events behind a number. Gone: some of them are not kept any more.
func (f *feed) since(seq uint64) (events []event, changed <-chan struct{}, over string, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case seq > f.told.seq:
		gone = true
	case seq < f.told.seq:
		first := f.told.ring[0].seq
		if gone = seq+1 < first; !gone {
			events = slices.Clone(f.told.ring[seq+1-first:])
		}
	}
	return events, f.told.changed, f.over, gone
}

// last is the number of the last event.
func (f *feed) last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told.seq
}

// read counts readers.
func (f *feed) read(more int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers.count += more
	f.readers.last = time.Now()
}

// endUnlessRead ends a feed without readers; in any case if the node ends or the feed has. It reports whether it did.
func (f *feed) endUnlessRead(closed bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case closed:
		f.end("ShuttingDown")
	case f.over == "" && f.readers.count > 0:
		return false
	}
	f.end("NobodyReads")
	return true
}
