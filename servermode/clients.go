package servermode

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// attached is a client of a server connection: a session, or a remoteClient, whose session is on
// another node. Its methods are called without locks.
type attached interface {
	// receive takes data that the hub server has sent on the connection, and waits for a slow client.
	// The reader calls it. It reports false if the client is another object now.
	receive(sc *serverConn, m *sp.ConnectionData) (taken bool)
	// closeByServer ends the client because its hub server said so. The text is for the client. It is
	// called in order with commands (gateway.InOrder), and so is openAgain; but not by the older generation of
	// hub servers, whose clients are not handed over.
	closeByServer(by hubServer, text string)
	// openAgain follows the word that the hub server has a client of the same id and has not taken
	// this one.
	openAgain(by hubServer)
	// serverLost tells that the connection has ended.
	serverLost(lost hubServer, why End)
	// sweepMove moves a client away whose hub server leaves, see session.sweepMove.
	sweepMove(now time.Duration) (later bool)
}

// clientTable holds the clients of one server connection.
type clientTable struct {
	n atomic.Int32 // len(live)

	mu   sync.Mutex
	live map[string]attached
	// former are clients that have moved away. What the hub server had sent to them is still
	// delivered.
	former map[string]attached
	// barred are ids of clients whose node was lost, and until when no client may have them
	// (Backend.now): what the hub server says of the former one may still be under way.
	barred map[string]time.Duration
	// gone: the connection has ended. No more clients are added.
	gone bool
	came uint64 // how many were ever added
	// handings counts those of live that are a handing.
	handings atomic.Int32
	// replaced counts calls of replace.
	replaced atomic.Uint64
}

func (t *clientTable) count() int { return int(t.n.Load()) }

// add adds a client. False means that the connection has ended.
func (t *clientTable) add(id string, s attached) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	if t.live == nil {
		t.live = make(map[string]attached)
	}
	t.came++
	t.set(id, s)
	delete(t.former, id)
	t.n.Store(int32(len(t.live)))
	return true
}

// get returns the client or former client with that id.
func (t *clientTable) get(id string) attached {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.live[id]; s != nil {
		return s
	}
	return t.former[id]
}

// current returns the client with that id, nil if there is none or the server connection has ended: what replace
// may exchange.
func (t *clientTable) current(id string) attached {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return nil
	}
	return t.live[id]
}

// has reports whether a client is there and has not moved away.
func (t *clientTable) has(id string, s attached) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return isClient(t.live[id], s)
}

// leave removes a client. One that moves stays known as a former client. Another one of the same id,
// which has come since, stays. live is false
// for a client that was a former one, or was not there.
func (t *clientTable) leave(id string, s attached, moves bool) (live bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if live = isClient(t.live[id], s); live {
		t.set(id, nil)
	}
	if t.former[id] == s {
		delete(t.former, id)
	}
	if moves && live && !t.gone {
		if t.former == nil {
			t.former = make(map[string]attached)
		}
		t.former[id] = s
	}
	t.n.Store(int32(len(t.live)))
	return live
}

// set changes an entry of live; nil removes it. Called with mu held.
func (t *clientTable) set(id string, s attached) {
	if _, was := t.live[id].(*handing); was {
		t.handings.Add(-1)
	}
	if s == nil {
		delete(t.live, id)
		return
	}
	if _, is := s.(*handing); is {
		t.handings.Add(1)
	}
	t.live[id] = s
}

// isClient reports whether an entry of the table is that of a client, which may be handed over. Called
// with mu held.
func isClient(entry, s attached) bool {
	h, ok := entry.(*handing)
	return entry == s || ok && s != nil && isClient(h.former, s)
}

// formerOf returns what a client that is handed over was, and the way to its former owner.
func (t *clientTable) formerOf(h *handing) (attached, *clientWay) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return h.former, h.way
}

// resolve puts who has a client that was handed over in its place: in the table, or in the next hand-over,
// which has begun already. Nil is who had it before. False means that the client is not there any more.
func (t *clientTable) resolve(over *handing, s attached, way *clientWay) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s == nil {
		s, way = over.former, over.way
	}
	if t.live[over.id] == attached(over) && !t.gone {
		t.set(over.id, s)
		t.replaced.Add(1)
		return true
	}
	for h, ok := t.live[over.id].(*handing); ok; h, ok = h.former.(*handing) {
		if h.former == attached(over) {
			h.former, h.way = s, way
			return true
		}
	}
	return false
}

// handedTo returns the earliest hand-over of a client to a node, nil for this one, of which it is not
// known what became of it.
func (t *clientTable) handedTo(id string, next *peerLink) (found *handing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h, ok := t.live[id].(*handing); ok; h, ok = h.former.(*handing) {
		if h.next == next {
			found = h
		}
	}
	return found
}

// removeHanding removes a client that nobody has. It reports false if it was not there, or is handed over
// again.
func (t *clientTable) removeHanding(h *handing) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live[h.id] != attached(h) {
		return false
	}
	t.set(h.id, nil)
	t.n.Store(int32(len(t.live)))
	return true
}

// replace puts one client in the place of another one of the same id. False means that it is not there.
func (t *clientTable) replace(id string, old, s attached) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.live[id] != old {
		return false
	}
	t.set(id, s)
	t.replaced.Add(1)
	return true
}

// handing returns the client with that id if it is being handed over, else nil.
func (t *clientTable) handing(id string) *handing {
	if t.handings.Load() == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h, _ := t.live[id].(*handing)
	return h
}

// remote returns the client with that id if its owner is another node, or was before it was handed over,
// else nil.
func (t *clientTable) remote(id string) *remoteClient {
	a := t.get(id)
	for h, ok := a.(*handing); ok; h, ok = a.(*handing) {
		a, _ = t.formerOf(h)
	}
	rc, _ := a.(*remoteClient)
	return rc
}

// barFor is how long a hub server may take to hear that a client is lost.
const barFor = 2 * time.Second

// bar keeps clients with that id away for a while.
func (t *clientTable) bar(id string, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.barred == nil {
		t.barred = make(map[string]time.Duration)
	}
	t.barred[id] = now + barFor
}

// isBarred reports whether no client may have that id at the moment.
func (t *clientTable) isBarred(id string, now time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, barred := t.barred[id]
	return barred && now < until
}

// unbar forgets what is over.
func (t *clientTable) unbar(now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.barred, func(_ string, until time.Duration) bool { return now >= until })
	if len(t.barred) == 0 {
		t.barred = nil
	}
}

// counts returns how many clients there are, and how many there ever were.
func (t *clientTable) counts() (now int, ever uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.live), t.came
}

// all returns the clients at this moment.
func (t *clientTable) all() []attached {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]attached, 0, len(t.live))
	for _, s := range t.live {
		list = append(list, s)
	}
	return list
}

// close ends the table. It returns the clients and the former clients.
func (t *clientTable) close() (live, former []attached) {
	t.mu.Lock()
	t.gone = true
	for _, s := range t.former {
		former = append(former, s)
	}
	t.former = nil
	t.mu.Unlock()
	return t.all(), former
}
