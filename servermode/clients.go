package servermode

import (
	"sync"
	"sync/atomic"
)

// clientTable holds the clients of one server connection.
type clientTable struct {
	n atomic.Int32 // len(live)

	mu   sync.Mutex
	live map[string]*session
	// former are clients that have moved away. What the hub server had sent to them is still
	// delivered.
	former map[string]*session
	// gone: the connection has ended. No more clients are added.
	gone bool
}

func (t *clientTable) count() int { return int(t.n.Load()) }

// add adds a client. False means that the connection has ended.
func (t *clientTable) add(id string, s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return false
	}
	if t.live == nil {
		t.live = make(map[string]*session)
	}
	t.live[id] = s
	delete(t.former, id)
	t.n.Store(int32(len(t.live)))
	return true
}

// get returns the client or former client with that id.
func (t *clientTable) get(id string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.live[id]; s != nil {
		return s
	}
	return t.former[id]
}

// leave removes a client. One that moves stays known as a former client.
func (t *clientTable) leave(id string, moves bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.live[id]
	delete(t.live, id)
	delete(t.former, id)
	if moves && s != nil && !t.gone {
		if t.former == nil {
			t.former = make(map[string]*session)
		}
		t.former[id] = s
	}
	t.n.Store(int32(len(t.live)))
}

// all returns the clients at this moment.
func (t *clientTable) all() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*session, 0, len(t.live))
	for _, s := range t.live {
		list = append(list, s)
	}
	return list
}

// close ends the table. It returns the clients and the former clients.
func (t *clientTable) close() (live, former []*session) {
	t.mu.Lock()
	t.gone = true
	for _, s := range t.former {
		former = append(former, s)
	}
	t.former = nil
	t.mu.Unlock()
	return t.all(), former
}
