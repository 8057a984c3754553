package gateway

import "sync/atomic"

// Observer is told what happens at a node. Its methods are called concurrently, on the path of
// clients and messages: they must be cheap and must not block.
type Observer interface {
	// FollowSend is called for each send before it is queued. Came, if it is not nil, is called once,
	// by any goroutine, when the fan-out of the send on this node is over. The command must not be changed.
	FollowSend(cmd *Command) (came func(SendReport))
	// Unheard says that nobody is there to hear a send: its hub has no client, or none of its
	// connections, users or groups has one. It is not called where there are other nodes. A send whose
	// exceptions leave nobody is heard.
	Unheard(cmd *Command)
	// Opened says that a client's handshake was accepted, Closed that its connection has ended. A
	// connection that ends before its handshake is only closed.
	Opened(c *Conn)
	Closed(c *Conn, cause Cause)
}

// AwayObserver is an Observer that wants to hear of clients that may come back (Abilities.Returns). Lost
// says that a client has lost its transport, for the cause, Returned that it has another one, which may be
// so without Lost.
type AwayObserver interface {
	Observer
	Lost(c *Conn, cause Cause)
	Returned(c *Conn)
}

// SendReport is what had become of a send on one node when its fan-out there was over, in
// connections. Matched is Written, Queued and Dropped together. What is queued may be dropped later.
type SendReport struct {
	// Matched are the receivers.
	Matched int
	// Written were handed to the socket whole, Queued wait for it.
	Written, Queued int
	// Dropped got nothing: see DropReason. NoPayload, Slow and Closed are those of them that were dropped as
	// NoPayloadForProtocol, SlowClient and ConnectionClosed; the rest are faults.
	Dropped, NoPayload, Slow, Closed int
	// Receivers are all receivers if there are at most MaxReported, else some that were not written to. They are
	// there only where the gateway has a Recorder, and valid during the call.
	Receivers []ReceiverReport
}

// blindObserver is the Observer of a gateway that has none.
type blindObserver struct{}

func (blindObserver) FollowSend(*Command) func(SendReport) { return nil }
func (blindObserver) Unheard(*Command)                     {}
func (blindObserver) Opened(*Conn)                         {}
func (blindObserver) Closed(*Conn, Cause)                  {}

// followedSend sums what the workers report of one send.
type followedSend struct {
	came                     func(SendReport)
	parts                    atomic.Int32 // that are missing, that of who plans included
	matched, written, queued atomic.Int64
	missing, slow, closed    atomic.Int64
	named                    named
}

// follow returns nil for a send that nobody follows.
func (g *Gateway) follow(cmd *Command) *followedSend {
	came := g.opts.Observer.FollowSend(cmd)
	if cmd.came != nil {
		came = both(came, cmd.came)
	}
	if came == nil {
		return nil
	}
	f := &followedSend{came: came}
	f.parts.Store(1)
	return f
}

// both tells two, the first of whom may be nil.
func both(one, other func(SendReport)) func(SendReport) {
	if one == nil {
		return other
	}
	return func(r SendReport) {
		one(r)
		other(r)
	}
}

// add expects one more part. A nil send expects nothing.
func (f *followedSend) add() {
	if f != nil {
		f.parts.Add(1)
	}
}

// done brings a part; the last one reports.
func (f *followedSend) done(part reach) {
	if f == nil {
		return
	}
	f.matched.Add(int64(part.receivers))
	f.written.Add(int64(part.written))
	f.queued.Add(int64(part.queued))
	f.missing.Add(int64(part.missing))
	f.slow.Add(int64(part.slow))
	f.closed.Add(int64(part.closed))
	if f.parts.Add(-1) > 0 {
		return
	}
	r := SendReport{Matched: int(f.matched.Load()), Written: int(f.written.Load()), Queued: int(f.queued.Load())}
	r.Dropped = r.Matched - r.Written - r.Queued
	r.NoPayload, r.Slow, r.Closed = int(f.missing.Load()), int(f.slow.Load()), int(f.closed.Load())
	r.Receivers = f.named.reports(r.Matched)
	f.came(r)
}

// reach is how many receivers something had, and to how many of them it was written or queued.
// The rest got nothing: missing because there is no form of it for them, slow and closed as the DropReasons
// say, and others because of faults.
type reach struct{ receivers, written, queued, missing, slow, closed int }

// put enters what became of one receiver whose outbox was asked.
func (r *reach) put(dropped DropReason) {
	switch dropped {
	case "":
		r.queued++
	case DropSlowClient:
		r.slow++
	case DropConnectionClosed:
		r.closed++
	}
}

// told reports whether somebody wants to know what becomes of one of the sends.
func (f *fanout) told(ops []op) bool {
	for _, o := range ops {
		if o.(*sendOp).told(f.w.g) {
			return true
		}
	}
	return false
}

// tell enters in the sends of a pass with one wire for all whom they reached. The wires say it, since each
// receiver gets all of its wire or nothing.
func (f *fanout) tell(ops []op) {
	for _, o := range ops {
		s := o.(*sendOp)
		if !s.told(f.w.g) {
			continue
		}
		for i := range f.wires {
			wr := &f.wires[i]
			s.reach.receivers += wr.reach.receivers
			switch _, ok := s.record(f.w, wr.lane.protocol); {
			case !ok:
				s.reach.missing += wr.reach.receivers
			case len(wr.records) > 0:
				s.reach.written += wr.reach.written
				s.reach.queued += wr.reach.queued
				s.reach.slow += wr.reach.slow
				s.reach.closed += wr.reach.closed
			}
		}
		f.tellNames(s)
	}
}
