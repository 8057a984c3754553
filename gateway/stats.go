package gateway

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// closeCounters count ended connections by reason.
type closeCounters [len(closeReasonList)]atomic.Uint64

func (cc *closeCounters) count(r CloseReason) {
	for i, known := range closeReasonList {
		if known == r {
			cc[i].Add(1)
			return
		}
	}
	cc[0].Add(1)
}

// Stats are a node's counters at one moment. Counters never decrease while
// their hub exists.
type Stats struct {
	// Opened counts connections since the start, Closed those that ended, by reason.
	Opened uint64
	Closed map[CloseReason]uint64
	// Backlog is the bytes of sends that wait for the workers.
	Backlog int64
	// Panics counts commands that ended in one; each was logged with its stack.
	Panics uint64
	Hubs   []HubStats
}

// HubStats are one hub's counters.
type HubStats struct {
	Hub string
	// Connections are live ones, those before their handshake included.
	Connections int
	// ByTransport splits Connections by the transport's name.
	ByTransport map[string]int
	Books
	// MessagesIn and BytesIn are records and bytes from clients, BytesOut bytes to them.
	MessagesIn, BytesIn, BytesOut uint64
}

// Books are what became of deliveries: Attempted = Written + Dropped + Queued at any rest.
type Books struct {
	Attempted, Written uint64
	Dropped            map[string]uint64 // by DropReason
	Queued             uint64            // deliveries
	QueuedBytes        int64
}

// Balanced reports whether the books agree.
func (b Books) Balanced() bool {
	sum := b.Written + b.Queued
	for _, n := range b.Dropped {
		sum += n
	}
	return sum == b.Attempted
}

// Stats takes a snapshot. Hubs are in no particular order.
func (g *Gateway) Stats() Stats {
	s := Stats{Opened: g.opened.Load(), Closed: make(map[CloseReason]uint64, len(closeReasonList)), Backlog: g.backlog.Load(), Panics: g.panics.Load()}
	for i, r := range closeReasonList {
		s.Closed[r] = g.closes[i].Load()
	}
	walked := g.walk()
	for _, h := range g.hubs.all() {
		hs := HubStats{Hub: h.key, Connections: int(h.live.Load())}
		hs.Dropped = make(map[string]uint64, dropReasons)
		if seen := walked[h]; seen != nil {
			hs.ByTransport, hs.Queued = seen.byTransport, seen.deliveries
		}
		for i := range h.shards {
			h.shards[i].books.addTo(&hs)
		}
		s.Hubs = append(s.Hubs, hs)
	}
	return s
}

func (b *shardBooks) addTo(hs *HubStats) {
	hs.Attempted += b.attempted.Load()
	hs.Written += b.written.Load()
	for why := range b.dropped {
		hs.Dropped[DropReason(why).String()] += b.dropped[why].Load()
	}
	hs.QueuedBytes += b.queuedBytes.Load()
	hs.MessagesIn += b.messagesIn.Load()
	hs.BytesIn += b.bytesIn.Load()
	hs.BytesOut += b.bytesOut.Load()
}

// seen is what a walk over the connections of a hub finds.
type seen struct {
	conns, bytes int
	deliveries   uint64
	byTransport  map[string]int
}

func (g *Gateway) walk() map[*hub]*seen {
	found := make(map[*hub]*seen)
	g.conns.each(func(c *Conn) {
		s := found[c.hub]
		if s == nil {
			s = &seen{byTransport: make(map[string]int)}
			found[c.hub] = s
		}
		bytes, deliveries := c.out.held()
		s.conns++
		s.bytes += bytes
		s.deliveries += uint64(deliveries)
		s.byTransport[c.transport.Name()]++
	})
	return found
}

// Check verifies the books and the tables against each other. It is exact when
// nothing is under way, for tests and for operators who suspect a leak.
func (g *Gateway) Check() error {
	var errs []error
	walked := g.walk()
	for _, h := range g.hubs.all() {
		found := walked[h]
		if found == nil {
			found = &seen{}
		}
		if n := int(h.live.Load()); n != found.conns {
			errs = append(errs, fmt.Errorf("hub %s: %d connections counted, %d registered", h.key, n, found.conns))
		}
		if n := h.queuedBytes(); n != found.bytes {
			errs = append(errs, fmt.Errorf("hub %s: %d bytes counted as queued, %d in outboxes", h.key, n, found.bytes))
		}
	}
	for _, hs := range g.Stats().Hubs {
		if !hs.Balanced() {
			errs = append(errs, fmt.Errorf("hub %s: books do not balance: %+v", hs.Hub, hs.Books))
		}
	}
	return errors.Join(errs...)
}
