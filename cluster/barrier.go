package cluster

import "time"

// barrier knows which bits of the own filter all peers have acknowledged, and who waits for that. It
// is part of ownFilter, whose mu guards it.
type barrier struct {
	peers map[*filterPeer]struct{}
	// underWay are bits whose set is not acknowledged by all, with the number of its frame. While
	// rebuilt is not acknowledged, all bits that were set before it count as part of it.
	underWay map[uint32]uint64
	rebuilt  uint64
	// batches are the frames that are not acknowledged by all, and the one that is being collected,
	// without a gap.
	batches []batch
	settled uint64 // what all have acknowledged
	late    *time.Timer
	lateAt  time.Time
	due     []func() // to be called when mu is released
	// lateCount is how many announcements did not wait for all peers.
	lateCount uint64
	onLate    func(peer *filterPeer)
}

// filterPeer is a peer with a session. Push queues a Filter frame on its link and does not wait.
type filterPeer struct {
	name  string
	push  func(frame []byte)
	acked uint64
	// behind: it did not acknowledge in time, and is not waited for until it has acknowledged this,
	// which is all that others wait for no longer.
	behind uint64
}

func (p *filterPeer) late() bool { return p.acked < p.behind }

// batch is one frame, the bits that it set, and who waits for it.
type batch struct {
	seq      uint64
	bits     []uint32
	waiting  []func()
	deadline time.Time // of the first that waits
}

func (b *barrier) init() {
	b.peers = make(map[*filterPeer]struct{})
	b.underWay = make(map[uint32]uint64)
}

// needsLocked is the number of the frame that has to be acknowledged for a bit that is set, 0 if all
// peers have it.
func (f *ownFilter) needsLocked(bit uint32) uint64 {
	switch {
	case len(f.peers) == 0:
		return 0
	case f.underWay[bit] > f.settled:
		return f.underWay[bit]
	case f.rebuilt > f.settled:
		return f.rebuilt
	}
	return 0
}

// waitLocked has done called when the frame with the number is acknowledged. It reports false if it
// is.
func (f *ownFilter) waitLocked(seq uint64, done func()) bool {
	if seq <= f.settled || len(f.peers) == 0 {
		return false
	}
	b := f.batchLocked(seq)
	if len(b.waiting) == 0 {
		b.deadline = time.Now().Add(announceWait)
	}
	b.waiting = append(b.waiting, done)
	f.armLocked()
	return true
}

// batchLocked returns the batch of a frame that is not acknowledged by all.
func (f *ownFilter) batchLocked(seq uint64) *batch {
	if len(f.batches) == 0 {
		f.batches = append(f.batches, batch{seq: f.settled + 1})
	}
	for last := f.batches[len(f.batches)-1].seq; last < seq; last++ {
		f.batches = append(f.batches, batch{seq: last + 1})
	}
	return &f.batches[seq-f.batches[0].seq]
}

// flownLocked notes that the bits left with the last frame.
func (f *ownFilter) flownLocked(bits []uint32) {
	f.batchLocked(f.seq).bits = bits
	f.settleLocked() // those who are late are not waited for
}

// rebuiltLocked notes that all bits left anew with the last frame.
func (f *ownFilter) rebuiltLocked() {
	f.batchLocked(f.seq)
	for i := range f.batches {
		f.batches[i].bits = nil
	}
	clear(f.underWay)
	f.rebuilt = f.seq
	f.settleLocked()
}

// subscribe adds a peer with a new session: it gets a snapshot, and then all changes. It sends
// nothing before it has the snapshot, so that only what comes behind it has to be waited for.
func (f *ownFilter) subscribe(p *filterPeer) {
	f.mu.Lock()
	defer f.unlock()
	if len(f.peers) == 0 {
		f.settled = f.seq // until now nobody had to know
	}
	p.acked = f.seq
	f.peers[p] = struct{}{}
	for _, frame := range f.snapshotLocked() {
		p.push(frame)
	}
}

// unsubscribe removes a peer whose session is over.
func (f *ownFilter) unsubscribe(p *filterPeer) {
	f.mu.Lock()
	defer f.unlock()
	if delete(f.peers, p); len(f.peers) > 0 {
		f.settleLocked()
		return
	}
	for _, b := range f.batches {
		f.due = append(f.due, b.waiting...)
	}
	clear(f.underWay)
	f.sets, f.batches, f.settled = nil, nil, f.seq
	f.armLocked()
}

// acknowledged notes that a peer has everything up to a number in force.
func (f *ownFilter) acknowledged(p *filterPeer, seq uint64) {
	f.mu.Lock()
	defer f.unlock()
	if _, ok := f.peers[p]; !ok || seq <= p.acked {
		return
	}
	p.acked = seq
	f.settleLocked()
}

// settleLocked finds out what all peers have acknowledged. Whoever waited for that is due.
func (f *ownFilter) settleLocked() {
	settled := f.seq
	for p := range f.peers {
		if !p.late() {
			settled = min(settled, p.acked)
		}
	}
	f.settled = max(f.settled, settled)
	for p := range f.peers {
		if p.late() {
			p.behind = f.settled // what was not waited for, it has to catch up with
		}
	}
	known := f.knownLocked()
	done := 0
	for ; done < len(f.batches) && f.batches[done].seq <= settled; done++ {
		b := &f.batches[done]
		if b.seq > known {
			f.lateCount += uint64(len(b.waiting))
		}
		for _, bit := range b.bits {
			if f.underWay[bit] == b.seq {
				delete(f.underWay, bit)
			}
		}
		f.due = append(f.due, b.waiting...)
		*b = batch{}
	}
	if f.batches = f.batches[done:]; len(f.batches) == 0 {
		f.batches = nil
	}
	f.armLocked()
}

// knownLocked is what all peers have acknowledged, also those that are not waited for.
func (f *ownFilter) knownLocked() uint64 {
	known := f.seq
	for p := range f.peers {
		known = min(known, p.acked)
	}
	return known
}

// armLocked has giveUp called when the first batch that somebody waits for is due.
func (f *ownFilter) armLocked() {
	for i := range f.batches {
		if len(f.batches[i].waiting) == 0 {
			continue
		}
		if wait := time.Until(f.batches[i].deadline); f.late == nil {
			f.late = time.AfterFunc(wait, f.giveUp)
		} else if f.lateAt != f.batches[i].deadline {
			f.late.Reset(wait)
		}
		f.lateAt = f.batches[i].deadline
		return
	}
	if f.late != nil {
		f.late.Stop()
		f.late = nil
	}
}

// giveUp ends the wait for peers that did not acknowledge in time.
func (f *ownFilter) giveUp() {
	f.mu.Lock()
	defer f.unlock()
	f.late = nil
	over := uint64(0)
	for i := range f.batches {
		b := &f.batches[i]
		if len(b.waiting) > 0 && !time.Now().Before(b.deadline) {
			over = b.seq
		}
	}
	for p := range f.peers {
		if p.acked < over && !p.late() {
			p.behind = over
			if f.onLate != nil {
				f.due = append(f.due, func() { f.onLate(p) })
			}
		}
	}
	f.settleLocked()
}

// close ends all waiting.
func (f *ownFilter) close() {
	f.mu.Lock()
	defer f.unlock()
	if f.flush != nil {
		f.flush.Stop()
	}
	clear(f.peers)
	for _, b := range f.batches {
		f.due = append(f.due, b.waiting...)
	}
	f.batches = nil
	f.armLocked()
}

// unlock releases mu and calls what has become due.
func (f *ownFilter) unlock() {
	due := f.due
	f.due = nil
	f.mu.Unlock()
	for _, do := range due {
		do()
	}
}
