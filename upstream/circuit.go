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
	// maxIdleCircuits bounds the origins that are remembered: they can come from names that clients choose.
	maxIdleCircuits = 256
)

// circuits are the circuit breakers of origins: while one fails, events that are kept wait instead of calling
// it, and one at a time tries whether it is back.
type circuits struct {
	open time.Duration // how long nobody tries
	log  *slog.Logger

	mu  sync.Mutex
	all map[string]*circuit
	// opened counts, isOpen is how many are open now.
	opened atomic.Uint64
	isOpen atomic.Int64
}

// circuit is that of one origin.
type circuit struct {
	*gobreaker.TwoStepCircuitBreaker[any]
	mu     sync.Mutex
	closed chan struct{} // closed when the circuit is
}

// errUpstream tells a circuit of a failure.
var errUpstream = errors.New("the upstream fails")

// of returns the circuit of an origin.
func (c *circuits) of(origin string) *circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.all[origin]; one != nil {
		return one
	}
	if len(c.all) >= maxIdleCircuits {
		for name, one := range c.all {
			if one.State() == gobreaker.StateClosed {
				delete(c.all, name)
			}
		}
	}
	if c.all == nil {
		c.all = make(map[string]*circuit)
	}
	one := &circuit{closed: make(chan struct{})}
	one.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[any](gobreaker.Settings{
		Name: origin, MaxRequests: 1, Timeout: c.open,
		ReadyToTrip:   func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresToOpen },
		OnStateChange: func(_ string, from, to gobreaker.State) { c.changed(one, origin, from, to) },
	})
	c.all[origin] = one
	return one
}

func (c *circuits) changed(one *circuit, origin string, from, to gobreaker.State) {
	switch {
	case to == gobreaker.StateOpen:
		c.opened.Add(1)
		if from == gobreaker.StateClosed {
			c.isOpen.Add(1)
			c.log.Warn("circuit opened", "origin", origin, "advice", "events wait until the application answers again")
		}
	case to == gobreaker.StateClosed:
		c.isOpen.Add(-1)
		c.log.Info("circuit closed", "origin", origin)
		one.mu.Lock()
		defer one.mu.Unlock()
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
