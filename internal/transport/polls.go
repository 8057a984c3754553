package transport

import "sync"

// Polls are the requests of one client that wait for data: at most one is served at a time, and the
// newest makes the one before it give up (C56). The zero value is ready to use. Its methods may be called
// concurrently.
type Polls struct {
	mu     sync.Mutex
	newest *Poll // nil while none is held
}

// Poll is one request that waits for data.
type Poll struct {
	superseded chan struct{} // closed by the poll that comes after it
	done       chan struct{} // closed when it is answered
}

// Enter waits until the poll before has been answered. began is called before that, with the lock held.
func (t *Polls) Enter(began func()) *Poll {
	p := &Poll{superseded: make(chan struct{}), done: make(chan struct{})}
	t.mu.Lock()
	before := t.newest
	t.newest = p
	began()
	t.mu.Unlock()
	if before != nil {
		close(before.superseded)
		<-before.done
	}
	return p
}

// Leave ends a poll. ended is called with the lock held if no other has come.
func (t *Polls) Leave(p *Poll, ended func()) {
	t.mu.Lock()
	if t.newest == p {
		t.newest = nil
		ended()
	}
	t.mu.Unlock()
	close(p.done)
}

// IfNone calls do with the lock held if no poll is held.
func (t *Polls) IfNone(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest == nil {
		do()
	}
}

// Newest returns the poll that came last, nil if none is held.
func (t *Polls) Newest() *Poll {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest
}

// Superseded is closed when another poll has come.
func (p *Poll) Superseded() <-chan struct{} { return p.superseded }

// IsSuperseded reports whether another poll has come.
func (p *Poll) IsSuperseded() bool {
	select {
	case <-p.superseded:
		return true
	default:
		return false
	}
}
