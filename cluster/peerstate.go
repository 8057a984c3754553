package cluster

import "time"

// What members and others ask of a peer.

func (p *peer) hasSession() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.state != idle
}

// ask has the peer give a sign of life.
func (p *peer) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.wants.ping = p.link.state == open
	p.kickLocked()
}

// kickOff greets a node that somebody else has told of.
func (p *peer) kickOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.greet(p.b.now())
	p.kickLocked()
}

// answeredSince reports whether the peer was heard since a time.
func (p *peer) answeredSince(at time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.clock.heard > at
}

// began is when the peer began, in the time of this node.
func (p *peer) began() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.their.began
}

func (p *peer) age(now time.Duration) time.Duration { return max(now-p.began(), 0) }

// sameAge is how exactly nodes know each other's age: less is no difference.
const sameAge = 100 * time.Millisecond

// older reports whether one node is older than another one. All who know both agree, unless they
// know their ages badly.
func older(began time.Duration, inc Inc, otherBegan time.Duration, other Inc) bool {
	if d := began - otherBegan; d <= -sameAge || d >= sameAge {
		return d < 0
	}
	return inc.before(other)
}

// digest is that of the members as the peer sees them, if it has said so.
func (p *peer) digest() (digest uint64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.their.digest, p.link.their.digest != 0
}

// forgotten reports whether the peer has been gone for long.
func (p *peer) forgotten(now time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.state == idle && now-max(p.link.clock.heard, p.link.clock.begun) > forgetAfter
}

// retire ends a peer that has left. It is called while something that happened to it is carried out.
func (p *peer) retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link.forget()
	p.buryLocked()
}

// buryLocked ends the peer for this node, which keeps what it has counted.
func (p *peer) buryLocked() {
	if !p.closed {
		p.closed = true
		p.b.counted.add(p.link.books.stats(&p.link.out))
	}
}
