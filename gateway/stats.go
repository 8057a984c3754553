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
	Hubs    []HubStats
}

// HubStats are one hub's counters.
type HubStats struct {
	Hub string
	// Connections are live ones, those before their handshake included.
	Connections int
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
	s := Stats{Opened: g.opened.Load(), Closed: make(map[CloseReason]uint64, len(closeReasonList)), Backlog: g.backlog.Load()}
	for i, r := range closeReasonList {
		s.Closed[r] = g.closes[i].Load()
	}
	queued := g.queuedDeliveries()
	for _, h := range g.hubs.all() {
		hs := HubStats{Hub: h.key, Connections: int(h.live.Load())}
		hs.Dropped, hs.Queued = make(map[string]uint64, dropReasons), queued[h]
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

func (g *Gateway) queuedDeliveries() map[*hub]uint64 {
	queued := make(map[*hub]uint64)
	g.conns.each(func(c *Conn) {
		if _, n := c.out.held(); n > 0 {
			queued[c.hub] += uint64(n)
		}
	})
	return queued
}

// Check verifies the books and the tables against each other. It is exact when
// nothing is under way, for tests and for operators who suspect a leak.
func (g *Gateway) Check() error {
	var errs []error
	live := make(map[*hub]int)
	bytes := make(map[*hub]int)
	g.conns.each(func(c *Conn) {
		live[c.hub]++
		held, _ := c.out.held()
		bytes[c.hub] += held
	})
	for _, h := range g.hubs.all() {
		if n := int(h.live.Load()); n != live[h] {
			errs = append(errs, fmt.Errorf("hub %s: %d connections counted, %d registered", h.key, n, live[h]))
		}
		if n := h.queuedBytes(); n != bytes[h] {
			errs = append(errs, fmt.Errorf("hub %s: %d bytes counted as queued, %d in outboxes", h.key, n, bytes[h]))
		}
	}
	for _, hs := range g.Stats().Hubs {
		if !hs.Balanced() {
			errs = append(errs, fmt.Errorf("hub %s: books do not balance: %+v", hs.Hub, hs.Books))
		}
	}
	return errors.Join(errs...)
}
