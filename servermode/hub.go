package servermode

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// hub holds the established server connections of one hub, on all nodes, and its clients that wait for one.
type hub struct {
	key string

	mu      sync.Mutex
	servers []*serverConn
	// remote are those of other nodes.
	remote []*remoteServer
	// waiting are clients whose server connection was lost. The value is the end of their grace
	// period (Backend.now).
	waiting map[*session]time.Duration
	// protocols are the hub protocols, other than the known ones, with which hub servers have
	// accepted clients. The value is when one was last used (Backend.now).
	protocols map[string]time.Duration
	// settled is when waiting clients may be given to server connections (Backend.now). It is a
	// moment after the first connection: the other connections of the process, which follow, then
	// take their share.
	settled time.Duration
}

// hubTable holds the hubs that have server connections or waiting clients.
type hubTable struct {
	mu   sync.RWMutex
	hubs map[string]*hub
	// waiting counts the waiting clients of all hubs.
	waiting atomic.Int64
}

// get returns the hub, or nil if it has neither server connections nor waiting clients.
func (t *hubTable) get(key string) *hub {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.hubs[key]
}

// update finds or makes the hub and changes it. A hub that is empty afterwards is forgotten.
func (t *hubTable) update(key string, change func(*hub)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hubs[key]
	if h == nil {
		h = &hub{key: key, waiting: make(map[*session]time.Duration)}
		if t.hubs == nil {
			t.hubs = make(map[string]*hub)
		}
		t.hubs[key] = h
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before := len(h.waiting)
	change(h)
	t.waiting.Add(int64(len(h.waiting) - before))
	if len(h.servers) == 0 && len(h.remote) == 0 && len(h.waiting) == 0 {
		delete(t.hubs, key)
	}
}

func (t *hubTable) all() []*hub {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*hub, 0, len(t.hubs))
	for _, h := range t.hubs {
		list = append(list, h)
	}
	return list
}

func (t *hubTable) add(sc *serverConn) {
	for _, key := range sc.peer.homes {
		t.update(key, func(h *hub) {
			h.pauseHandOut(sc.b)
			h.servers = append(h.servers, sc)
		})
	}
}

// pauseHandOut is called before a server connection comes: the first one gets no client that waits until
// others of its process have followed.
func (h *hub) pauseHandOut(b *Backend) {
	if len(h.waiting) > 0 && !h.any(func(c candidate) bool { return !c.about().isWeak() && !c.draining() }) {
		h.settled = b.now() + settle
	}
}

func (t *hubTable) addRemote(rs *remoteServer) {
	for _, key := range rs.peer.homes {
		t.update(key, func(h *hub) {
			h.pauseHandOut(rs.link.b)
			h.remote = append(h.remote, rs)
		})
	}
}

func (t *hubTable) removeRemote(rs *remoteServer) {
	for _, key := range rs.peer.homes {
		t.update(key, func(h *hub) {
			h.remote = slices.DeleteFunc(h.remote, func(have *remoteServer) bool { return have == rs })
		})
	}
}

func (t *hubTable) remove(sc *serverConn) {
	for _, key := range sc.peer.homes {
		t.update(key, func(h *hub) {
			h.servers = slices.DeleteFunc(h.servers, func(have *serverConn) bool { return have == sc })
		})
	}
}

// byServerID returns a connection of the hub server with that server id, one of this node if there is
// one, or nil.
func (t *hubTable) byServerID(key, id string) candidate {
	h := t.get(key)
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var named candidate
	h.any(func(c candidate) bool {
		if c.about().serverID == id {
			named = c
		}
		return named != nil
	})
	return named
}

// knows implements directory.
func (t *hubTable) knows(key, id string) bool { return t.byServerID(key, id) != nil }

// serverIDs returns the server ids of the hub servers that have connections for the same hub, sorted,
// each once.
func (t *hubTable) serverIDs(of *serverConn) []string {
	h := t.get(of.peer.homes[0])
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.servers)+len(h.remote))
	h.any(func(c candidate) bool {
		if p := c.about(); p.hub == of.peer.hub {
			ids = append(ids, p.serverID)
		}
		return false
	})
	slices.Sort(ids)
	return slices.Compact(ids)
}

// all returns the server connections at this moment.
func (h *hub) all() []*serverConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.servers)
}

// belongs reports whether a connection of the hub belongs to it. The name of one for a hub of an
// application does not say where the application's name ends, if both have underscores: such a
// connection belongs to the application of which its hub server has a connection of its own. h.mu is
// held.
func (h *hub) belongs(c candidate) bool {
	p := c.about()
	return len(p.homes) == 1 || h.any(func(other candidate) bool {
		return other.about().whole && other.about().serverID == p.serverID
	})
}

// serves returns the keys of the hubs to whose clients the connection sends. Where the connection belongs
// does not change while its hub server has no connection that says so. Only the reader calls it.
func (sc *serverConn) serves() []string {
	if len(sc.peer.homes) == 1 {
		return sc.peer.homes
	}
	var keys []string
	for _, key := range sc.peer.homes {
		if h := sc.b.hubs.get(key); h != nil {
			h.mu.Lock()
			if h.belongs(sc) {
				keys = append(keys, key)
			}
			h.mu.Unlock()
		}
	}
	switch {
	case len(keys) > 0:
		sc.reader.served = keys
	case sc.reader.served == nil:
		return sc.peer.homes // nothing says more than its name does
	}
	return sc.reader.served
}
