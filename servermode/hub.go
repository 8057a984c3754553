package servermode

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// hub is one hub's established server connections.
type hub struct {
	key string

	mu      sync.Mutex
	servers []*serverConn
	// waiting are clients whose server connection was lost, and until when (Backend.now).
	waiting map[*session]time.Duration
	// protocols are those that hub servers have accepted clients with besides the known ones, and
	// when they were last used (Backend.now).
	protocols map[string]time.Duration
	// settled is when waiting clients may be given to server connections: the first one that comes
	// to a hub waits for others of its process, so that the clients are spread over them.
	settled time.Duration
}

// hubTable holds the hubs that have server connections or waiting clients.
type hubTable struct {
	mu   sync.RWMutex
	hubs map[string]*hub
	// waiting counts the waiting clients of all hubs.
	waiting atomic.Int64
}

// get returns the hub, nil if it has neither.
func (t *hubTable) get(key string) *hub {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.hubs[key]
}

// update finds or makes the hub and changes it; it is forgotten if it is empty then.
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
	if len(h.servers) == 0 && len(h.waiting) == 0 {
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
	t.update(sc.peer.hub, func(h *hub) {
		takes := func(have *serverConn) bool { return !have.isWeak() && !have.draining() }
		if len(h.waiting) > 0 && !slices.ContainsFunc(h.servers, takes) {
			h.settled = sc.b.now() + settle
		}
		h.servers = append(h.servers, sc)
	})
}

func (t *hubTable) remove(sc *serverConn) {
	t.update(sc.peer.hub, func(h *hub) {
		h.servers = slices.DeleteFunc(h.servers, func(have *serverConn) bool { return have == sc })
	})
}

// byServerID returns a connection of the process with that server id, nil if there is none.
func (t *hubTable) byServerID(key, id string) *serverConn {
	h := t.get(key)
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sc := range h.servers {
		if sc.peer.serverID == id {
			return sc
		}
	}
	return nil
}

// knows implements directory.
func (t *hubTable) knows(key, id string) bool { return t.byServerID(key, id) != nil }

// serverIDs returns the ids of the hub's servers, each once, sorted.
func (t *hubTable) serverIDs(key string) []string {
	h := t.get(key)
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.servers))
	for _, sc := range h.servers {
		ids = append(ids, sc.peer.serverID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// strong returns the server connections that may have clients.
func (h *hub) strong() []*serverConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.servers), func(sc *serverConn) bool { return sc.isWeak() })
}
