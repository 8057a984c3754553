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
	forgetNext int // the stripe whose turn it is; the sweeper's
	// whenEnded hears of connections whose ids other nodes have given out; nil is nobody.
	whenEnded func(id string)
}

type registryStripe struct {
	mu    sync.RWMutex
	conns map[string]*Conn
	ended map[string]time.Time
	// elsewhere are ids of this node whose connections others have; nil until there are any.
	elsewhere map[string]elsewhere
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

// reserve takes a place in the connection quota, of which other nodes have taken some.
func (r *registry) reserve(l Limits, elsewhere int64, diagnostic bool) error {
	if n := r.live.Add(1); l.MaxConnections > 0 && n+elsewhere > int64(l.MaxConnections) {
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
	if have := s.conns[c.id.ID]; have != nil && !have.life.state().may(idAlive) {
		return ErrConnectionEnded
	} else if have != nil {
		return ErrConnectionExists
	}
	if _, ok := s.elsewhere[c.id.ID]; ok {
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
	if c := s.conns[id]; c != nil {
		return c, !c.life.state().may(idAlive)
	}
	_, ended := s.ended[id]
	return nil, ended
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
		list = r.stripes[i].appendConns(list[:0])
		for _, c := range list {
			visit(c)
		}
		clear(list)
	}
}

// A large registry is strolled through: after each stripe of more than
// strollFrom connections the visitor pauses, so that a node with a million
// clients has work spread over its second and no stop in it.
const (
	strollFrom  = 1000
	strollPause = 5 * time.Millisecond
)

// stroll is each for a visitor that has time, until stop is closed.
func (r *registry) stroll(stop <-chan struct{}, visit func(*Conn)) {
	var list []*Conn
	for i := range r.stripes {
		list = r.stripes[i].appendConns(list[:0])
		for _, c := range list {
			visit(c)
		}
		if len(list) > strollFrom {
			select {
			case <-stop:
				return
			case <-time.After(strollPause):
			}
		}
		clear(list)
	}
}

func (s *registryStripe) appendConns(list []*Conn) []*Conn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.conns {
		list = append(list, c)
	}
	return list
}

// forgetStripes is how many stripes a call of forget looks at: all have had their
// turn after sixteen calls, and none holds up its clients for long.
const forgetStripes = registryStripes / 16

// forget drops ids of ended connections whose token has expired, of some stripes
// at each call.
func (r *registry) forget(now time.Time) {
	for range forgetStripes {
		s := &r.stripes[r.forgetNext]
		r.forgetNext = (r.forgetNext + 1) % registryStripes
		s.mu.Lock()
		for id, until := range s.ended {
			if now.After(until) {
				delete(s.ended, id)
			}
		}
		s.mu.Unlock()
	}
}
