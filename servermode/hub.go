package servermode

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// hub is one hub's established server connections.
type hub struct {
	key string

	mu      sync.Mutex
	servers []*serverConn
	// waiting are clients whose server connection was lost, and until when.
	waiting map[*session]time.Time
}

// hubTable holds the hubs that have server connections or waiting clients.
type hubTable struct {
	mu   sync.RWMutex
	hubs map[string]*hub
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
		h = &hub{key: key, waiting: make(map[*session]time.Time)}
		if t.hubs == nil {
			t.hubs = make(map[string]*hub)
		}
		t.hubs[key] = h
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
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
	t.update(sc.hub, func(h *hub) { h.servers = append(h.servers, sc) })
}

func (t *hubTable) remove(sc *serverConn) {
	t.update(sc.hub, func(h *hub) {
		h.servers = slices.DeleteFunc(h.servers, func(have *serverConn) bool { return have == sc })
	})
}

// wish is what a client asks of the server connection it is to get.
type wish struct {
	// server is a server id, "" for any; required allows no other.
	server   string
	required bool
	// not is a server id that the client leaves.
	not string
	// level is the least migration level.
	level int32
	// weak allows Weak connections as the last resort.
	weak bool
}

// hubServerAgent is how the user agents of hub servers begin, as opposed to
// those of clients of the management library (section 8.3).
const hubServerAgent = "Microsoft.Azure.SignalR/"

// choose returns the server connection with the fewest clients that fits, nil if none does.
func (t *hubTable) choose(key string, w wish) *serverConn {
	h := t.get(key)
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.server != "" {
		named := func(sc *serverConn) bool { return sc.serverID == w.server && w.fits(sc) }
		if best := h.least(named); best != nil || w.required {
			return best
		}
	}
	if best := h.least(w.fits); best != nil || !w.weak {
		return best
	}
	if slices.ContainsFunc(h.servers, func(sc *serverConn) bool { return sc.kind != serviceprotocol.KindWeak }) {
		return nil
	}
	return h.least(func(sc *serverConn) bool { return strings.HasPrefix(sc.agent, hubServerAgent) && sc.serverID != w.not })
}

func (w wish) fits(sc *serverConn) bool {
	return sc.kind != serviceprotocol.KindWeak && !sc.draining() && sc.level >= w.level && (w.not == "" || sc.serverID != w.not)
}

// least returns the fitting server connection with the fewest clients.
func (h *hub) least(fits func(*serverConn) bool) *serverConn {
	var best *serverConn
	for _, sc := range h.servers {
		if fits(sc) && (best == nil || sc.clients.count() < best.clients.count()) {
			best = sc
		}
	}
	return best
}

// byServerID returns a connection of the process with that server id, nil if there is none.
func (t *hubTable) byServerID(key, id string) *serverConn {
	h := t.get(key)
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.least(func(sc *serverConn) bool { return sc.serverID == id })
}

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
		ids = append(ids, sc.serverID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// strong returns the server connections that may have clients.
func (h *hub) strong() []*serverConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.servers), func(sc *serverConn) bool { return sc.kind == serviceprotocol.KindWeak })
}
