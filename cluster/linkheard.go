package cluster

import (
	"errors"
	"time"
)

// heard takes a packet of the peer that is no Hello. The caller takes the frames that it completes
// by taken, carries them out and then calls carriedOut.
func (l *link) heard(packet []byte, now time.Duration) event {
	l.hears(now)
	kind, r, err := cutPacket(packet)
	if err != nil {
		return l.fail(err, now)
	}
	switch kind {
	case packetBye:
		var b bye
		if err := b.read(&r); err != nil {
			return l.fail(err, now)
		}
		return l.heardBye(&b, now)
	case packetPing, packetPong, packetCredit, packetData:
		return l.heardInSession(kind, &r, now)
	}
	return l.fail(errMalformed, now)
}

// taken returns the frames that are to be carried out now.
func (l *link) taken() []frame {
	frames, commands := l.in.takeReady()
	l.books.received += commands
	return frames
}

// hears notes that the peer gave a sign of life.
func (l *link) hears(now time.Duration) {
	l.clock.heard = now
	l.clock.absent = false
}

// fail ends the session because of what came in it. Outside of one nothing is to be ended.
func (l *link) fail(err error, now time.Duration) event {
	if l.state != open {
		return 0
	}
	var unknown *unknownFrame
	switch {
	case errors.Is(err, errTooLarge):
		return l.end(ByeTooLarge, now)
	case errors.As(err, &unknown):
		return l.end(ByeUnknown, now)
	}
	return l.end(ByeMalformed, now)
}

// heardHello takes a Hello whose proof was checked. A beacon is one without a session.
func (l *link) heardHello(h *hello, now time.Duration) (happened event) {
	l.hears(now)
	version := l.cfg.hello.versions.agreed(h.versions)
	switch {
	case version == 0:
		happened = l.end(ByeVersion, now)
		l.their.bye = ByeVersion
		return happened | refused
	case h.mine == 0:
		l.greet(now)
		return 0
	case h.mine < l.newest:
		return 0 // a late one
	}
	if l.state == open && h.mine > l.theirs {
		happened |= l.reset()
	}
	if h.mine > l.books.doubt.theirs {
		l.settleBy(h.past)
	}
	if l.greet(now); l.state == idle {
		return happened
	}
	l.theirs, l.newest, l.their.hello, l.version = h.mine, h.mine, *h, version
	l.their.began = now - h.age
	if h.yours == l.mine {
		l.clock.answered = now
		happened |= l.opens(now)
	}
	if h.flags&helloOpen == 0 || h.yours != l.mine {
		l.wants.hello = true
	}
	return happened
}

// settleBy ends the doubt by what the peer says that it got in the session before.
func (l *link) settleBy(p past) {
	arrived := uint64(0)
	if d := l.books.doubt; p.session == d.mine && p.commands > d.acknowledged {
		arrived = p.commands - d.acknowledged
	}
	l.settle(arrived)
}

// opens makes the session open, if it is not.
func (l *link) opens(now time.Duration) event {
	if l.state != greeting {
		return 0
	}
	// A peer that opens a session is not in one before, so that what it said last is its last word.
	l.settleBy(l.their.hello.past)
	l.state = open
	l.clock.pinged = now
	return opened
}

func (l *link) heardBye(b *bye, now time.Duration) event {
	switch {
	case b.mine == 0 && b.yours == 0, l.state != idle && b.yours == l.mine, b.mine != 0 && b.mine == l.theirs:
	default:
		return 0 // a late one
	}
	l.their.bye = b.why
	l.clock.notBefore = now + refusedFor
	return l.reset() | refused
}

// heardInSession takes a packet that belongs to a session.
func (l *link) heardInSession(kind packetKind, r *wireReader, now time.Duration) (happened event) {
	var (
		pi  ping
		po  pong
		c   credit
		d   data
		s   *stamp
		err error
	)
	switch kind {
	case packetPing:
		s, err = &pi.stamp, pi.read(r)
	case packetPong:
		s, err = &po.stamp, po.read(r)
	case packetCredit:
		s, err = &c.stamp, c.read(r)
	default:
		d.read(r)
		s = &d.stamp
	}
	if err != nil || r.Failed {
		return l.fail(errMalformed, now)
	}
	happened, ours := l.belongs(s, now)
	if !ours {
		return happened
	}
	l.clock.answered = now
	if err := l.credited(s, now); err != nil {
		return happened | l.fail(err, now)
	}
	switch kind {
	case packetPing:
		l.heardPing(&pi, now)
	case packetPong:
		l.clock.roundTrip = now - time.Duration(po.time)
		l.their.digest = po.digest
	case packetCredit:
		if c.again {
			l.out.again()
		}
	case packetData:
		inOrder, err := l.in.units(d.first, r, l.cfg.frame, now)
		switch {
		case err != nil:
			return happened | l.fail(err, now)
		case !inOrder:
			l.askAgain(now)
		}
	}
	return happened
}

// belongs reports whether a packet is of the present session. The first one that is opens it; one of
// a session that nobody knows makes a new one.
func (l *link) belongs(s *stamp, now time.Duration) (happened event, ours bool) {
	switch {
	case s.mine == l.theirs && s.yours == l.mine && l.state != idle:
		return l.opens(now), true
	case s.mine < l.newest || l.state == open && s.mine == l.theirs:
		return 0, false // a late one
	case l.state == idle:
		l.greet(now)
	case now-l.clock.greeted >= helloEvery:
		l.wants.hello = true
	}
	return 0, false
}

// credited takes what a packet acknowledges.
func (l *link) credited(s *stamp, now time.Duration) error {
	commands, ok := l.out.acknowledged(s.received, now)
	if !ok {
		return errMalformed
	}
	l.books.acknowledged += commands
	l.their.filter = max(l.their.filter, s.filter)
	return nil
}

func (l *link) heardPing(p *ping, now time.Duration) {
	l.wants.pong, l.wants.pongTime = true, p.time
	l.their.digest = p.digest
	if p.sent > l.in.received {
		l.askAgain(now) // order is kept, so what was sent before has been lost
	}
}

func (l *link) askAgain(now time.Duration) {
	if l.in.missing(now) {
		l.wants.credit, l.wants.again = true, true
	}
}
