package clientws

import (
	"container/list"
	"strings"
	"sync"
	"time"
)

const (
	// maxPending bounds the ids that wait for their transport.
	maxPending = 1 << 16
	// maxPendingBytes bounds what is posted to all of them together.
	maxPendingBytes = 64 << 20
)

// pendingID is an id that was negotiated and not connected yet.
type pendingID struct {
	id, hub, user string
	until         time.Time
	// posted is what was posted before the transport came (D5).
	posted []byte
	// early marks an id of version 1 that is here for its data only: its token
	// says that it was negotiated.
	early bool
}

// pendingIDs remembers ids of version 0 and data that came before a transport,
// both for the negotiate timeout (D1). One timer serves all.
type pendingIDs struct {
	now func() time.Time

	mu    sync.Mutex
	byID  map[string]*list.Element // of *pendingID
	order list.List                // the next to expire first
	bytes int
	timer *time.Timer
}

// negotiate adds an id; false if there are too many.
func (p *pendingIDs) negotiate(id pendingID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	return p.addLocked(&id) != nil
}

// negotiated returns until when an id of version 0 may be connected by its owner.
func (p *pendingIDs) negotiated(id, hub, user string) (until time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	element := p.byID[id]
	if element == nil {
		return time.Time{}, false
	}
	entry := element.Value.(*pendingID)
	if entry.early || entry.hub != hub || entry.user != user || p.now().After(entry.until) {
		return time.Time{}, false
	}
	return entry.until, true
}

// hold keeps data for an id, in the order of calls. Errors: errPending,
// errEarlyBytes. The data is copied.
func (p *pendingIDs) hold(id string, until time.Time, data []byte, limit int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	if p.bytes+len(data) > maxPendingBytes {
		return errPending
	}
	element := p.byID[id]
	if element == nil {
		if element = p.addLocked(&pendingID{id: strings.Clone(id), until: until, early: true}); element == nil {
			return errPending
		}
	}
	entry := element.Value.(*pendingID)
	if int64(len(entry.posted)+len(data)) > limit {
		return errEarlyBytes
	}
	entry.posted = append(entry.posted, data...)
	p.bytes += len(data)
	return nil
}

// take forgets the id and returns what was posted to it.
func (p *pendingIDs) take(id string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	element := p.byID[id]
	if element == nil {
		return nil
	}
	return p.removeLocked(element)
}

// connected forgets an id whose transport came, unless data waits for it.
func (p *pendingIDs) connected(id string) (dataWaits bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	element := p.byID[id]
	if element == nil {
		return false
	}
	entry := element.Value.(*pendingID)
	if len(entry.posted) == 0 {
		p.removeLocked(element)
		return false
	}
	entry.early = true // it cannot be connected again
	return true
}

func (p *pendingIDs) addLocked(entry *pendingID) *list.Element {
	if len(p.byID) >= maxPending {
		return nil
	}
	if p.byID == nil {
		p.byID = make(map[string]*list.Element)
	}
	element := p.order.PushBack(entry)
	p.byID[entry.id] = element
	if p.order.Len() == 1 {
		p.armLocked(entry)
	}
	return element
}

func (p *pendingIDs) removeLocked(element *list.Element) []byte {
	entry := p.order.Remove(element).(*pendingID)
	delete(p.byID, entry.id)
	p.bytes -= len(entry.posted)
	return entry.posted
}

// expireLocked drops what has expired from the front. All ids live equally
// long, so what is behind expires later, or a moment sooner at most.
func (p *pendingIDs) expireLocked() {
	now := p.now()
	for front := p.order.Front(); front != nil && now.After(front.Value.(*pendingID).until); front = p.order.Front() {
		p.removeLocked(front)
	}
}

// armLocked sees to it that memory is freed even if nobody calls again (C20).
func (p *pendingIDs) armLocked(first *pendingID) {
	// An id is still good at the very end of its time.
	wait := max(0, first.until.Sub(p.now())) + time.Millisecond
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.sweep)
		return
	}
	p.timer.Reset(wait)
}

func (p *pendingIDs) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	if front := p.order.Front(); front != nil {
		p.armLocked(front.Value.(*pendingID))
	}
}

// close stops the timer.
func (p *pendingIDs) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.order.Init()
	clear(p.byID)
	p.bytes = 0
}
