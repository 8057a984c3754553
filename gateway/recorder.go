package gateway

import "sync"

// Recorder is told what an Observer is not: what single clients say and get, and what commands did. Its methods
// are called concurrently, on the path of messages: they must be cheap and must not block. A gateway without one
// pays nothing for it.
type Recorder interface {
	// Received says that the session has taken a record of the client, which is valid during the call, or that it had
	// no room for it. Target is that of a call, still escaped as in the record if it was taken. Pings are not told, nor answers that
	// somebody else than the session waits for.
	Received(c *Conn, r Record, target []byte, taken bool)
	// Delivered says what became of a record for one client that is no send: an answer, or what a hub server
	// says to this client alone, with the id that its sender has given it, "" if none. The report has one receiver.
	Delivered(c *Conn, bytes int, trace string, r SendReport)
	// FollowVerb is called for a command that joins, leaves or closes, before it is queued. Came, if it is not nil,
	// is called once with the result.
	FollowVerb(cmd *Command) (came func(Result, error))
}

// MaxReported bounds the receivers that a report names.
const MaxReported = 8

// ReceiverReport is what became of a send for one receiver: it was dropped, or written, or else it waits.
type ReceiverReport struct {
	Conn    *Conn
	Written bool
	Dropped DropReason
	// open: what has become of it is not known yet.
	open bool
}

// named are receivers of a send by name.
type named struct {
	mu sync.Mutex
	namedList
}

// namedList is named without a lock. The first receivers are in it, until there is no room: then only those
// that were not written to.
type namedList struct {
	n    int
	list [MaxReported]ReceiverReport
}

func (l *namedList) note(r ReceiverReport) {
	if l.n < len(l.list) {
		l.list[l.n] = r
		l.n++
		return
	}
	if r.Written || r.open {
		return
	}
	for i := range l.list {
		if have := &l.list[i]; have.Written || have.open {
			*have = r
			return
		}
	}
}

func (n *named) note(r ReceiverReport) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.namedList.note(r)
}

// settle enters what has become of a receiver that was open.
func (n *named) settle(r ReceiverReport) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.list[:n.n] {
		if have := &n.list[i]; have.Conn == r.Conn {
			*have = r
			return
		}
	}
	n.namedList.note(r)
}

// reports are what can be said of so many receivers.
func (n *named) reports(matched int) []ReceiverReport {
	if n.n == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if matched <= n.n {
		return n.list[:n.n]
	}
	keep := n.list[:0]
	for _, r := range n.list[:n.n] {
		if !r.Written && !r.open {
			keep = append(keep, r)
		}
	}
	return keep
}

// told reports whether somebody wants to know what becomes of the send.
func (s *sendOp) told(g *Gateway) bool {
	return s.followed != nil || g.opts.Recorder != nil && s.self[0] != nil && !s.one.control
}

// tellNames enters in a send the receivers of the pass that have names.
func (f *fanout) tellNames(s *sendOp) {
	if s.followed == nil {
		return
	}
	for _, r := range f.pass.named.list[:f.pass.named.n] {
		if _, ok := s.record(f.w, r.Conn.channel.lane.protocol); !ok {
			r = ReceiverReport{Conn: r.Conn, Dropped: DropNoPayloadForProtocol}
		}
		s.followed.named.note(r)
	}
}

// name notes a receiver of a pass with one wire for all.
func (f *fanout) name(r ReceiverReport) {
	if f.pass.told && f.w.g.opts.Recorder != nil {
		f.pass.named.note(r)
	}
}

// put enters in the send that is being collected what became of a receiver whose outbox was asked. It waits, until
// the outbox is written.
func (s *sendOp) put(c *Conn, dropped DropReason, g *Gateway) {
	s.reach.receivers++
	if dropped == DropNoPayloadForProtocol {
		s.reach.missing++
	} else {
		s.reach.put(dropped)
	}
	if s.followed == nil || g.opts.Recorder == nil {
		return
	}
	if dropped != "" || s.reach.receivers <= MaxReported {
		s.followed.named.note(ReceiverReport{Conn: c, Dropped: dropped, open: dropped == ""})
	}
}

// wrote enters in the sends of the pass what became of records that were collected for a client. Those that could
// not be framed are not among the ones that were handed to the socket.
func (f *fanout) wrote(c *Conn, records []OutRecord, h handed, outcome writeOutcome) {
	if !f.pass.told {
		return
	}
	for i := range records {
		r := &records[i]
		if r.control || int(r.sent) >= len(f.pass.ops) {
			continue
		}
		s := f.pass.ops[r.sent].(*sendOp)
		if !s.told(f.w.g) {
			continue
		}
		report := ReceiverReport{Conn: c}
		switch {
		case len(h.records) < len(records) && !has(h.records, r):
			report.Dropped = DropFault
			s.reach.queued--
		case outcome == wroteAll:
			report.Written = true
			s.reach.queued--
			s.reach.written++
		case outcome == wroteNone:
			report.Dropped = DropConnectionClosed
			s.reach.queued--
			s.reach.closed++
		}
		if s.followed != nil && f.w.g.opts.Recorder != nil && (!report.Written || s.reach.receivers <= MaxReported) {
			s.followed.named.settle(report)
		}
	}
}

func has(records []OutRecord, r *OutRecord) bool {
	for i := range records {
		if sameRecords(records[i:i+1], []OutRecord{*r}) {
			return true
		}
	}
	return false
}

// tellDelivered tells the Recorder what became of a record for one client.
func (s *sendOp) tellDelivered(g *Gateway) {
	if g.opts.Recorder == nil || s.one.control {
		return
	}
	r := SendReport{Matched: s.reach.receivers, Written: s.reach.written, Queued: s.reach.queued, Slow: s.reach.slow, Closed: s.reach.closed}
	r.Dropped = r.Matched - r.Written - r.Queued
	g.opts.Recorder.Delivered(s.self[0], s.size, s.trace, r)
}

// followVerb has the Recorder told of the result of a command.
func (g *Gateway) followVerb(cmd *Command, answered func(Result, error)) func(Result, error) {
	if g.opts.Recorder == nil {
		return answered
	}
	switch cmd.Verb {
	case VerbJoin, VerbLeave, VerbLeaveAll, VerbClose:
	default:
		return answered
	}
	came := g.opts.Recorder.FollowVerb(cmd)
	switch {
	case came == nil:
		return answered
	case answered == nil:
		return came
	}
	return func(r Result, err error) {
		came(r, err)
		answered(r, err)
	}
}
