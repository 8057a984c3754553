package upstream

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// failuresToOpen in a row open the circuit of an origin.
	failuresToOpen = 5
	// maxIdleCircuits bounds the origins that are remembered though they work, maxCircuits all of them: they
	// can come from names that clients choose.
	maxIdleCircuits = 256
	maxCircuits     = 1024
)

// circuits are the circuit breakers of origins: while one fails, events that are kept wait instead of calling
// it, and one at a time tries whether it is back.
type circuits struct {
	open time.Duration // how long nobody tries
	log  *slog.Logger

	mu   sync.Mutex
	all  map[string]*circuit
	uses uint64
	// opened counts, isOpen is how many are open now.
	opened atomic.Uint64
	isOpen atomic.Int64
}

// circuit is that of one origin.
type circuit struct {
	*gobreaker.TwoStepCircuitBreaker[any]
	used uint64 // the last one of circuits.uses; guarded by circuits.mu

	mu     sync.Mutex
	closed chan struct{} // closed when the circuit is
	// counted: it is one of circuits.isOpen. forgotten: nobody finds it any more.
	counted, forgotten bool
}

var (
	// errUpstream tells a circuit of a failure.
	errUpstream = errors.New("the upstream fails")
	// errNothing tells a circuit of an attempt that says nothing of the upstream.
	errNothing = errors.New("the upstream was not called to the end")
)

// of returns the circuit of an origin.
func (c *circuits) of(origin string) *circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[origin]
	if one == nil {
		c.makeRoomLocked()
		one = c.newCircuit(origin)
		if c.all == nil {
			c.all = make(map[string]*circuit)
		}
		c.all[origin] = one
	}
	c.uses++
	one.used = c.uses
	return one
}

func (c *circuits) newCircuit(origin string) *circuit {
	one := &circuit{closed: make(chan struct{})}
	one.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: origin, MaxRequests: 1, Timeout: c.open,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresToOpen },
		IsExcluded:    func(err error) bool { return errors.Is(err, errNothing) },
		OnStateChange: func(_ string, from, to gobreaker.State) { c.changed(one, origin, from, to) },
	})
	return one
}

// makeRoomLocked forgets origins that work, and if there are too many others the one that was not called for
// longest.
func (c *circuits) makeRoomLocked() {
	if len(c.all) < maxIdleCircuits {
		return
	}
	oldest := ""
	for name, one := range c.all {
		if one.State() == gobreaker.StateClosed {
			c.forgetLocked(name)
		} else if oldest == "" || one.used < c.all[oldest].used {
			oldest = name
		}
	}
	if len(c.all) >= maxCircuits {
		c.forgetLocked(oldest)
	}
}

func (c *circuits) forgetLocked(name string) {
	one := c.all[name]
	delete(c.all, name)
	one.mu.Lock()
	defer one.mu.Unlock()
	one.forgotten = true
	c.countLocked(one, false)
}

// countLocked counts a circuit as open, or not any more. The circuit is locked.
func (c *circuits) countLocked(one *circuit, open bool) {
	switch {
	case open && !one.counted && !one.forgotten:
		c.isOpen.Add(1)
		one.counted = true
	case !open && one.counted:
		c.isOpen.Add(-1)
		one.counted = false
	}
}

func (c *circuits) changed(one *circuit, origin string, from, to gobreaker.State) {
	one.mu.Lock()
	defer one.mu.Unlock()
	switch to {
	case gobreaker.StateOpen:
		c.opened.Add(1)
		c.countLocked(one, true)
		if from == gobreaker.StateClosed {
			c.log.Warn("circuit opened", "origin", origin, "advice", "events wait until the application answers again")
		}
	case gobreaker.StateClosed:
		c.countLocked(one, false)
		c.log.Info("circuit closed", "origin", origin)
		close(one.closed)
		one.closed = make(chan struct{})
	}
}

// works returns what is closed when the circuit closes next.
func (c *circuit) works() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
