package gateway

import "time"

// A connection id names the node that gave it out, its home. Another node may have the connection: a
// WebSocket is taken by the node that it comes to. The home remembers where, and when it has ended,
// so that an id has one connection in the whole cluster, and only once.

// elsewhere is a connection of another node whose home this one is.
type elsewhere struct {
	node  string
	until time.Time // when the connection token has expired
}

// Entrust notes that another node has the connection of an id whose home this node is, until
// EndedElsewhere or NodeGone. It returns the empty string if nobody has had it: it is that node's
// now. Errors: ErrConnectionExists, with the tag of the node that has it, and ErrConnectionEnded.
func (g *Gateway) Entrust(id, node string, until time.Time) (owner string, err error) {
	s := g.conns.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conns[id]; c != nil {
		if !c.life.state().may(idAlive) {
			return "", ErrConnectionEnded
		}
		return g.opts.Node, ErrConnectionExists
	}
	if there, ok := s.elsewhere[id]; ok {
		return there.node, ErrConnectionExists
	}
	if _, ok := s.ended[id]; ok {
		return "", ErrConnectionEnded
	}
	s.entrustLocked(id, node, until)
	return "", nil
}

func (s *registryStripe) entrustLocked(id, node string, until time.Time) {
	if s.elsewhere == nil {
		s.elsewhere = make(map[string]elsewhere)
	}
	s.elsewhere[id] = elsewhere{node, until}
}

// Returned takes back what Entrust noted: the node has not made the connection. It does nothing if
// another node has it.
func (g *Gateway) Returned(id, node string) {
	s := g.conns.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.elsewhere[id].node == node {
		delete(s.elsewhere, id)
	}
}

// KnownElsewhere notes, after a time without a word from the node, that it has the connection, also
// if that was thought to have ended. It reports false if this node has it.
func (g *Gateway) KnownElsewhere(id, node string, until time.Time) bool {
	s := g.conns.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[id] != nil {
		return false
	}
	delete(s.ended, id)
	s.entrustLocked(id, node, until)
	return true
}

// EndedElsewhere notes that the connection has ended at the node. It does nothing if another node has
// it.
func (g *Gateway) EndedElsewhere(id, node string) {
	s := g.conns.stripe(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := s.elsewhere[id]; there.node == node && node != "" {
		s.ended[id] = there.until
		delete(s.elsewhere, id)
	}
}

// NodeGone notes that what a node had has ended with it.
func (g *Gateway) NodeGone(node string) {
	for i := range g.conns.stripes {
		s := &g.conns.stripes[i]
		s.mu.Lock()
		for id, there := range s.elsewhere {
			if there.node == node {
				s.ended[id] = there.until
				delete(s.elsewhere, id)
			}
		}
		s.mu.Unlock()
	}
}

// Elsewhere returns the tag of the node that has the connection of an id whose home this node is, ""
// if none has.
func (g *Gateway) Elsewhere(id string) (node string) {
	s := g.conns.stripe(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.elsewhere[id].node
}

// WhenEnded has tell called for each connection whose id another node has given out, when it has
// ended. It must not block, and is set before there are connections.
func (g *Gateway) WhenEnded(tell func(id string)) { g.conns.whenEnded = tell }

// Foreign lists the connections of this node whose ids another one has given out.
func (g *Gateway) Foreign(node string) (ids []string, until []time.Time) {
	if g.opts.NodeOf == nil {
		return nil, nil
	}
	g.conns.each(func(c *Conn) {
		if c.life.state().may(idAlive) && g.opts.NodeOf(c.id.ID) == node {
			ids, until = append(ids, c.id.ID), append(until, c.id.TokenExpires)
		}
	})
	return ids, until
}

// tellHome tells the home of a connection that it has ended.
func (g *Gateway) tellHome(id string) {
	if g.conns.whenEnded != nil && g.opts.NodeOf != nil && g.opts.NodeOf(id) != g.opts.Node {
		g.conns.whenEnded(id)
	}
}
