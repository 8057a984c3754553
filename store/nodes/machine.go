package nodes

import (
	"errors"

	"github.com/hubgate/hubgate/store/stream"
)

// machine decides what an incarnation of a node asks the store for. It does nothing itself and has no
// clock, so that a test can let thousands of them live. It asks for one thing at a time.
type machine struct {
	times times
	inc   string
	self  Record
	// gone says that a node has not been heard of by other means.
	gone func(link string) bool

	number uint64 // of the last write
	own    own
	others others
}

// own is what a node knows of its own record.
type own struct {
	revision uint64
	renewed  moment // when the last renewal that succeeded began
	held     bool   // one has succeeded
	due      moment // when the next one is
	doubt    *request
	// claimed: another node has claimed the record. There is nothing more to do for this incarnation.
	claimed bool
	// lost counts how often the store has lost the record.
	lost int
}

// verb is what the store is asked for.
type verb uint8

const (
	verbRenew    verb = iota + 1 // write the own record
	verbCheck                    // read the own record
	verbLook                     // read all records
	verbClaim                    // write another node's record
	verbTakeOver                 // take over what a dead node had to do; it takes a while
	verbBury                     // say that its clients have ended; it takes a while
	verbRelease                  // leave a tombstone for it
)

// request is one question to the store. Writes are for the revision that was seen.
type request struct {
	verb     verb
	inc      string
	record   Record
	revision uint64
	began    moment
}

// response is its answer: the revision that was written, or what was read.
type response struct {
	revision uint64
	entries  []entry
	err      error
}

func newMachine(t times, inc string, self Record, gone func(string) bool, now moment) *machine {
	self.Writer = inc
	return &machine{times: t, inc: inc, self: self, gone: gone, own: own{due: now}, others: newOthers(now)}
}

// fenced reports whether the node may do nothing that must happen only once: others may do it.
func (m *machine) fenced(now moment) bool {
	return m.own.claimed || !m.own.held || now.since(m.own.renewed) > m.times.fence
}

// fresh reports whether the node has just written, so that what it reads is what there is.
func (m *machine) fresh(now moment) bool {
	return !m.fenced(now) && now.since(m.own.renewed) <= m.times.fresh
}

// next returns what to ask the store for now, if anything.
func (m *machine) next(now moment) (r request, ok bool) {
	switch {
	case m.own.claimed:
		return request{}, false
	case now.mono >= m.own.due.mono:
		m.own.due = now.plus(m.times.retry) // if it fails
		if m.own.doubt != nil {
			return request{verb: verbCheck, inc: m.inc, began: now}, true
		}
		return m.write(verbRenew, m.inc, m.self, m.own.revision, now), true
	case now.mono >= m.others.due.mono:
		m.others.due = now.plus(m.times.look)
		return request{verb: verbLook, began: now}, true
	case m.fresh(now):
		return m.undertake(now)
	}
	return request{}, false
}

// write makes the request for a write of this node.
func (m *machine) write(v verb, inc string, r Record, revision uint64, now moment) request {
	m.number++
	r.Writer, r.Number = m.inc, m.number
	return request{verb: v, inc: inc, record: r, revision: revision, began: now}
}

// done takes an answer.
func (m *machine) done(r request, a response, now moment) {
	switch r.verb {
	case verbRenew:
		if a.err == nil {
			m.renewed(a.revision, r.began)
			return
		}
		// A refusal is a question: somebody else may have written, or nobody, or this write has arrived.
		m.own.doubt, m.own.due = &r, now
	case verbCheck:
		m.checked(a, now)
	case verbLook:
		if a.err == nil {
			m.others.look(a.entries, now)
		}
	default:
		m.undertaken(r, a, now)
	}
}

func (m *machine) renewed(revision uint64, began moment) {
	m.own.revision, m.own.renewed, m.own.held = revision, began, true
	m.own.due, m.own.doubt = began.plus(m.times.renew), nil
}

// checked takes what there is of the own record, after a write of which nobody knows what became.
func (m *machine) checked(a response, now moment) {
	switch {
	case errors.Is(a.err, stream.ErrNotFound) || errors.Is(a.err, stream.ErrNoStream):
		if m.own.held && now.since(m.own.renewed) > lostWithin {
			m.own.claimed = true
			return
		}
		if m.own.revision != 0 {
			m.own.lost++
		}
		m.own.revision, m.own.doubt = 0, nil
	case a.err != nil || len(a.entries) == 0:
	case a.entries[0].tombstone || a.entries[0].record.Writer != m.inc || a.entries[0].record.Claimant != "":
		m.own.claimed = true
	case a.entries[0].record.Number == m.own.doubt.record.Number:
		m.renewed(a.entries[0].revision, m.own.doubt.began)
	default: // an earlier write: the one in doubt was refused, or may yet arrive
		m.own.revision, m.own.doubt = a.entries[0].revision, nil
	}
}
