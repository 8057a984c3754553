package gateway

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/internal/counts"
)

// hub is one hub's connections, groups and users on this node.
type hub struct {
	key    string
	shards []hubShard // one per worker
	groups groupTable
	users  userTable
	live   atomic.Int64 // connections, those before their handshake included
	// emptySince is when the last connection left, in the gateway's nanoseconds; guarded by hubTable.mu.
	emptySince int64
	// overSince is when the bytes that wait passed the hub's bound, 0 if they
	// have not; owned by the sweeper.
	overSince int64
}

// hubShard is the part of a hub that one worker owns.
type hubShard struct {
	hub    *hub
	worker *worker
	// conns are the open connections; owned by the worker.
	conns []*Conn
	// expiring are memberships with an end; owned by the worker. expires is
	// their number, for the sweeper.
	expiring []*member
	expires  atomic.Int32
	// faults are in force for this shard, nil without any, and late is what they hold back; owned by the worker.
	faults Faults
	late   *lateList
	books  shardBooks
	_      [64]byte // the books of two workers never share a cache line
}

// queuedBytes is what waits for the clients of the hub.
func (h *hub) queuedBytes() int {
	n := int64(0)
	for i := range h.shards {
		n += h.shards[i].books.queuedBytes.Load()
	}
	return int(n)
}

// EmptyHubLife is how long a hub without connections is kept, with counters of
// its own; then they are part of the node's total. Metrics of a hub are kept as long.
const EmptyHubLife = 10 * time.Minute

// hubTable holds the hubs by key. A hub exists from its first client until it
// has had none for EmptyHubLife; nothing else creates one.
type hubTable struct {
	g    *Gateway
	mu   sync.RWMutex
	hubs map[string]*hub
	// faults are in force by hub, nil without any. They change with mu held.
	faults atomic.Pointer[map[string]Faults]
	// forgotten is the traffic of hubs that are not in the table any more.
	forgotten Traffic
}

func (t *hubTable) init(g *Gateway) {
	t.g, t.hubs, t.forgotten = g, make(map[string]*hub), noTraffic()
}

// get returns the hub, or nil if it has never had a client.
func (t *hubTable) get(key string) *hub {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.hubs[key]
}

// acquire returns the hub for one more connection, making it if there is room.
func (t *hubTable) acquire(key string, limit int) (*hub, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hubs[key]
	if (h == nil || h.live.Load() == 0) && !t.g.quota.room(key, t.hubs, limit) {
		return nil, ErrTooManyHubs
	}
	if h == nil {
		if limit > 0 && len(t.hubs) >= limit {
			empty := t.longestEmpty()
			if empty == nil {
				return nil, ErrTooManyHubs
			}
			t.forget(empty)
		}
		h = &hub{key: key, shards: make([]hubShard, len(t.g.workers))}
		for i := range h.shards {
			h.shards[i].hub, h.shards[i].worker = h, t.g.workers[i]
			h.shards[i].faults = t.faultsOf(key)
			h.shards[i].books.dropped = counts.New(dropReasonList)
		}
		h.groups.init(key, len(t.g.workers), t.g.plane.announcer)
		h.users.init()
		t.hubs[key] = h
	}
	h.live.Add(1)
	return h, nil
}

func (t *hubTable) release(h *hub) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.live.Add(-1) == 0 {
		h.emptySince = t.g.now()
	}
}

// room reports whether a client of the hub would be accepted.
func (t *hubTable) room(key string, limit int) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	h := t.hubs[key]
	if (h == nil || h.live.Load() == 0) && !t.g.quota.room(key, t.hubs, limit) {
		return false
	}
	return limit <= 0 || h != nil || len(t.hubs) < limit || t.longestEmpty() != nil
}

// emptyHubRest is how long a hub is kept after its last connection even when the table is full:
// the last writes are still being counted.
const emptyHubRest = time.Second

// longestEmpty returns the hub that has been without connections longest, nil if there is none
// to forget. Called with mu held.
func (t *hubTable) longestEmpty() *hub {
	var longest *hub
	for _, h := range t.hubs {
		if h.live.Load() == 0 && (longest == nil || h.emptySince < longest.emptySince) {
			longest = h
		}
	}
	if longest == nil || t.g.now()-longest.emptySince < int64(emptyHubRest) {
		return nil
	}
	return longest
}

// forget removes a hub and keeps what it has counted. Called with mu held.
func (t *hubTable) forget(h *hub) {
	t.forgotten.Add(h.traffic())
	delete(t.hubs, h.key)
}

// forgetEmpty removes hubs that have been without connections for a while.
func (t *hubTable) forgetEmpty(now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hubs {
		if h.live.Load() == 0 && now-h.emptySince > int64(EmptyHubLife) {
			t.forget(h)
		}
	}
}

// all returns the hubs at this moment.
func (t *hubTable) all() []*hub {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Collect(maps.Values(t.hubs))
}

// withForgotten returns the hubs at this moment and the traffic of those that
// were there before, so that no hub is in both or in neither.
func (t *hubTable) withForgotten() ([]*hub, Traffic) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var sum Traffic
	sum.Add(t.forgotten)
	return slices.Collect(maps.Values(t.hubs)), sum
}
