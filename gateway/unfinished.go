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
	// size is the memory it takes, in bytes; since is when the record began.
	size, since int64
	// stopped: the reader waits for its session, and the client can send nothing.
	stopped bool
}

func (u *unfinished) overdue(m *moment) bool {
	return u.size > 0 && !u.stopped && m.passed(u.since, unfinishedGrace+time.Duration(u.size)*time.Second/unfinishedRate)
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
	if bound := c.g.opts.Limits().UnfinishedBytes; bound > 0 && sum > int64(bound) {
		select {
		case c.g.crowded <- struct{}{}:
		default:
		}
	}
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
		return int(c.reader.unfinished.size)
	}
	g.relieve(int(excess), holds, func(c *Conn) {
		c.Close(Cause{Reason: CloseThrottled, Text: "The gateway holds too many bytes of unfinished messages.", AllowReconnect: true})
		c.reader.forget(c)
	})
}
