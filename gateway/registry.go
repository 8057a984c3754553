package gateway

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const registryStripes = 64

// registry finds live connections by id and remembers ended ones until their
// connection token can no longer open them (D15).
type registry struct {
	seed       maphash.Seed
	stripes    [registryStripes]registryStripe
	live       atomic.Int64
	diagnostic atomic.Int64
}

type registryStripe struct {
	mu    sync.RWMutex
	conns map[string]*Conn
	ended map[string]time.Time
}

func (r *registry) init() {
	r.seed = maphash.MakeSeed()
	for i := range r.stripes {
		r.stripes[i].conns = make(map[string]*Conn)
		r.stripes[i].ended = make(map[string]time.Time)
	}
}

func (r *registry) stripe(id string) *registryStripe {
	return &r.stripes[maphash.String(r.seed, id)%registryStripes]
}

func (r *registry) count() int { return int(r.live.Load()) }

// reserve takes a place in the connection quota.
func (r *registry) reserve(l Limits, diagnostic bool) error {
	if n := r.live.Add(1); l.MaxConnections > 0 && n > int64(l.MaxConnections) {
		r.live.Add(-1)
		return ErrTooManyConnections
	}
	if diagnostic {
		if n := r.diagnostic.Add(1); l.MaxDiagnostic > 0 && n > int64(l.MaxDiagnostic) {
			r.unreserve(true)
			return ErrTooManyConnections
		}
	}
	return nil
}

func (r *registry) unreserve(diagnostic bool) {
	r.live.Add(-1)
	if diagnostic {
		r.diagnostic.Add(-1)
	}
}

func (r *registry) add(c *Conn) error {
	s := r.stripe(c.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.ended[c.id.ID]; ok {
		return ErrConnectionEnded
	}
	if s.conns[c.id.ID] != nil {
		return ErrConnectionExists
	}
	s.conns[c.id.ID] = c
	return nil
}

// lookup returns the connection, also one that is closing, and whether the id is dead.
func (r *registry) lookup(id string) (*Conn, bool) {
	s := r.stripe(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ended := s.ended[id]
	return s.conns[id], ended
}

// kill makes the id dead while the connection still delivers its last records (C96).
func (r *registry) kill(c *Conn) {
	s := r.stripe(c.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[c.id.ID] = c.id.TokenExpires
}

func (r *registry) remove(c *Conn) {
	s := r.stripe(c.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c.id.ID] == c {
		delete(s.conns, c.id.ID)
		s.ended[c.id.ID] = c.id.TokenExpires
		r.unreserve(c.id.Diagnostic)
	}
}

// each visits the connections at this moment, without holding a lock.
func (r *registry) each(visit func(*Conn)) {
	var list []*Conn
	for i := range r.stripes {
		s := &r.stripes[i]
		list = list[:0]
		s.mu.RLock()
		for _, c := range s.conns {
			list = append(list, c)
		}
		s.mu.RUnlock()
		for _, c := range list {
			visit(c)
		}
	}
}

// forget drops ids of ended connections whose token has expired.
func (r *registry) forget(now time.Time) {
	for i := range r.stripes {
		s := &r.stripes[i]
		s.mu.Lock()
		for id, until := range s.ended {
			if now.After(until) && s.conns[id] == nil {
				delete(s.ended, id)
			}
		}
		s.mu.Unlock()
	}
}
