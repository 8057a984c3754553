package cluster

import (
	"time"
)

const (
	// tellEvery is how often a peer that sees other members is told what this node sees.
	tellEvery = 2 * time.Second
	// isolateAfter is how long two nodes may live without a session between them.
	isolateAfter = 15 * time.Second
	// agreePatience is how long a node that has just met others waits until one of them knows the same nodes. It is
	// soon, unless two of the others do not reach each other.
	agreePatience = 20 * time.Second
)

// pairs are what peers say of their members, as long as it is not what this node sees. Guarded by
// members.mu.
type pairs struct {
	// views are the members as a peer sees them, and when each began in the time of this node.
	views map[Inc]map[Inc]time.Duration
	// differs is since when a peer sees other members, told when it was told last.
	differs, told map[Inc]time.Duration
	// apart are nodes that live, by the word of a peer, and with which this one has no session, and
	// since when.
	apart    map[Inc]time.Duration
	isolated bool
	// met is since when this node has been ready, 0 if it is not or is alone.
	met time.Duration
}

func (p *pairs) init() {
	p.views, p.differs, p.told = make(map[Inc]map[Inc]time.Duration), make(map[Inc]time.Duration), make(map[Inc]time.Duration)
	p.apart = make(map[Inc]time.Duration)
}

// forgetLocked forgets what a peer said.
func (p *pairs) forgetLocked(inc Inc) {
	delete(p.views, inc)
	delete(p.differs, inc)
	delete(p.told, inc)
}

// tickPairs compares what peers see with what this node sees, and finds nodes that live but cannot be
// reached.
func (m *members) tickPairs(now time.Duration) {
	own := m.b.cfg.digest.Load()
	live := m.liveNow()
	m.b.Agreed() // notes it, so that it is known though nobody asks before the next node joins
	met := len(live) > 0 && m.b.Ready()
	var tell []*peer
	m.mu.Lock()
	for _, p := range live {
		if digest, known := p.digest(); !known || digest == own {
			m.pairs.forgetLocked(p.inc)
			continue
		}
		if _, ok := m.pairs.differs[p.inc]; !ok {
			m.pairs.differs[p.inc] = now
		}
		since := max(m.pairs.differs[p.inc], m.pairs.told[p.inc])
		if now-since >= tellEvery {
			m.pairs.told[p.inc] = now
			tell = append(tell, p)
		}
	}
	before := m.pairs.isolated
	older, since := m.apartLocked(live, now)
	m.pairs.isolated = older && now-since >= isolateAfter
	m.tireLocked(met, older, now)
	isolated := m.pairs.isolated
	m.mu.Unlock()
	for _, p := range tell {
		m.tell(p, now)
	}
	if isolated != before {
		if isolated {
			m.b.opts.Logger.Error("this node has no session with an older one that lives: it is isolated")
		} else {
			m.b.opts.Logger.Info("this node is not isolated any more")
		}
		m.b.opts.Isolated(isolated)
	}
}

// tireLocked ends the wait for a node that knows the same nodes as this one. met says that this node is ready and not
// alone, older that it is the one that does not reach another.
func (m *members) tireLocked(met, older bool, now time.Duration) {
	switch {
	case !met || older:
		m.pairs.met = 0
	case m.pairs.met == 0:
		m.pairs.met = now
	case now-m.pairs.met >= agreePatience:
		m.agreed.Store(true)
	}
}

// apartLocked reports whether an older node lives with which there is no session, and since when.
func (m *members) apartLocked(live []*peer, now time.Duration) (is bool, first time.Duration) {
	linked := make(map[Inc]bool, len(live))
	for _, p := range live {
		linked[p.inc] = true
	}
	seen := make(map[Inc]time.Duration)
	for viewer, view := range m.pairs.views {
		if !linked[viewer] {
			continue
		}
		for inc, began := range view {
			if _, gone := m.gone[inc]; !gone && !linked[inc] && inc.Tag != m.b.opts.Tag {
				seen[inc] = began
			}
		}
	}
	for inc := range m.pairs.apart {
		if _, ok := seen[inc]; !ok {
			delete(m.pairs.apart, inc)
		}
	}
	for inc, began := range seen {
		since, ok := m.pairs.apart[inc]
		if !ok {
			since = now
			m.pairs.apart[inc] = now
		}
		if older(began, inc, 0, m.b.Self()) && (!is || since < first) {
			is, first = true, since
		}
	}
	return is, first
}

// members takes the members as a peer sees them. Those that this node does not know are greeted.
func (p *peer) members(body []byte) error {
	r := *newReader(body)
	now := p.b.now()
	count := r.Uvarint(maxMembers)
	view := make(map[Inc]time.Duration, min(int(count), len(body)))
	for range count {
		inc := r.inc()
		view[inc] = now - time.Duration(r.Uvarint(1<<40))*time.Millisecond
		if inc == (Inc{}) {
			return errMalformed
		}
	}
	if err := r.end(); err != nil {
		return err
	}
	delete(view, p.b.Self())
	m := &p.b.members
	var unknown []*peer
	m.mu.Lock()
	m.pairs.views[p.inc] = view
	for inc := range view {
		if m.peers[inc] == nil {
			if one := m.peerLocked(inc); one != nil {
				unknown = append(unknown, one)
			}
		}
	}
	m.mu.Unlock()
	for _, one := range unknown {
		one.kickOff()
	}
	return nil
}
