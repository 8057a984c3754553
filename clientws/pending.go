package clientws

import (
	"container/list"
	"strings"
	"sync"
	"time"
)

const (
	// maxPending bounds the ids to which something was posted before their transport came.
	maxPending = 1 << 16
	// maxPendingBytes bounds what is posted to all of them together.
	maxPendingBytes = 64 << 20
	// pendingShare is the part of both that one user of a hub may have: a 16th.
	// Anonymous clients of one address count as one.
	pendingShare = 16
)

// earlyPost is what was posted to an id before its transport came (D5).
type earlyPost struct {
	id     string
	owner  pendingOwner
	until  time.Time
	posted []byte
}

// pendingOwner is whose share data counts into.
type pendingOwner struct{ hub, user, address string }

// share is what an owner has.
type share struct{ ids, bytes int }

// pendingPosts remembers data that came before a transport for the negotiate
// timeout (D1). One timer serves all.
type pendingPosts struct {
	now func() time.Time

	mu     sync.Mutex
	byID   map[string]*list.Element // of *earlyPost
	order  list.List                // the next to expire first
	owners map[pendingOwner]share
	bytes  int
	timer  *time.Timer
}

// hold keeps data for an id, in the order of calls. Errors: errPending,
// errEarlyBytes. The data is copied.
func (p *pendingPosts) hold(id string, owner pendingOwner, until time.Time, data []byte, limit int64) error {
	if len(data) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	element := p.byID[id]
	if element != nil {
		entry := element.Value.(*earlyPost)
		if int64(len(entry.posted)+len(data)) > limit {
			return errEarlyBytes
		}
		owner = entry.owner // an anonymous client may post from another address than before
	}
	// A share has room for one full body at least.
	have := p.owners[owner]
	if p.bytes+len(data) > maxPendingBytes || have.bytes+len(data) > max(int(limit), maxPendingBytes/pendingShare) {
		return errPending
	}
	if element == nil {
		if len(p.byID) >= maxPending || have.ids >= maxPending/pendingShare {
			return errPending
		}
		element = p.addLocked(&earlyPost{id: strings.Clone(id), owner: owner, until: until})
		have.ids++
	}
	entry := element.Value.(*earlyPost)
	entry.posted = append(entry.posted, data...)
	p.bytes += len(data)
	have.bytes += len(data)
	p.owners[owner] = have
	return nil
}

// take forgets the id and returns what was posted to it.
func (p *pendingPosts) take(id string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	element := p.byID[id]
	if element == nil {
		return nil
	}
	return p.removeLocked(element)
}

// waits reports whether data waits for the id.
func (p *pendingPosts) waits(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id] != nil
}

func (p *pendingPosts) addLocked(entry *earlyPost) *list.Element {
	if p.byID == nil {
		p.byID, p.owners = make(map[string]*list.Element), make(map[pendingOwner]share)
	}
	element := p.order.PushBack(entry)
	p.byID[entry.id] = element
	if p.order.Len() == 1 {
		p.armLocked(entry)
	}
	return element
}

func (p *pendingPosts) removeLocked(element *list.Element) []byte {
	entry := p.order.Remove(element).(*earlyPost)
	delete(p.byID, entry.id)
	p.bytes -= len(entry.posted)
	have := p.owners[entry.owner]
	have.ids--
	have.bytes -= len(entry.posted)
	if have.ids == 0 {
		delete(p.owners, entry.owner)
	} else {
		p.owners[entry.owner] = have
	}
	return entry.posted
}

// expireLocked drops what has expired from the front. All ids live equally
// long, so what is behind expires later, or a moment sooner at most.
func (p *pendingPosts) expireLocked() {
	now := p.now()
	for front := p.order.Front(); front != nil && now.After(front.Value.(*earlyPost).until); front = p.order.Front() {
		p.removeLocked(front)
	}
}

// armLocked sees to it that memory is freed even if nobody calls again (C20).
func (p *pendingPosts) armLocked(first *earlyPost) {
	// An id is still good at the very end of its time.
	wait := max(0, first.until.Sub(p.now())) + time.Millisecond
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.sweep)
		return
	}
	p.timer.Reset(wait)
}

func (p *pendingPosts) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	if front := p.order.Front(); front != nil {
		p.armLocked(front.Value.(*earlyPost))
	}
}

// close stops the timer.
func (p *pendingPosts) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.order.Init()
	clear(p.byID)
	clear(p.owners)
	p.bytes = 0
}
