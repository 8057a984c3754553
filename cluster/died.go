package cluster

import (
	"context"
	"time"
)

// A peer that is silent may hang, or the way to it may be cut for a moment: it is gone after goneAfter and not
// before. But if the carrier finds it absent and its machine refuses connections to it, its process has ended.
// It is asked twice: what carries the packets may be starting again there.
const (
	diedSigns = 2
	diedPause = 500 * time.Millisecond
	diedTime  = 2 * time.Second // bounds all of it
)

// examine finds out whether the process of a peer that is absent has ended, unless that is being done.
func (p *peer) examine() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.b.opts.Died == nil || p.examined || p.closed || p.link.state != open {
		return
	}
	p.examined = true
	p.b.life.wg.Go(func() {
		died := p.died()
		p.mu.Lock()
		p.examined = false
		p.mu.Unlock()
		if died {
			p.do(func(l *link, _ time.Duration) event { return l.died() })
			p.filter.former.Store(nil) // nobody there misses what is sent from now on
			p.b.members.changed()
		}
	})
}

func (p *peer) died() bool {
	ctx, cancel := context.WithTimeout(p.b.life.leaving, diedTime)
	defer cancel()
	for sign := range diedSigns {
		if sign > 0 {
			pause := time.NewTimer(diedPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return false
			}
		}
		p.mu.Lock()
		absent := p.link.clock.absent
		p.mu.Unlock()
		if !absent || !p.b.opts.Died(ctx, p.inc.Tag) {
			return false
		}
	}
	return true
}

// died ends the session with a peer that is absent still. Should it live after all, it hears of that.
func (l *link) died() event {
	if l.state != open || !l.clock.absent {
		return 0
	}
	l.wants.bye = &bye{mine: l.mine, yours: l.theirs, why: ByeSilent}
	return l.reset()
}
