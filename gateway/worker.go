package gateway

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A worker owns a part of every hub: its open connections, their memberships
// and what is put into their outboxes. Everything that concerns a connection
// passes its worker's queue, which is what keeps the order of sends (rule 4).
type worker struct {
	index int
	queue opQueue
	g     *Gateway
	now   int64 // the gateway's nanoseconds when the queue was last drained
	// bound and soft are what may wait for a client, at the same moment: Queues.OutboxMaxBytes and
	// OutboxBytes.
	bound, soft int
	fan         fanout
	// early are closes that wait for their time, earlyCount their number for the sweeper.
	early      []*closeOp
	earlyCount atomic.Int32
}

// op is one entry of a worker's queue. Its methods run on the worker.
type op interface {
	apply(w *worker)
}

func newWorker(index int, g *Gateway) *worker {
	w := &worker{index: index, g: g}
	w.queue.init()
	w.fan.init(w)
	return w
}

// passOps bounds how many sends one pass collects before it writes.
const passOps = 256

// run drains the queue until it is closed and empty.
func (w *worker) run() {
	var ops []op
	for {
		var ok bool
		if ops, ok = w.queue.take(ops[:0]); !ok {
			return
		}
		w.look()
		for rest := ops; len(rest) > 0; {
			rest = rest[w.pass(rest):]
		}
		clear(ops)
	}
}

// look brings up to date what the worker knows of the time and of the bounds.
func (w *worker) look() {
	limits := w.g.opts.Limits()
	w.now, w.bound, w.soft = w.g.now(), limits.OutboxMaxBytes, limits.OutboxBytes
}

// pass carries out one op, or a run of sends together, and says how many.
func (w *worker) pass(ops []op) int {
	n := joinable(ops)
	if n == 0 {
		w.applyGuarded(ops[0])
		return 1
	}
	w.fan.deliver(ops[:n])
	return n
}

// joinable counts the sends at the front of ops that may be collected before they are written.
func joinable(ops []op) int {
	n, size := 0, 0
	for n < len(ops) && n < passOps {
		s, ok := ops[n].(*sendOp)
		if !ok {
			break
		}
		if size += s.size; n > 0 && size > maxJoin {
			break // what a pass collects must never pass a bound before it is written
		}
		n++
	}
	return n
}

// applyGuarded keeps a panic in one op from ending the worker. The op is lost, what it holds is
// given back by the op itself, and everything else goes on.
func (w *worker) applyGuarded(o op) {
	defer w.survive()
	o.apply(w)
}

// survive is deferred where a panic must not go further up.
func (w *worker) survive() {
	if p := recover(); p != nil {
		w.fault(p)
	}
}

// fault counts and logs a panic. It is called while the panic is being recovered.
func (w *worker) fault(p any) {
	w.g.counts.panics.Add(1)
	w.g.opts.Logger.Error("a fan-out pass panicked", "panic", p, "stack", string(debug.Stack()))
}

// abort ends a connection at which the gateway has failed.
func (w *worker) abort(c *Conn) {
	defer w.survive()
	c.cutOff(Cause{Reason: CloseServiceTransientError, Text: "The gateway could not serve the connection.", AllowReconnect: true})
}

// opQueue is an unbounded queue from many producers to one worker. What it
// holds is bounded by admission (D12), not here: producers never block.
type opQueue struct {
	mu     sync.Mutex
	ready  sync.Cond
	ops    []op
	idle   bool // the worker waits for something to do
	closed bool // the worker ends when the queue is empty
	ended  bool // the worker has ended
}

func (q *opQueue) init() { q.ready.L = &q.mu }

// push queues an op. It reports false if the worker has ended: then nothing happens any more.
func (q *opQueue) push(o op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return false
	}
	q.ops = append(q.ops, o)
	if len(q.ops) == 1 {
		q.ready.Signal()
	}
	return true
}

// take waits for ops and exchanges them for the given empty slice.
func (q *opQueue) take(empty []op) ([]op, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ops) == 0 {
		if q.closed {
			q.ended = true
			return nil, false
		}
		q.idle = true
		q.ready.Wait()
	}
	q.idle = false
	ops := q.ops
	if cap(empty) > 4096 {
		empty = nil // a burst's array is not kept for ever
	}
	q.ops = empty
	return ops, true
}

// busy reports whether something is to be done, or being done.
func (q *opQueue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.idle || len(q.ops) > 0
}

func (q *opQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.ready.Signal()
	q.mu.Unlock()
}
