package servermode

import (
	"maps"
	"time"
)

// wait is the state of a client that has lost its hub server and waits for another one.
type wait struct {
	// lost is the server id of the hub server that was lost.
	lost string
	// since is when the wait began (Backend.now).
	since time.Duration
	// held is what the client has sent meanwhile.
	held held
}

// settle is two periods. When a server connection is lost, the others of the same process often
// follow: for this time its clients do not go there. And when the first connection comes to a hub
// whose clients wait, it gets none for this time, so that the connections that follow take a share.
const settle = 200 * time.Millisecond

// await makes the client wait for another hub server, for the grace period.
func (s *session) await(lost hubServer) {
	s.abandonCalls(LossServerGone, "The connection to the hub server that was handling the invocation was lost.")
	w := &wait{lost: lost.name(), since: s.b.now()}
	if s.move != nil && s.move.waits() {
		w.held, s.move.held = s.move.held, held{}
	}
	s.dropMove()
	s.incoming.partial, s.server, s.wait = nil, nil, w
	if s.hopeless() {
		s.finish(serverClosed, false)
		return
	}
	if s.findServer() == choseOne {
		return
	}
	// A hub server that has come since findServer is noticed by handOut.
	until := w.since + s.b.opts.Limits().Grace
	s.b.hubs.update(s.hub(), func(h *hub) { h.waiting[s] = until })
}

// maxDuplicates is how often a client is given to hub servers that still have it. They end a client
// that was lost after five seconds at most, and are asked again after settle.
const maxDuplicates = 50

// openAgain gives the client to a hub server again, after a while: the one that was to have it still
// has it from a connection that was lost, and has not taken it.
func (s *session) openAgain(by hubServer) {
	s.locked(func() { s.openAgainLocked(by) })
}

func (s *session) openAgainLocked(by hubServer) {
	switch {
	case s.state == stateClosed || s.server != by || s.b.opts.Limits().Grace <= 0:
	case s.incoming.duplicates >= maxDuplicates:
		s.finish(serverClosed, false)
	default:
		s.incoming.duplicates++
		s.server.remove(s, false)
		s.await(by)
	}
}

// hopeless reports whether the client is tied to a hub server that has no connection left.
func (s *session) hopeless() bool {
	w := wishOf(s.conn.Identity(), Rules{})
	return w.required && !s.b.servers.knows(s.hub(), w.server)
}

// stopWaiting ends the wait, if the client waits.
func (s *session) stopWaiting() {
	if s.wait == nil {
		return
	}
	s.b.held.Add(-int64(s.wait.held.bytes))
	s.wait = nil
	s.b.hubs.update(s.hub(), func(h *hub) { delete(h.waiting, s) })
}

// findServer gives a waiting client to a hub server, if one fits and has room.
func (s *session) findServer() choice {
	if s.state == stateClosed || s.server != nil {
		return choseOne // the wait has ended meanwhile
	}
	w := wishOf(s.conn.Identity(), s.b.opts.Rules(s.hub()))
	w.paced = true
	if s.b.now() < s.wait.since+settle {
		w.not = s.wait.lost
	}
	if found := s.assign(w); found != choseOne {
		return found
	}
	from := s.wait.lost
	if s.state == stateOpening {
		from = "" // nobody has answered the client's handshake
	}
	s.server.open(s, from)
	s.incoming.repeats = s.state == stateOpen
	// Before what the client has sent meanwhile: that may hold an answer.
	s.b.results.clientMoved(s.id(), s.wait.lost, s.server)
	records := s.wait.held.take(s.b)
	s.stopWaiting()
	s.release(records)
	s.b.counts.recovered.Add(1)
	return choseOne
}

// handOut gives waiting clients to the hub servers that have room.
func (b *Backend) handOut() {
	if b.hubs.waiting.Load() == 0 {
		return
	}
	for _, h := range b.hubs.all() {
		for h.handSome(b.now()) {
		}
	}
}

// handful is how many waiting clients are taken from a hub at a time.
const handful = 256

// handSome gives some of the waiting clients to hub servers. True means that there may be room for
// more.
func (h *hub) handSome(now time.Duration) (more bool) {
	for _, s := range h.someWaiting(now) {
		found := choseNone
		s.locked(func() { found = s.findServer() })
		switch {
		case found == choseOne:
			more = true
		case found == choseLater && wishOf(s.conn.Identity(), Rules{}).server == "":
			return false // roomy is called when there is room
		}
	}
	return more
}

func (h *hub) someWaiting(now time.Duration) []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 || len(h.servers)+len(h.remote) == 0 || now < h.settled {
		return nil
	}
	some := make([]*session, 0, min(handful, len(h.waiting)))
	for s := range h.waiting {
		if some = append(some, s); len(some) == handful {
			break
		}
	}
	return some
}

// giveUp closes the waiting clients whose grace period is over, and those that are hopeless.
func (b *Backend) giveUp() {
	if b.hubs.waiting.Load() == 0 {
		return
	}
	now := b.now()
	for _, h := range b.hubs.all() {
		for s, until := range h.waitingClients() {
			s.locked(func() {
				if s.wait != nil && (now > until || now > s.wait.since+settle && s.hopeless()) {
					s.finish(serverClosed, false)
				}
			})
		}
	}
}

func (h *hub) waitingClients() map[*session]time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.waiting)
}
