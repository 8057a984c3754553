package tracing

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	"github.com/hubgate/hubgate/internal/watch"
)

const (
	// maxFollowed is how many watchers of one other node are followed.
	maxFollowed = watch.MaxWatchers
	// maxPresent bounds the connections of another node that a watcher is told of at the beginning.
	maxPresent = 500
	// maxEventsBytes bounds the events in one message but for the last one, and a single event, which is far smaller.
	maxEventsBytes = 256 << 10
	// relayBeat is how long events of a quiet node wait with what was lost.
	relayBeat = time.Second
	// maxFilter bounds the filter of a watcher, as text.
	maxFilter = 16 << 10
)

// Relay brings what happens on other nodes to those who watch on this one, and the other way round. Make one with
// NewRelay; Close ends it. All methods may be called concurrently. A nil one knows of no other nodes.
type Relay struct {
	stream  *watch.Stream
	present func() iter.Seq[*watch.Event]
	stop    func() // ends the conversation

	mu    sync.Mutex // guards what follows
	peers []gateway.Peer
	last  uint64
	// here are the watchers of this node, theirs how those of other nodes are ended.
	here    map[uint64]*watch.Watcher
	theirs  map[theirs]context.CancelFunc
	closed  bool
	running sync.WaitGroup
}

// theirs is a watcher of another node.
type theirs struct {
	peer gateway.Peer
	id   uint64
}

// NewRelay returns a Relay for a node with this stream, on which so many connections are present, that hears of other
// nodes by peers.
func NewRelay(stream *watch.Stream, present func() iter.Seq[*watch.Event], peers gateway.Peers) *Relay {
	r := &Relay{stream: stream, present: present, here: make(map[uint64]*watch.Watcher), theirs: make(map[theirs]context.CancelFunc)}
	r.stop = peers.Converse(gateway.WatchTopic, r)
	return r
}

// Close ends the conversation.
func (r *Relay) Close() {
	if r == nil {
		return
	}
	r.stop()
	r.mu.Lock()
	r.closed = true
	for _, cancel := range r.theirs {
		cancel()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// Follow has a watcher hear what happens on other nodes, until stop is called.
func (r *Relay) Follow(w *watch.Watcher) (stop func()) {
	if r == nil {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	id := r.last
	r.here[id] = w
	for _, p := range r.peers {
		p.Send(watchMessage(relayWatch, id, w.Filter().Query().Encode()))
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.here, id)
		for _, p := range r.peers {
			p.Send(watchMessage(relayLeave, id, ""))
		}
	}
}

// PeerUp implements gateway.PeerHandler.
func (r *Relay) PeerUp(p gateway.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = append(r.peers, p)
	for id, w := range r.here {
		p.Send(watchMessage(relayWatch, id, w.Filter().Query().Encode()))
	}
}

// PeerGone implements gateway.PeerHandler.
func (r *Relay) PeerGone(p gateway.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers = slices.DeleteFunc(r.peers, func(one gateway.Peer) bool { return one == p })
	for of, cancel := range r.theirs {
		if of.peer == p {
			cancel()
		}
	}
}

// PeerRoom implements gateway.PeerHandler.
func (*Relay) PeerRoom(gateway.Peer) {}

// What nodes say to each other begins with one of these bytes, and the number of a watcher.
const (
	// relayWatch: tell me what passes the filter that follows.
	relayWatch byte = iota + 1
	// relayLeave: tell me no more.
	relayLeave
	// relayEvents: what follows has happened, as a JSON array.
	relayEvents
)

var errRelay = errors.New("tracing: malformed message of another node")

func watchMessage(kind byte, id uint64, text string) []byte {
	return append(binary.AppendUvarint([]byte{kind}, id), text...)
}

// PeerSaid implements gateway.PeerHandler. What newer nodes say is passed over.
func (r *Relay) PeerSaid(p gateway.Peer, message []byte) error {
	in := fields.Reader{Rest: message}
	kind, id := in.Byte(), in.Number()
	if in.Failed {
		return errRelay
	}
	switch kind {
	case relayWatch:
		return r.watched(theirs{p, id}, in.Rest)
	case relayLeave:
		r.mu.Lock()
		defer r.mu.Unlock()
		if cancel := r.theirs[theirs{p, id}]; cancel != nil {
			cancel()
		}
	case relayEvents:
		return r.happened(p, id, in.Rest)
	}
	return nil
}

// happened brings events of another node to the watcher of this one that they are for.
func (r *Relay) happened(p gateway.Peer, id uint64, text []byte) error {
	if len(text) > 2*maxEventsBytes+len("[,]") {
		return errRelay
	}
	r.mu.Lock()
	w := r.here[id]
	r.mu.Unlock()
	if w == nil {
		return nil // it has left
	}
	var events []*watch.Event
	if json.Unmarshal(text, &events) != nil {
		return errRelay
	}
	for _, e := range events {
		if e != nil {
			e.Node, e.Seq = p.Name(), 0
			w.Put(e)
		}
	}
	return nil
}

// watched begins to tell a watcher of another node. A filter of a newer node that cannot be read takes nothing.
func (r *Relay) watched(of theirs, text []byte) error {
	if len(text) > maxFilter {
		return errRelay
	}
	query, err := url.ParseQuery(string(text))
	if err != nil {
		return errRelay
	}
	filter, err := watch.ParseFilter(query)
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	many := 0
	for one := range r.theirs {
		if one.peer == of.peer {
			many++
		}
	}
	if r.closed || many >= maxFollowed || r.theirs[of] != nil {
		return nil
	}
	w, err := r.stream.WatchFor(filter)
	if err != nil {
		return nil // the stream has ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.theirs[of] = cancel
	r.running.Go(func() {
		defer func() {
			cancel()
			w.Stop()
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.theirs, of)
		}()
		r.tell(ctx, of, w)
	})
	return nil
}

// tell tells a watcher of another node what happens, until it leaves.
func (r *Relay) tell(ctx context.Context, of theirs, w *watch.Watcher) {
	events := w.Present(r.present(), maxPresent)
	for {
		for len(events) > 0 {
			events = sendEvents(of, w, events)
		}
		var err error
		if events, err = w.Next(ctx, relayBeat, nil); err != nil {
			return
		}
	}
}

// sendEvents sends as many as go into one message, and returns those behind. What there is no room for is lost, and told
// as such.
func sendEvents(of theirs, w *watch.Watcher, events []*watch.Event) (rest []*watch.Event) {
	message := append(watchMessage(relayEvents, of.id, ""), '[')
	n := 0
	for ; n < len(events) && len(message) < maxEventsBytes; n++ {
		data, err := json.Marshal(events[n])
		if err != nil || len(data) > maxEventsBytes {
			continue // there is no such event
		}
		if message[len(message)-1] != '[' {
			message = append(message, ',')
		}
		message = append(message, data...)
	}
	message = append(message, ']')
	if of.peer.Full(len(message)) {
		w.Lose(watch.LossSlow, uint64(n))
	} else {
		of.peer.Send(message)
	}
	return events[n:]
}
