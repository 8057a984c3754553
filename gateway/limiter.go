package gateway

import (
	"fmt"
	"math"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Limiter bounds how often clients come and how much they say. Its methods are called concurrently and
// must be cheap.
type Limiter interface {
	// Connect takes a client in. The error is an *Overrun if there are too many; with probe nothing is taken.
	Connect(hub, user string, probe bool) error
	// Meter returns what counts what a client says, nil if nothing is bounded for it.
	Meter(hub, user string) Meter
}

// Meter counts what one client says. Take is called by one goroutine at a time, End once, perhaps while Take runs.
type Meter interface {
	// Take counts a message of so many bytes. The reader of the client waits for hold before it goes on; over,
	// an *Overrun, closes the client. Take does not allocate unless it is over.
	Take(bytes int) (hold time.Duration, over error)
	// End says that the client says nothing any more.
	End()
}

// Overrun is the error of who is over a rule of the operator.
type Overrun struct {
	// Rule is the rule's name, Text what it allows, for people.
	Rule, Text string
	// Reset is after how long it may be tried again.
	Reset time.Duration
}

// Error names the rule and the time.
func (o *Overrun) Error() string {
	return fmt.Sprintf("The limit %q is reached: %s. Try again in %v.", o.Rule, o.Text, o.Reset.Round(time.Millisecond))
}

// RetryAfter is Reset in whole seconds, 1 at least.
func (o *Overrun) RetryAfter() int {
	return max(1, int(math.Ceil(o.Reset.Round(time.Millisecond).Seconds())))
}

// ClientLimiter is a Limiter that wants to know more of a client than its hub and its user.
type ClientLimiter interface {
	// ClientMeter is asked in place of Meter.
	ClientMeter(who *Identity) Meter
}

// limiting is a Limiter in force.
type limiting struct{ Limiter }

func (l *limiting) meter(who *Identity) Meter {
	if more, ok := l.Limiter.(ClientLimiter); ok {
		return more.ClientMeter(who)
	}
	return l.Meter(who.Hub, who.User)
}

// metered is the meter of a connection, and the Limiter that made it. It is not changed.
type metered struct {
	by    *limiting
	meter Meter // nil if the Limiter has nothing to count
}

// Limit puts a Limiter in force, in place of the one before; nil is none.
func (g *Gateway) Limit(l Limiter) {
	if l == nil {
		g.limiter.Store(nil)
		return
	}
	g.limiter.Store(&limiting{l})
}

// AdmitUser returns the error that Attach would return for a client of the user because of a Limiter,
// without counting anything.
func (g *Gateway) AdmitUser(hub, user string) error {
	if l := g.limiter.Load(); l != nil {
		return l.Connect(hub, user, true)
	}
	return nil
}

// measure counts a record of the client, if anybody wants to know. It waits while the client is held
// back, and returns a Cause if the client is closed. Where nothing is bounded it costs two loads.
func (c *Conn) measure(size int) error {
	l, m := c.g.limiter.Load(), c.metered.Load()
	if l == nil && m == nil {
		return nil
	}
	return c.measureWith(l, m, size)
}

func (c *Conn) measureWith(l *limiting, m *metered, size int) error {
	if m == nil || m.by != l {
		m = c.remeter(l, m)
	}
	if m == nil || m.meter == nil {
		return nil
	}
	hold, over := m.meter.Take(size)
	if over != nil {
		return c.closeNow(Cause{Reason: CloseRateLimited, Text: over.Error(), AllowReconnect: true})
	}
	if hold <= 0 {
		return nil
	}
	return c.holdBack(hold)
}

// remeter replaces the meter by one of another Limiter, nil for none.
func (c *Conn) remeter(l *limiting, old *metered) *metered {
	var m *metered
	if l != nil {
		m = &metered{l, l.meter(&c.id)}
	}
	if !c.metered.CompareAndSwap(old, m) {
		m.end() // the connection has ended meanwhile
		return nil
	}
	old.end()
	if c.life.state() == gone {
		c.endMeter()
		return nil
	}
	return m
}

// endMeter says that the client says nothing any more.
func (c *Conn) endMeter() { c.metered.Swap(nil).end() }

// end ends a meter; a nil one has none.
func (m *metered) end() {
	if m != nil && m.meter != nil {
		m.meter.End()
	}
}

// holdBack has the reader wait, but not longer than until an end of the connection is asked for.
func (c *Conn) holdBack(hold time.Duration) error {
	defer c.stopUnfinished(false)
	c.stopUnfinished(true)
	over := time.NewTimer(hold)
	defer over.Stop()
	for {
		resume, err := c.armResume()
		if err != nil {
			return err
		}
		select {
		case <-over.C:
			return nil
		case <-resume:
		}
	}
}

// says reports whether a record is something that the client says: not a ping, an acknowledgement or its last word.
func says(t hubprotocol.Type) bool {
	switch t {
	case hubprotocol.Ping, hubprotocol.Close, hubprotocol.Ack, hubprotocol.Sequence:
		return false
	}
	return true
}
