package presence

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/gateway"
)

// source tells those who follow a hub, this node's own feed and other nodes, who comes and goes here. A
// node that does not take what it is told is told nothing until it has room, and then who is there.
type source struct {
	hub *gateway.Gateway
	// followed is how many follow some hub: while nobody does, a client that comes costs one load.
	followed atomic.Int32

	mu      sync.Mutex // guards what follows. Never held while somebody is waited for
	hubs    map[string]map[sink]*followed
	closed  bool
	running sync.WaitGroup
}

// sink is somebody who follows. Its methods do not wait and may be called with locks held.
type sink interface {
	// tell hands over news; false means that there is no room now.
	tell(n *news) bool
}

// followed is one sink's way to a hub.
type followed struct {
	hub string
	to  sink
	// listing: a goroutine tells who is there. behind: something was not told. Guarded by source.mu.
	listing, behind bool
	// room wakes the goroutine; ended ends it.
	room, ended chan struct{}
}

// begin has a sink follow a hub.
func (s *source) begin(hub string, to sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.hubs[hub][to] != nil {
		return
	}
	if s.hubs == nil {
		s.hubs = make(map[string]map[sink]*followed)
	}
	if s.hubs[hub] == nil {
		s.hubs[hub] = make(map[sink]*followed)
	}
	f := &followed{hub: hub, to: to, room: make(chan struct{}, 1), ended: make(chan struct{})}
	s.hubs[hub][to] = f
	s.followed.Add(1)
	s.list(f)
}

// end has a sink follow a hub no more; "" is all hubs.
func (s *source) end(hub string, to sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, sinks := range s.hubs {
		if f := sinks[to]; f != nil && (hub == "" || hub == name) {
			close(f.ended)
			delete(sinks, to)
			s.followed.Add(-1)
			if len(sinks) == 0 {
				delete(s.hubs, name)
			}
		}
	}
}

// close ends everything.
func (s *source) close() {
	s.mu.Lock()
	s.closed = true
	for _, sinks := range s.hubs {
		for _, f := range sinks {
			close(f.ended)
		}
	}
	s.hubs = nil
	s.mu.Unlock()
	s.running.Wait()
}

// list has a goroutine tell who is there. Called with mu held.
func (s *source) list(f *followed) {
	f.behind = false
	if f.listing {
		return
	}
	f.listing = true
	s.running.Go(func() { s.lists(f) })
}

// lists tells a sink who is there, until it knows all.
func (s *source) lists(f *followed) {
	for {
		s.tellAll(f)
		s.mu.Lock()
		select {
		case <-f.ended:
			f.behind = false
		default:
		}
		if !f.behind {
			f.listing = false
			s.mu.Unlock()
			return
		}
		f.behind = false
		s.mu.Unlock()
	}
}

// tellAll tells a sink who is there now.
func (s *source) tellAll(f *followed) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !s.patiently(f, &news{Hub: f.hub, Begin: true}) {
		return
	}
	conns, err := s.hub.Roll(ctx, f.hub, gateway.Target{Kind: gateway.TargetAll}, "")
	if err != nil {
		return // the gateway ends
	}
	for len(conns) > 0 {
		n := &news{Hub: f.hub}
		for _, c := range conns[:min(len(conns), maxNews)] {
			if id := c.Identity(); c.IsOpen() {
				n.Entries = append(n.Entries, entry{What: isThere, ID: id.ID, User: id.User})
			}
		}
		conns = conns[min(len(conns), maxNews):]
		if !s.patiently(f, n) {
			return
		}
	}
	s.patiently(f, &news{Hub: f.hub, Whole: true})
}

// patiently waits for room. It reports false if the sink follows no more.
func (s *source) patiently(f *followed, n *news) bool {
	for !f.to.tell(n) {
		select {
		case <-f.room:
		case <-f.ended:
			return false
		}
	}
	return true
}

// roomy says that a sink that had no room has some.
func (s *source) roomy(to sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sinks := range s.hubs {
		f := sinks[to]
		switch {
		case f == nil:
		case f.listing:
			select {
			case f.room <- struct{}{}:
			default:
			}
		case f.behind:
			s.list(f)
		}
	}
}

// happened tells all who follow the hub.
func (s *source) happened(hub string, e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.hubs[hub] {
		if !f.to.tell(&news{Hub: hub, Entries: []entry{e}}) {
			f.behind = true
		}
	}
}

// opened is told of a client whose handshake was accepted.
func (s *source) opened(c *gateway.Conn) {
	if s.followed.Load() == 0 {
		return
	}
	id := c.Identity()
	s.happened(id.Hub, entry{What: hasCome, ID: id.ID, User: id.User, At: now()})
	if _, dead := s.hub.Lookup(id.ID); dead { // its end may have been told before
		reason := gateway.CloseNormal
		if cause := c.CloseRequested(); cause != nil {
			reason = cause.Reason
		}
		s.left(c, reason)
	}
}

// left is told of a connection that has ended.
func (s *source) left(c *gateway.Conn, reason gateway.CloseReason) {
	if s.followed.Load() == 0 {
		return
	}
	what := hasGone
	if reason == gateway.CloseMoved {
		what = hasMoved
	}
	id := c.Identity()
	s.happened(id.Hub, entry{What: what, ID: id.ID, User: id.User, Reason: string(reason), At: now()})
}
