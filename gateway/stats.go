package gateway

import (
	"errors"
	"fmt"
)

// Stats are a node's counters at one moment. Counters of a hub never decrease
// while it exists, those of the node never.
type Stats struct {
	// Opened counts connections since the start, Closed those that ended, by reason.
	Opened uint64
	Closed map[CloseReason]uint64
	// Backlog is the bytes of sends that wait for the workers.
	Backlog int64
	// Unfinished is the bytes held of records from clients that have not ended.
	Unfinished int64
	// Panics counts commands that ended in one; each was logged with its stack.
	Panics uint64
	Hubs   []HubStats
	// Total sums all hubs since the start, those that were forgotten included.
	Total Traffic
}

// HubStats are one hub's counters.
type HubStats struct {
	Hub string
	// Connections are live ones, those before their handshake included.
	Connections int
	// ByTransport splits Connections by the transport's name: the last, for a client that is away.
	ByTransport map[string]int
	// Away are those of Connections whose client has lost its transport and may come back.
	Away int
	Traffic
}

// Traffic is what went to clients and came from them.
type Traffic struct {
	Books
	// MessagesIn and BytesIn are records and bytes from clients, BytesOut bytes to them.
	MessagesIn, BytesIn, BytesOut uint64
	// UnitsOut are the messages whose delivery began, each as many as it has MessageUnits.
	UnitsOut uint64
}

// Add adds what is counted in other.
func (t *Traffic) Add(other Traffic) {
	t.Attempted += other.Attempted
	t.Written += other.Written
	t.Queued += other.Queued
	t.QueuedBytes += other.QueuedBytes
	t.MessagesIn += other.MessagesIn
	t.BytesIn += other.BytesIn
	t.BytesOut += other.BytesOut
	t.UnitsOut += other.UnitsOut
	if t.Dropped == nil {
		t.Dropped = make(map[DropReason]uint64, len(dropReasonList))
	}
	for why, n := range other.Dropped {
		t.Dropped[why] += n
	}
}

// Books are what became of deliveries: Attempted = Written + Dropped + Queued at any rest.
type Books struct {
	Attempted, Written uint64
	Dropped            map[DropReason]uint64
	Queued             uint64 // deliveries
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
	s := Stats{Opened: g.counts.opened.Load(), Closed: g.counts.closed.Map(), Backlog: g.counts.backlog.Load(), Unfinished: g.counts.unfinished.Load(), Panics: g.counts.panics.Load()}
	walked := g.walk()
	hubs, forgotten := g.hubs.withForgotten()
	s.Total = forgotten
	for _, h := range hubs {
		hs := HubStats{Hub: h.key, Connections: int(h.live.Load()), Traffic: h.traffic()}
		if seen := walked[h]; seen != nil {
			hs.ByTransport, hs.Away, hs.Queued = seen.byTransport, seen.away, seen.deliveries
		}
		s.Hubs = append(s.Hubs, hs)
		s.Total.Add(hs.Traffic)
	}
	return s
}

// Held returns the bytes that the node holds for its clients at the moment: what
// waits for them and for the workers, and what has come of records that have not
// ended. Unlike Stats it costs next to nothing.
func (g *Gateway) Held() int64 {
	held := g.counts.backlog.Load() + g.counts.unfinished.Load()
	for _, h := range g.hubs.all() {
		held += int64(h.queuedBytes())
	}
	return held
}

// noTraffic has every reason, so that each is a series from the start.
func noTraffic() Traffic {
	t := Traffic{Books: Books{Dropped: make(map[DropReason]uint64, len(dropReasonList))}}
	for _, why := range dropReasonList {
		t.Dropped[why] = 0
	}
	return t
}

// traffic sums the hub's shards. Queued is left out: only a walk over the
// connections finds it.
func (h *hub) traffic() Traffic {
	t := noTraffic()
	for i := range h.shards {
		b := &h.shards[i].books
		t.Attempted += b.attempted.Load()
		t.Written += b.written.Load()
		b.dropped.AddTo(t.Dropped)
		t.QueuedBytes += b.queuedBytes.Load()
		t.MessagesIn += b.messagesIn.Load()
		t.BytesIn += b.bytesIn.Load()
		t.BytesOut += b.bytesOut.Load()
		t.UnitsOut += b.unitsOut.Load()
	}
	return t
}

// seen is what a walk over the connections of a hub finds.
type seen struct {
	conns, away, bytes int
	deliveries         uint64
	byTransport        map[string]int
	// wrong are connections that may come back whose outbox does not agree with itself.
	wrong []string
}

func (g *Gateway) walk() map[*hub]*seen {
	found := make(map[*hub]*seen)
	g.conns.each(func(c *Conn) {
		s := found[c.shard.hub]
		if s == nil {
			s = &seen{byTransport: make(map[string]int)}
			found[c.shard.hub] = s
		}
		s.look(c)
	})
	return found
}

func (s *seen) look(c *Conn) {
	c.mu.Lock()
	held, t := c.out.queued, c.transport
	if !c.out.agrees(c.back) {
		s.wrong = append(s.wrong, c.id.ID)
	}
	c.mu.Unlock()
	s.conns++
	s.bytes += held.bytes
	s.deliveries += uint64(held.deliveries)
	s.byTransport[t.Name()]++
	if c.IsAway() {
		s.away++
	}
}

// agrees reports whether what is queued for a client that may come back is what waits for it and what
// its transport has not reported. Of others the outbox does not know what a pump has taken.
func (o *outbox) agrees(back *returning) bool {
	if back == nil || o.writer == writerWorker {
		return true
	}
	want := sumOf(o.records)
	want.bytes += back.owed.bytes
	want.deliveries += back.owed.deliveries
	return o.queued == want && back.owed.deliveries == back.kept.unsettled
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
		if len(found.wrong) > 0 {
			errs = append(errs, fmt.Errorf("hub %s: the outboxes of %v do not agree with what they hold", h.key, found.wrong))
		}
		if n := h.users.ended(); n != 0 {
			errs = append(errs, fmt.Errorf("hub %s: %d connections that have ended are among those of its users", h.key, n))
		}
	}
	stats := g.Stats()
	for _, hs := range stats.Hubs {
		if !hs.Balanced() {
			errs = append(errs, fmt.Errorf("hub %s: books do not balance: %+v", hs.Hub, hs.Books))
		}
	}
	if !stats.Total.Balanced() {
		errs = append(errs, fmt.Errorf("books of all hubs since the start do not balance: %+v", stats.Total.Books))
	}
	return errors.Join(errs...)
}
