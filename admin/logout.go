package admin

import (
	"cmp"
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

// endedSessions are sessions that have ended before their time. It implements gateway.PeerHandler. Its methods may be
// called concurrently.
type endedSessions struct {
	stop func() // ends the conversation

	mu    sync.Mutex // guards what follows
	all   map[sessionID]ended
	peers []gateway.Peer
}

// ended is how a session has ended.
type ended struct {
	until int64 // the session's time, in seconds
	// everywhere: its browser has ended it, on all nodes. Otherwise this node has, and others judge for themselves.
	everywhere bool
}

func (e *endedSessions) begin(peers gateway.Peers) {
	e.all, e.stop = make(map[sessionID]ended), func() {}
	if peers != nil {
		e.stop = peers.Converse(gateway.LogoutTopic, e)
	}
}

func (e *endedSessions) has(id sessionID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.all[id]
	return ok
}

// note ends a session on this node.
func (e *endedSessions) note(one session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(map[sessionID]int64{one.ID: one.Until}, false)
}

// end ends a session, on all nodes.
func (e *endedSessions) end(one session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := map[sessionID]int64{one.ID: one.Until}
	e.add(told, true)
	for _, p := range e.peers {
		p.Send(endedMessage(told))
	}
}

// add remembers sessions that have ended, with their time. Called with mu held.
func (e *endedSessions) add(told map[sessionID]int64, everywhere bool) {
	now := time.Now().Unix()
	for id, until := range told {
		if until < now || until > now+2*int64(sessionTime/time.Second) { // over, or none of ours
			continue
		}
		e.all[id] = ended{until, everywhere || e.all[id].everywhere}
	}
	if len(e.all) > maxEnded {
		e.shorten(now)
	}
}

// shorten forgets what is over, and more if there is too much. Called with mu held.
func (e *endedSessions) shorten(now int64) {
	maps.DeleteFunc(e.all, func(_ sessionID, one ended) bool { return one.until < now })
	if len(e.all) <= maxEnded {
		return
	}
	first := slices.SortedFunc(maps.Keys(e.all), func(a, b sessionID) int { return cmp.Compare(e.all[a].until, e.all[b].until) })
	for _, id := range first[:len(first)-maxEnded] {
		delete(e.all, id)
	}
}

// PeerUp implements gateway.PeerHandler: a node that comes hears of all that have ended on all nodes.
func (e *endedSessions) PeerUp(p gateway.Peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peers = append(e.peers, p)
	told := make(map[sessionID]int64)
	for id, one := range e.all {
		if one.everywhere {
			told[id] = one.until
		}
	}
	if len(told) > 0 {
		p.Send(endedMessage(told))
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
	e.add(told, true)
	return nil
}
