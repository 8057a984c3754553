package livetrace

import (
	"encoding/json"
	"errors"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

// Nodes tell each other whether somebody looks on at them, and those where somebody does get the events of the others.
// Nobody waits: a node that takes them too slowly misses some.

// What nodes say to each other begins with one of these bytes.
const (
	// saidListening: somebody looks on here. saidQuiet: nobody does.
	saidListening byte = iota + 1
	saidQuiet
	// saidEvent: what follows has happened, as JSON.
	saidEvent
)

// maxSaid bounds an event, as JSON. Events are far smaller.
const maxSaid = 256 << 10

var errSaid = errors.New("livetrace: malformed message of another node")

// Join shows what happens on other nodes too, and tells them what happens here, until stop is called.
func (h *Hub) Join(peers gateway.Peers) (stop func()) {
	return peers.Converse(gateway.LiveTraceTopic, h)
}

// PeerUp implements gateway.PeerHandler.
func (h *Hub) PeerUp(p gateway.Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.peers[p] = false
	if h.looking > 0 {
		p.Send([]byte{saidListening})
	}
}

// PeerGone implements gateway.PeerHandler.
func (h *Hub) PeerGone(p gateway.Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peers[p] {
		h.listening.Add(-1)
	}
	delete(h.peers, p)
}

// PeerRoom implements gateway.PeerHandler.
func (*Hub) PeerRoom(gateway.Peer) {}

// PeerSaid implements gateway.PeerHandler. What newer nodes say is passed over.
func (h *Hub) PeerSaid(p gateway.Peer, message []byte) error {
	if len(message) == 0 {
		return errSaid
	}
	switch message[0] {
	case saidListening, saidQuiet:
		h.peerListens(p, message[0] == saidListening)
	case saidEvent:
		var e flight.Event
		if len(message) > 1+maxSaid || json.Unmarshal(message[1:], &e) != nil {
			return errSaid
		}
		if h.Wants(azurelog.CategoryOf(&e)) {
			h.show(&e)
		}
	}
	return nil
}

func (h *Hub) peerListens(p gateway.Peer, listens bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, there := h.peers[p]
	if !there || before == listens {
		return
	}
	h.peers[p] = listens
	if listens {
		h.listening.Add(1)
	} else {
		h.listening.Add(-1)
	}
}

// looks notes that one more looks on here, or one less, and tells the other nodes of the first and the last.
func (h *Hub) looks(more int) {
	h.listening.Add(int32(more))
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.looking
	h.looking += more
	if (before > 0) == (h.looking > 0) {
		return
	}
	say := saidQuiet
	if h.looking > 0 {
		say = saidListening
	}
	for p := range h.peers {
		p.Send([]byte{say})
	}
}

// show shows an event to those who look on here.
func (h *Hub) show(e *flight.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.looking == 0 {
		return
	}
	record := invocation("logEvent", azurelog.TraceOf(e))
	for w := range h.watchers {
		if w.listens.Load() {
			w.put(record)
		}
	}
}

// tell tells the nodes where somebody looks on.
func (h *Hub) tell(e *flight.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var message []byte
	for p, listens := range h.peers {
		if !listens {
			continue
		}
		if message == nil {
			text, err := json.Marshal(e)
			if err != nil || len(text) > maxSaid {
				return // there is no such event
			}
			message = append([]byte{saidEvent}, text...)
		}
		if p.Full(len(message)) || !p.Send(append([]byte(nil), message...)) {
			h.counts.missed.Add(1)
		}
	}
}
