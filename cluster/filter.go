package cluster

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"time"
)

// collectFor is how long sets are collected behind ones that were just sent.
const collectFor = 2 * time.Millisecond

// announceWait is how long an announcement waits for a peer that does not acknowledge. It is not
// waited for any more until it has caught up: what it sends to the names meanwhile is lost. A peer that is not
// reached is gone before that, on both ends. So the bound is for peers that are heard, and do not come to what
// they were told.
const announceWait = goneAfter + 2*tickEvery

// ownFilter is the names for which this node has receivers, and what its peers know of that. A peer
// gets a snapshot first, then changes. Frames are numbered, and a peer acknowledges their numbers.
// All methods may be called concurrently.
type ownFilter struct {
	keys *keys
	// everything: nobody announces names, and peers are told to send everything.
	everything bool

	mu    sync.Mutex // held while frames are queued for the links, and in no call of done
	names map[uint64]uint32
	table bitTable
	epoch uint64
	// seq is the number of the last frame, sent when it was sent.
	seq  uint64
	sent time.Time
	// sets are bits that are not sent yet, clears those that may be cleared.
	sets   []uint32
	clears map[uint32]struct{}
	flush  *time.Timer // runs while sets wait
	barrier
}

func newOwnFilter(k *keys, everything bool) *ownFilter {
	f := &ownFilter{keys: k, everything: everything, names: make(map[uint64]uint32), epoch: 1, seq: 1}
	f.table.init(minFilterBits)
	f.clears = make(map[uint32]struct{})
	f.barrier.init()
	return f
}

// announce adds names. Done is called once, when all peers know them or are late, and before
// announce returns if nobody has to be waited for.
func (f *ownFilter) announce(names []Name, done func()) {
	if f.everything {
		done()
		return
	}
	f.mu.Lock()
	needs := uint64(0)
	for i := range names {
		needs = max(needs, f.addLocked(&names[i]))
	}
	waits := f.waitLocked(needs, done)
	f.flushSoonLocked()
	if !waits {
		f.due = append(f.due, done)
	}
	f.unlock()
}

// addLocked adds a name and returns the number of the frame that has to be acknowledged, 0 if all
// peers know the name's bit.
func (f *ownFilter) addLocked(n *Name) (needs uint64) {
	hash := f.keys.hash(n.Kind, n.Hub, n.Name)
	count := f.names[hash]
	f.names[hash] = count + 1
	if count == 0 {
		if f.table.share(f.table.bit(hash)); f.table.tooFull() {
			f.rebuildLocked()
		}
	}
	bit := f.table.bit(hash)
	if f.table.set(bit) && len(f.peers) > 0 {
		f.sets = append(f.sets, bit)
		f.underWay[bit] = f.seq + 1
	}
	return f.needsLocked(bit)
}

// withdraw takes back names that were announced. A name that was announced several times stays
// until it was withdrawn as often.
func (f *ownFilter) withdraw(names []Name) {
	if f.everything {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range names {
		hash := f.keys.hash(n.Kind, n.Hub, n.Name)
		switch count := f.names[hash]; count {
		case 0:
			continue
		case 1:
			delete(f.names, hash)
			if bit := f.table.bit(hash); f.table.unshare(bit) {
				f.clears[bit] = struct{}{}
			}
		default:
			f.names[hash] = count - 1
		}
	}
}

// flushSoonLocked sends what is collected, at once if nothing was sent just now.
func (f *ownFilter) flushSoonLocked() {
	if len(f.sets) == 0 || f.flush != nil {
		return
	}
	wait := collectFor - time.Since(f.sent)
	if wait <= 0 {
		f.flushLocked(nil)
		return
	}
	f.flush = time.AfterFunc(wait, func() {
		f.mu.Lock()
		defer f.unlock()
		if f.flush = nil; len(f.sets) > 0 {
			f.flushLocked(nil)
		}
	})
}

// flushLocked sends what is collected, and bits that are cleared.
func (f *ownFilter) flushLocked(clears []uint32) {
	f.seq++
	h := filterHead{seq: f.seq, epoch: f.epoch}
	f.pushLocked(appendBits(appendBits(h.append(nil), f.sets), clears))
	f.flownLocked(f.sets)
	f.sets = nil
}

func (f *ownFilter) pushLocked(frames ...[]byte) {
	f.sent = time.Now()
	for p := range f.peers {
		for _, frame := range frames {
			p.push(frame)
		}
	}
}

// clearUnused clears the bits that no name has any more. A late clear costs one needless frame, so
// it is called once a second.
func (f *ownFilter) clearUnused() {
	f.mu.Lock()
	defer f.unlock()
	if f.table.tooEmpty(len(f.names)) {
		f.rebuildLocked()
		return
	}
	var cleared []uint32
	for bit := range f.clears {
		if f.table.unset(bit) {
			cleared = append(cleared, bit)
		}
	}
	if clear(f.clears); len(cleared) > 0 && len(f.peers) > 0 {
		f.flushLocked(cleared)
	}
}

// rebuildLocked makes a new table of the right size, under a new epoch.
func (f *ownFilter) rebuildLocked() {
	f.table.init(sizeFor(len(f.names)))
	for hash := range f.names {
		bit := f.table.bit(hash)
		f.table.share(bit)
		f.table.set(bit)
	}
	f.sets = nil
	clear(f.clears)
	f.epoch++
	if len(f.peers) > 0 {
		f.seq++
		f.pushLocked(f.snapshotLocked()...)
		f.rebuiltLocked()
	}
}

// snapshotLocked writes the whole filter, in pieces.
func (f *ownFilter) snapshotLocked() (frames [][]byte) {
	h := filterHead{seq: f.seq, epoch: f.epoch, flags: filterSnapshot | filterFirst, log: f.table.log}
	if f.everything {
		h.flags |= filterEverything
	}
	var piece []uint32
	finish := func() {
		frames = append(frames, appendBits(h.append(nil), piece))
		piece, h.flags = piece[:0], filterSnapshot
	}
	f.table.each(func(bit uint32) {
		if piece = append(piece, bit); len(piece) == snapshotPiece/2 { // about two bytes each
			finish()
		}
	})
	h.flags |= filterLast
	finish()
	return frames
}

// check verifies that the table has the bits of all names.
func (f *ownFilter) check() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := 0
	f.table.each(func(uint32) { set++ })
	if set != f.table.count {
		return fmt.Errorf("cluster: %d bits of the filter are set, %d counted", set, f.table.count)
	}
	for hash := range f.names {
		if bit := f.table.bit(hash); f.table.words[bit>>6]&(1<<(bit&63)) == 0 || f.table.nibble(bit) == 0 {
			return errors.New("cluster: a name has no bit in the filter")
		}
	}
	return nil
}

// bitTable is bits, and how many names share each of them.
type bitTable struct {
	log   int
	words []uint64
	// shares has four bits for each bit. At 15 it is not counted any more, and such a bit stays.
	shares []uint8
	count  int // of bits that are set
}

func (t *bitTable) init(log int) {
	*t = bitTable{log: log, words: make([]uint64, 1<<(log-6)), shares: make([]uint8, 1<<(log-1))}
}

// sizeFor is the exponent of the number of bits for so many names: at least 16 for each.
func sizeFor(names int) int {
	return min(max(minFilterBits, bits.Len(uint(max(names, 1)*16-1))), maxFilterBits)
}

func (t *bitTable) bit(hash uint64) uint32 { return uint32(hash & (1<<t.log - 1)) }

func (t *bitTable) tooFull() bool { return t.count >= 1<<(t.log-4) && t.log < maxFilterBits }

// tooEmpty leaves room, so that a table does not change its size all the time.
func (t *bitTable) tooEmpty(names int) bool { return sizeFor(4*names) < t.log }

// set reports whether the bit was not set before.
func (t *bitTable) set(bit uint32) bool {
	word, mask := &t.words[bit>>6], uint64(1)<<(bit&63)
	if *word&mask != 0 {
		return false
	}
	*word |= mask
	t.count++
	return true
}

// unset clears a bit that no name has, and reports whether it did.
func (t *bitTable) unset(bit uint32) bool {
	word, mask := &t.words[bit>>6], uint64(1)<<(bit&63)
	if *word&mask == 0 || t.nibble(bit) != 0 {
		return false
	}
	*word &^= mask
	t.count--
	return true
}

func (t *bitTable) nibble(bit uint32) uint8 { return t.shares[bit>>1] >> (bit & 1 * 4) & 15 }

// share counts one more name.
func (t *bitTable) share(bit uint32) {
	if t.nibble(bit) < 15 {
		t.shares[bit>>1] += 1 << (bit & 1 * 4)
	}
}

// unshare counts one name less, and reports whether none is left.
func (t *bitTable) unshare(bit uint32) bool {
	n := t.nibble(bit)
	if n == 0 || n == 15 {
		return false
	}
	t.shares[bit>>1] -= 1 << (bit & 1 * 4)
	return n == 1
}

func (t *bitTable) each(do func(bit uint32)) {
	for i, word := range t.words {
		for ; word != 0; word &= word - 1 {
			do(uint32(i<<6 + bits.TrailingZeros64(word)))
		}
	}
}
