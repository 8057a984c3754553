package admin

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
)

// maxEnded bounds the sessions of which a node remembers that they have ended, until their time is over. Above it those
// whose time is over first are forgotten: only who may manage begins sessions.
const maxEnded = 10_000

// endedSessions are sessions that have ended before their time, on all nodes. It implements gateway.PeerHandler. Its
// methods may be called concurrently.
type endedSessions struct {
	stop func() // ends the conversation

	mu    sync.Mutex // guards what follows
	until map[sessionID]int64
	peers []gateway.Peer
}

func (e *endedSessions) begin(peers gateway.Peers) {
	e.until, e.stop = make(map[sessionID]int64), func() {}
	if peers != nil {
		e.stop = peers.Converse(gateway.LogoutTopic, e)
	}
}

func (e *endedSessions) has(id sessionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.until[id]
	return ok
}

// note ends a session on this node.
func (e *endedSessions) note(one session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(one.ID, one.Until)
}

// end ends a session, on all nodes.
func (e *endedSessions) end(one session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(one.ID, one.Until)
	for _, p := range e.peers {
		p.Send(endedMessage(map[sessionID]int64{one.ID: one.Until}))
	}
}

// add remembers a session that has ended. Called with mu held.
func (e *endedSessions) add(id sessionID, until int64) {
	now := time.Now().Unix()
	if until < now || until > now+2*int64(sessionTime/time.Second) { // over, or none of ours
		return
	}
	if len(e.until) >= maxEnded {
		maps.DeleteFunc(e.until, func(_ sessionID, until int64) bool { return until < now })
	}
	if len(e.until) >= maxEnded {
		first := slices.MinFunc(slices.Collect(maps.Keys(e.until)), func(a, b sessionID) int { return int(e.until[a] - e.until[b]) })
		delete(e.until, first)
	}
	e.until[id] = until
}

// PeerUp implements gateway.PeerHandler: a node that comes hears of all that have ended.
func (e *endedSessions) PeerUp(p gateway.Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peers = append(e.peers, p)
	if len(e.until) > 0 {
		p.Send(endedMessage(e.until))
	}
}

// PeerGone implements gateway.PeerHandler.
func (e *endedSessions) PeerGone(p gateway.Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peers = slices.DeleteFunc(e.peers, func(one gateway.Peer) bool { return one == p })
}

// PeerRoom implements gateway.PeerHandler.
func (*endedSessions) PeerRoom(gateway.Peer) {}

// What nodes say to each other begins with this byte: sessions have ended.
const saidEnded byte = 1

var errEnded = errors.New("admin: malformed message of another node about sessions")

func endedMessage(all map[sessionID]int64) []byte {
	m := binary.AppendUvarint([]byte{saidEnded}, uint64(len(all)))
	for id, until := range all {
		m = binary.AppendUvarint(append(m, id[:]...), uint64(until))
	}
	return m
}

// PeerSaid implements gateway.PeerHandler. What newer nodes say is passed over.
func (e *endedSessions) PeerSaid(_ gateway.Peer, message []byte) error {
	in := fields.Reader{Rest: message}
	if kind := in.Byte(); kind != saidEnded && !in.Failed {
		return nil
	}
	count := in.Count(maxEnded, len(sessionID{})+1)
	told := make(map[sessionID]int64, count)
	for range count {
		if id := in.Take(len(sessionID{})); id != nil {
			told[sessionID(id)] = int64(in.Uvarint(1 << 40))
		}
	}
	if !in.Whole() {
		return errEnded
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, until := range told {
		e.add(id, until)
	}
	return nil
}
