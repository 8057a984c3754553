package cluster

import "time"

// tick lets time go by.
func (l *link) tick(now time.Duration) event {
	l.clock.ticks(now)
	switch l.state {
	case greeting:
		if now-max(l.clock.heard, l.clock.begun) >= goneAfter {
			return l.reset()
		}
		if now-l.clock.greeted >= helloEvery {
			l.wants.hello = true
		}
	case open:
		if l.silent(now) >= goneAfter {
			// It may hear this node, though this one does not hear it.
			l.wants.bye = &bye{mine: l.mine, yours: l.theirs, why: ByeSilent}
			return l.reset()
		}
		if l.pingDue(now) {
			l.wants.ping = true
		}
		if l.in.owed > 0 && now-l.in.owedSince >= creditAfter {
			l.wants.credit = true
		}
	}
	return 0
}

// ticks notes that time goes by. If that comes late, this process has stood still, and what the peer has said
// meanwhile waits to be read: of such a time no more than standstill counts as silence.
func (c *linkClock) ticks(now time.Duration) {
	if late := now - c.ticked - standstill; c.ticked > 0 && late > 0 {
		c.heard, c.answered, c.begun = min(c.heard+late, now), min(c.answered+late, now), min(c.begun+late, now)
	}
	c.ticked = now
}

// silent is how long nothing was heard of the peer; of its session, if there is one. A peer that has
// ended it, because it does not hear this node, says to everybody that it lives.
func (l *link) silent(now time.Duration) time.Duration {
	if l.state == open {
		return now - l.clock.answered
	}
	return now - l.clock.heard
}

// pingDue reports whether it is time to ask whether the peer is there, and got what was sent.
func (l *link) pingDue(now time.Duration) bool {
	since := now - l.clock.pinged
	switch {
	case since >= pingEvery:
		return true
	case since < probeAfter:
		return false
	}
	return l.clock.absent || l.out.unacked > 0 && now-l.out.progress >= probeAfter
}

// absent notes that the carrier says that the peer is not there. That may be so, or the way to it is broken for
// a moment: a peer is gone only when nothing was heard of it for long, or its process has ended (died.go). Until then it is
// asked more often.
func (l *link) absent() { l.clock.absent = true }

// carriedOut says that what was ready has been carried out, and Filter frames up to a number are in
// force. A node that is busy acknowledges later.
func (l *link) carriedOut(filter uint64, busy bool) {
	if l.state != open {
		return
	}
	if filter > l.in.filter {
		l.in.filter = filter
		l.wants.credit = true
	}
	if busy {
		return
	}
	l.in.taken = l.in.received
	if l.in.owed >= int(l.cfg.window.Load())/8 {
		l.wants.credit = true
	}
}

// stamp is what every packet of the session says.
func (l *link) stamp() stamp {
	if l.in.taken == l.in.received {
		l.in.owed = 0
	}
	return stamp{mine: l.mine, yours: l.theirs, received: l.in.taken, filter: l.in.filter}
}

// produce appends the next packet to buf, which is empty; nothing if there is none to send now.
// Everything else overtakes Data.
func (l *link) produce(buf []byte, now time.Duration) []byte {
	w := &l.wants
	switch {
	case w.bye != nil:
		buf = w.bye.append(buf)
		w.bye = nil
	case w.hello:
		w.hello = false
		l.clock.greeted = now
		h := l.hello(now)
		buf = h.append(buf, l.cfg.keys...)
	case l.state != open:
	case w.pong:
		p := pong{stamp: l.stamp(), time: w.pongTime, digest: l.cfg.digest.Load()}
		w.pong = false
		buf = p.append(buf)
	case w.credit && (w.again || !l.mayFill()):
		c := credit{stamp: l.stamp(), again: w.again}
		w.credit, w.again = false, false
		buf = c.append(buf)
	case w.ping:
		w.ping = false
		l.clock.pinged = now
		p := ping{stamp: l.stamp(), time: uint64(now), sent: l.out.next - 1, digest: l.cfg.digest.Load()}
		buf = p.append(buf)
	case l.mayFill():
		w.credit = false // the stamp says it
		d := data{stamp: l.stamp(), first: l.out.next}
		buf = l.out.fill(d.append(buf), l.cfg.packet, int(l.cfg.window.Load()), now)
	}
	return buf
}

// hello is what the node says to the peer before, and to open, a session.
func (l *link) hello(now time.Duration) hello {
	h := l.cfg.hello
	h.to, h.mine, h.yours, h.past, h.age = l.peer, l.mine, l.theirs, l.books.past, now
	if l.state == open {
		h.flags |= helloOpen
	}
	return h
}

// hasWork reports whether produce would produce something.
func (l *link) hasWork() bool {
	w := &l.wants
	if w.bye != nil || w.hello {
		return true
	}
	return l.state == open && (w.pong || w.credit || w.ping || l.mayFill())
}

func (l *link) mayFill() bool { return l.out.mayFill(int(l.cfg.window.Load())) }
