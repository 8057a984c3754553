package flight

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunkBytes is how much of the ring is forgotten at a time, and the least that a ring takes.
	chunkBytes = 64 << 10
	// stripes is how many producers can record at a time.
	stripes = 4
	// MinBytes is the least size of a ring.
	MinBytes = 2 * stripes * chunkBytes
)

// Recorder is the ring. It takes memory as it fills for the first time, up to its size, and none while nothing
// happens. All methods may be called concurrently. A nil Recorder keeps nothing.
type Recorder struct {
	stripes  [stripes]stripe
	size     int
	recorded atomic.Uint64
	// forgot is when the youngest event happened that is not kept any more, in Unix nanoseconds; 0 for none.
	forgot atomic.Int64
}

// stripe is a part of the ring with a lock of its own. Its chunks are in no order; the next one to be written
// is the oldest.
type stripe struct {
	mu     sync.Mutex
	chunks []*chunk
	next   int // index of the chunk that is being written
	_      [64]byte
}

// chunk holds events one behind the other, each with its length in two bytes before it.
type chunk struct {
	used int
	last int64 // when its last event happened
	data [chunkBytes]byte
}

// New returns a Recorder that takes at most so many bytes, or MinBytes if that is more.
func New(size int) *Recorder {
	return &Recorder{size: max(size, MinBytes)}
}

// Record keeps an event, whose Time it sets if it has none. The event may be changed afterwards. It does not wait for readers,
// and allocates nothing once the ring is full, but for events with a payload.
func (r *Recorder) Record(e *Event) {
	if r == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	var room [1024]byte
	kept := e.append(room[:2])
	size := len(kept) - 2
	if size > maxEvent {
		return // cannot be: all parts are bounded
	}
	binary.BigEndian.PutUint16(kept, uint16(size))
	s := r.lock()
	c := s.room(len(kept), r)
	copy(c.data[c.used:], kept)
	c.used += len(kept)
	c.last = e.Time.UnixNano()
	s.mu.Unlock()
	r.recorded.Add(1)
}

// lock returns a stripe that is locked: one at random, or the next one that nobody has.
func (r *Recorder) lock() *stripe {
	first := rand.Uint32()
	for i := range uint32(stripes) {
		if s := &r.stripes[(first+i)%stripes]; s.mu.TryLock() {
			return s
		}
	}
	s := &r.stripes[first%stripes]
	s.mu.Lock()
	return s
}

// room returns a chunk with room for so many bytes. Called with mu held.
func (s *stripe) room(size int, r *Recorder) *chunk {
	if len(s.chunks) > 0 && s.chunks[s.next].used+size <= chunkBytes {
		return s.chunks[s.next]
	}
	if len(s.chunks) < r.size/stripes/chunkBytes {
		s.chunks = append(s.chunks, new(chunk))
		s.next = len(s.chunks) - 1
		return s.chunks[s.next]
	}
	s.next = (s.next + 1) % len(s.chunks)
	c := s.chunks[s.next]
	for {
		have := r.forgot.Load()
		if c.last <= have || r.forgot.CompareAndSwap(have, c.last) {
			break
		}
	}
	c.used = 0
	return c
}

// Stats are what a Recorder has done.
type Stats struct {
	// Events were recorded since the start. Bytes is what the ring takes now, of Size at most.
	Events      uint64
	Bytes, Size int
	// Since is from when on everything is kept; zero if that is from the start on.
	Since time.Time
}

// Stats returns them. Those of a nil Recorder are zero.
func (r *Recorder) Stats() Stats {
	if r == nil {
		return Stats{}
	}
	s := Stats{Events: r.recorded.Load(), Size: r.size}
	for i := range r.stripes {
		one := &r.stripes[i]
		one.mu.Lock()
		s.Bytes += len(one.chunks) * chunkBytes
		one.mu.Unlock()
	}
	if forgot := r.forgot.Load(); forgot > 0 {
		s.Since = time.Unix(0, forgot).UTC()
	}
	return s
}

// each shows the kept events from a time on to visit, those of a chunk in their order. It ends early with ctx.
func (r *Recorder) each(ctx context.Context, since time.Time, visit func(*Event)) {
	from := int64(0)
	switch {
	case since.Year() > lastYear:
		return // nothing is kept of then
	case since.Year() >= 1970:
		from = since.UnixNano()
	}
	buffer := make([]byte, chunkBytes)
	for i := range r.stripes {
		s := &r.stripes[i]
		for k := 0; ctx.Err() == nil; k++ {
			s.mu.Lock()
			if k >= len(s.chunks) {
				s.mu.Unlock()
				break
			}
			used := 0
			if c := s.chunks[k]; c.last >= from {
				used = copy(buffer, c.data[:c.used])
			}
			s.mu.Unlock()
			eachOf(buffer[:used], from, visit)
		}
	}
}

// lastYear is the last one whose nanoseconds an int64 holds to its end.
const lastYear = 2261

// eachOf reads the events of a chunk.
func eachOf(data []byte, from int64, visit func(*Event)) {
	for len(data) > 2 {
		size := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; size > len(data) {
			break
		}
		var e Event
		if size >= 8 && int64(binary.BigEndian.Uint64(data)) >= from && e.parse(data[:size]) == nil {
			visit(&e)
		}
		data = data[size:]
	}
}
