package cluster

import (
	"sync"
	"time"
)

// deadline is one of a net.Conn: whoever waits on passed learns when it is over, also when it is set
// while they wait. The zero value has no deadline.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	over   chan struct{}
	closed bool
}

// set sets the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.over == nil || d.closed {
		d.over, d.closed = make(chan struct{}), false
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		close(d.over)
		d.closed = true
		return
	}
	over := d.over
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer {
			d.closed = true
			close(over)
		}
	})
	d.timer = timer
}

// passed is closed when the deadline is over.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over == nil {
		d.over = make(chan struct{})
	}
	return d.over
}
