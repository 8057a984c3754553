package cluster

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// Bounds of filters: the number of bits is a power of two.
const (
	minFilterBits = 16
	maxFilterBits = 28 // 32 MiB, for 16 million names
	// snapshotPiece is about how large the frames are that a filter is sent in.
	snapshotPiece = 64 << 10
)

// Flags of a Filter frame. The fields are a number, the flags, the epoch, with filterFirst the
// exponent of the number of bits, then the bits that are set, and in a change those that are
// cleared. Bits are in rising order, each as the distance from the one before.
const (
	// filterSnapshot: a piece of a new filter, not a change of the present one.
	filterSnapshot byte = 1 << iota
	// filterFirst and filterLast are the first and the last piece of it.
	filterFirst
	filterLast
	// filterEverything: the node takes everything, and says nothing else.
	filterEverything
	filterFlags // the first that is none
)

// filterHead is what a Filter frame begins with.
type filterHead struct {
	seq   uint64
	flags byte
	epoch uint64
	log   int
}

func (h *filterHead) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, h.seq)
	dst = binary.AppendUvarint(append(dst, h.flags), h.epoch)
	if h.flags&filterFirst != 0 {
		dst = append(dst, byte(h.log))
	}
	return dst
}

// appendBits appends bits, which it sorts.
func appendBits(dst []byte, bits []uint32) []byte {
	slices.Sort(bits)
	dst = binary.AppendUvarint(dst, uint64(len(bits)))
	before := uint32(0)
	for _, bit := range bits {
		dst = binary.AppendUvarint(dst, uint64(bit-before))
		before = bit
	}
	return dst
}

// peerFilter is for which names a peer has receivers. It may be asked and changed at the same time.
type peerFilter struct {
	epoch      uint64
	everything bool
	log        int
	words      []atomic.Uint64
}

func newPeerFilter(epoch uint64, log int) *peerFilter {
	return &peerFilter{epoch: epoch, log: log, words: make([]atomic.Uint64, 1<<(log-6))}
}

// has reports whether the peer has receivers for a name, or for one that shares its bit.
func (f *peerFilter) has(hash uint64) bool {
	if f.everything {
		return true
	}
	bit := hash & (1<<f.log - 1)
	return f.words[bit>>6].Load()&(1<<(bit&63)) != 0
}

func (f *peerFilter) set(bit uint64)   { f.words[bit>>6].Or(1 << (bit & 63)) }
func (f *peerFilter) clear(bit uint64) { f.words[bit>>6].And(^uint64(1 << (bit & 63))) }

// each reads bits.
func (f *peerFilter) each(r *wireReader, do func(bit uint64)) {
	count := r.Uvarint(uint64(len(r.Rest)))
	bit := uint64(0)
	for range count {
		bit += r.Uvarint(1<<maxFilterBits - 1)
		if r.Failed || bit >= 1<<f.log {
			r.Failed = true
			return
		}
		do(bit)
	}
}

// theirFilter is what a peer has said in one session. Frames of the peer are given to it one after
// the other; others may ask at any time.
type theirFilter struct {
	inForce atomic.Pointer[peerFilter] // nil before the first one is complete
	// former is what was in force when the last session ended, until something is again.
	former atomic.Pointer[peerFilter]
	coming *peerFilter
	// foreign: its hashes have another key, so that nothing is known of them.
	foreign atomic.Bool

	mu sync.Mutex // held while the filter is changed, and guards what follows
	// expected are names that the peer will have when it comes to commands of this node, and how
	// many such commands are under way. Their bits stay set.
	expected map[uint64]int
}

// has reports whether a peer has receivers for the name; not if it has said nothing yet.
func (f *theirFilter) has(hash uint64) bool {
	now := f.inForce.Load()
	return now != nil && (now.has(hash) || f.foreign.Load())
}

// expect makes the peer have a name until met was called as often: a command that makes it have the
// name is about to be sent, and what the same sender sends to the name comes behind it.
func (f *theirFilter) expect(hash uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expected == nil {
		f.expected = make(map[uint64]int)
	}
	f.expected[hash]++
	f.expectLocked(f.inForce.Load())
}

// met says that the command has been answered: the peer has told by itself what it has.
func (f *theirFilter) met(hash uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expected[hash]--; f.expected[hash] <= 0 {
		delete(f.expected, hash)
	}
}

func (f *theirFilter) expectLocked(filter *peerFilter) {
	if filter == nil || filter.everything {
		return
	}
	for hash := range f.expected {
		filter.set(hash & (1<<filter.log - 1))
	}
}

// had reports whether the peer had receivers for the name when its session ended, and was not heard of since.
func (f *theirFilter) had(hash uint64) bool {
	former := f.former.Load()
	return former != nil && (former.has(hash) || f.foreign.Load())
}

// forget is called when a session ends.
func (f *theirFilter) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.inForce.Swap(nil); now != nil {
		f.former.Store(now)
	}
	f.coming = nil
}

// take carries out a frame. It returns its number if all up to it is in force, else 0.
func (f *theirFilter) take(body []byte) (inForce uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := *newReader(body)
	h := filterHead{seq: r.Number(), flags: r.Byte(), epoch: r.Number()}
	switch {
	case r.Failed || h.flags >= filterFlags:
		return 0, errMalformed
	case h.flags&filterSnapshot == 0:
		return h.seq, f.change(&h, &r)
	}
	if h.flags&filterFirst != 0 {
		h.log = int(r.Byte())
		if h.log < minFilterBits || h.log > maxFilterBits {
			return 0, errMalformed
		}
		f.coming = newPeerFilter(h.epoch, h.log)
		f.coming.everything = h.flags&filterEverything != 0
	}
	if f.coming == nil || f.coming.epoch != h.epoch {
		return 0, errMalformed
	}
	f.coming.each(&r, f.coming.set)
	if err := r.end(); err != nil || h.flags&filterLast == 0 {
		return 0, err
	}
	f.expectLocked(f.coming)
	f.inForce.Store(f.coming)
	f.coming = nil
	f.former.Store(nil)
	return h.seq, nil
}

func (f *theirFilter) change(h *filterHead, r *wireReader) error {
	now := f.inForce.Load()
	if now == nil || now.epoch != h.epoch || h.flags != 0 {
		return errMalformed
	}
	now.each(r, now.set)
	now.each(r, now.clear)
	f.expectLocked(now)
	return r.end()
}
