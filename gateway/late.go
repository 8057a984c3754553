package gateway

import "time"

// lateSend is a delivery to one connection that was held back.
type lateSend struct {
	op   *sendOp
	due  int64 // in the gateway's nanoseconds
	held Faults
}

// lateList are the deliveries of one shard that its present faults hold back, in the order in which they leave: none is
// due before the one in front of it. Owned by the worker.
type lateList struct {
	shard *hubShard
	sends []*lateSend
	// wake has the worker come back when the first one is due.
	wake *time.Timer
}

// later keeps a delivery for its time.
func (s *hubShard) later(l *lateSend) {
	l.op.comes()
	if s.late == nil {
		s.late = &lateList{shard: s}
	}
	list := s.late
	if n := len(list.sends); n > 0 {
		l.due = max(l.due, list.sends[n-1].due)
	}
	if list.sends = append(list.sends, l); len(list.sends) == 1 {
		list.wakeForFirst()
	}
}

// wakeForFirst has the worker come back when the first delivery is due. Only one timer of a list runs at a time.
func (l *lateList) wakeForFirst() {
	w := l.shard.worker
	after := max(0, time.Duration(l.sends[0].due-w.g.now()))
	if l.wake == nil {
		l.wake = time.AfterFunc(after, func() { w.queue.push(lateOp{l}) })
		return
	}
	l.wake.Reset(after)
}

// end delivers all that is held. The list may be nil.
func (l *lateList) end(w *worker) {
	if l == nil {
		return
	}
	if l.wake != nil {
		l.wake.Stop()
	}
	l.release(w, len(l.sends))
}

// release delivers the first n.
func (l *lateList) release(w *worker, n int) {
	due := l.sends[:n]
	l.sends = l.sends[n:]
	for i, late := range due {
		due[i] = nil
		late.held.Holds(-late.op.size)
		w.applyGuarded(late.op)
	}
}

// due is how many may leave now.
func (l *lateList) due(now int64) (n int) {
	for n < len(l.sends) && l.sends[n].due <= now {
		n++
	}
	return n
}

// lateOp delivers what is due of a list, if it is still that of its shard.
type lateOp struct{ list *lateList }

func (o lateOp) apply(w *worker) {
	l := o.list
	if l.shard.late != l || len(l.sends) == 0 {
		return
	}
	l.release(w, l.due(w.g.now()))
	if len(l.sends) > 0 {
		l.wakeForFirst()
	}
}
