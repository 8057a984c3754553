package gateway

import (
	"errors"
	"time"
)

// Faults are what the operator injects into one hub, to see how its clients take it. The methods are called
// concurrently, on the path of messages: they must be cheap and must not block.
type Faults interface {
	// Delivery decides about one delivery to the connection with the id. It is dropped, or comes later by
	// delay. What comes later stays in order with everything else for that connection.
	Delivery(id string) (drop bool, delay time.Duration)
	// Holds is called before size bytes are held back until later, and after that with a negative size. False
	// means that there is no room for them: they are dropped.
	Holds(size int) bool
	// RefusesNegotiate decides whether a client that negotiates is refused.
	RefusesNegotiate() bool
}

// ErrFaultInjected refuses a client because of Faults.
var ErrFaultInjected = errors.New("a fault was injected into this hub")

// Inject puts faults in force for the hub with the key, in place of those before; nil ends them. What was held
// back is delivered before anything else is. A hub without Faults pays one load of a pointer for each
// send and each negotiate.
func (g *Gateway) Inject(hub string, f Faults) { g.hubs.inject(hub, f) }

// inject notes the faults for hubs to come, and tells the workers of one that is there, in order with sends.
func (t *hubTable) inject(key string, f Faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make(map[string]Faults)
	if now := t.faults.Load(); now != nil {
		for hub, have := range *now {
			next[hub] = have
		}
	}
	if f == nil {
		delete(next, key)
	} else {
		next[key] = f
	}
	if len(next) == 0 {
		t.faults.Store(nil)
	} else {
		t.faults.Store(&next)
	}
	if h := t.hubs[key]; h != nil {
		for i := range h.shards {
			h.shards[i].worker.queue.push(&injectOp{&h.shards[i], f})
		}
	}
}

// faultsOf returns the faults of a hub, nil if there are none.
func (t *hubTable) faultsOf(key string) Faults {
	if all := t.faults.Load(); all != nil {
		return (*all)[key]
	}
	return nil
}

// admitDespiteFaults is the part of Admit that faults decide.
func (g *Gateway) admitDespiteFaults(hub string) error {
	if f := g.hubs.faultsOf(hub); f != nil && f.RefusesNegotiate() {
		return ErrFaultInjected
	}
	return nil
}

// Sever breaks the client's transport without a word, as a network would. What was written before has
// arrived, or has not, in order. A client that may come back (Abilities.Returns) is away then; the connection of
// every other one has ended, with the cause.
func (c *Conn) Sever(cause Cause) {
	if c.lose(c.Transport(), cause) {
		return
	}
	c.cutOff(cause)
}

// injectOp puts faults in force for a shard.
type injectOp struct {
	shard  *hubShard
	faults Faults
}

func (o *injectOp) apply(w *worker) {
	o.shard.late.end(w)
	o.shard.late = nil
	o.shard.faults = o.faults
}

// faulty returns what visits the receivers of a send instead of deliver, where the hub has faults.
func (f *fanout) faulty(s *sendOp, deliver func(*Conn)) func(*Conn) {
	faults := s.to.shard.faults
	return func(c *Conn) {
		if s.one.control && s.frames == nil {
			deliver(c)
			return
		}
		drop, delay := faults.Delivery(c.id.ID)
		if delay > 0 && !drop && !faults.Holds(s.size) {
			drop = true
		}
		switch {
		case drop:
			f.tally.attempted++
			f.tally.drop(DropFaultInjected, 1)
			f.missed(s, c, DropFaultInjected)
		case delay > 0:
			s.to.shard.later(&lateSend{
				op:  &sendOp{to: c.alone(), frames: s.frames, size: s.size, one: s.one, late: true},
				due: f.w.g.now() + int64(delay), held: faults,
			})
			f.missed(s, c, "")
		default:
			deliver(c)
		}
	}
}

// missed tells those who want to know that a receiver was dropped, or, with "", that it waits.
func (f *fanout) missed(s *sendOp, c *Conn, dropped DropReason) {
	if !s.told(f.w.g) {
		return
	}
	reach := &f.wireFor(c).reach
	reach.receivers++
	reach.put(dropped)
	f.name(ReceiverReport{Conn: c, Dropped: dropped})
}

// anyFaulty reports whether a hub among those of the sends has faults.
func anyFaulty(ops []op) bool {
	for _, o := range ops {
		if s := o.(*sendOp); s.to.shard.faults != nil {
			return true
		}
	}
	return false
}
