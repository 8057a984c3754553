package servermode

import "sync"

// connTable holds the server connections of this node, from their upgrade to their end.
type connTable struct {
	mu     sync.Mutex
	closed bool
	conns  map[*serverConn]struct{}
	// wg counts them, and the sweeper.
	wg sync.WaitGroup
}

// add counts a server connection in, or says why not. limit 0 is no limit.
func (t *connTable) add(sc *serverConn, limit int) (Refusal, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return RefusedShutdown, false
	case limit > 0 && len(t.conns) >= limit:
		return RefusedTooMany, false
	}
	if t.conns == nil {
		t.conns = make(map[*serverConn]struct{})
	}
	t.conns[sc] = struct{}{}
	t.wg.Add(1)
	return "", true
}

func (t *connTable) remove(sc *serverConn) {
	t.mu.Lock()
	delete(t.conns, sc)
	t.mu.Unlock()
	t.wg.Done()
}

// close refuses all further ones. It reports whether this was the first call.
func (t *connTable) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.closed
	t.closed = true
	return first
}

// all returns the server connections at this moment.
func (t *connTable) all() []*serverConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*serverConn, 0, len(t.conns))
	for sc := range t.conns {
		list = append(list, sc)
	}
	return list
}
