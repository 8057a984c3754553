package gateway

import "time"

// Bytes of records that have not ended are held until they do. Each client's are
// bounded by the size of a record; all of a node's are bounded too, and a record
// has to arrive within a time that its size allows (D20).

const (
	// unfinishedGrace and unfinishedRate are how long a record may take: so long,
	// and a second more for each so many bytes.
	unfinishedGrace = 30 * time.Second
	unfinishedRate  = 4 << 10
)

// unfinished is what one connection holds of a record. Guarded by Conn.mu.
type unfinished struct {
	// size is the memory it takes, in bytes; since is when the record began. held is what a transport
	// holds of one that it will hand over whole.
	size, held, since int64
	// stopped: the reader waits for its session, and the client can send nothing.
	stopped bool
}

func (u *unfinished) overdue(m *moment) bool {
	size := u.size + u.held
	return size > 0 && !u.stopped && m.passed(u.since, unfinishedGrace+time.Duration(size)*time.Second/unfinishedRate)
}

// account brings the books of unfinished records up to date with r.partial. anew
// says that what is there belongs to another record than before. It is called by
// the reader, with r.mu held, when that may have changed.
func (r *reader) account(c *Conn, anew bool) {
	before := r.accounted
	if r.accounted = cap(r.partial); before == 0 && r.accounted == 0 {
		return
	}
	c.mu.Lock()
	if c.life.cause != nil {
		r.partial, r.accounted = nil, 0 // nobody will read it
	}
	size := int64(r.accounted)
	sum := c.g.counts.unfinished.Add(size - r.unfinished.size)
	if anew || r.unfinished.size == 0 {
		r.unfinished.since = c.g.now()
	}
	r.unfinished.size = size
	c.mu.Unlock()
	c.g.holdsUnfinished(sum)
}

// holdsUnfinished wakes the sweeper if that is more than the node may hold.
func (g *Gateway) holdsUnfinished(sum int64) {
	if bound := g.opts.Limits().UnfinishedBytes; bound > 0 && sum > int64(bound) {
		select {
		case g.crowded <- struct{}{}:
		default:
		}
	}
}

// Hold says by how many bytes more, or with a negative n fewer, a transport holds of a record that it will
// hand over whole (Conn.Record). They count as those that Feed keeps do: over Limits.UnfinishedBytes the
// clients that hold most are closed, and so is one whose record takes too long. It returns a Cause once
// the connection is ending: then the transport gives up what it holds, which counts no more. A transport
// says itself when it holds nothing any more, also after its end.
func (c *Conn) Hold(n int) error {
	c.mu.Lock()
	u := &c.reader.unfinished
	if c.life.cause != nil {
		cause := *c.life.cause
		c.g.counts.unfinished.Add(-u.held)
		u.held = 0
		c.mu.Unlock()
		return cause
	}
	if u.held+u.size == 0 {
		u.since = c.g.now()
	}
	more := max(int64(n), -u.held)
	u.held += more
	sum := c.g.counts.unfinished.Add(more)
	c.mu.Unlock()
	if more > 0 {
		c.g.holdsUnfinished(sum)
	}
	return nil
}

// stopUnfinished stops the clock of the record that is arriving while the reader
// waits for its session; it begins anew behind that.
func (c *Conn) stopUnfinished(stopped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reader.unfinished.stopped, c.reader.unfinished.since = stopped, c.g.now()
}

// forget gives up what an ending connection holds of a record. A reader that is
// at work does it itself when it finds the cause.
func (r *reader) forget(c *Conn) {
	if r.mu.TryLock() {
		r.partial = nil
		r.account(c, false)
		r.mu.Unlock()
	}
}

// relieveReaders closes the clients that hold the most of unfinished records
// while the node holds too much.
func (g *Gateway) relieveReaders() {
	bound := int64(g.opts.Limits().UnfinishedBytes)
	excess := g.counts.unfinished.Load() - bound
	if bound <= 0 || excess <= 0 {
		return
	}
	holds := func(c *Conn) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return int(c.reader.unfinished.size + c.reader.unfinished.held)
	}
	g.relieve(int(excess), holds, func(c *Conn) {
		c.Close(Cause{Reason: CloseThrottled, Text: "The gateway holds too many bytes of unfinished messages.", AllowReconnect: true})
		c.reader.forget(c)
		_ = c.Hold(0) // its transport will find out
	})
}
