package upstream

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// originGates bound the calls under way to each origin. Whoever waits is let
// in first come, first served. The zero value is ready.
type originGates struct {
	mu    sync.Mutex
	gates map[gateKey]*originGate
}

// gateKey holds the bound too: after a change of it, calls that began under
// the old one end beside those of the new one.
type gateKey struct {
	origin string
	bound  int
}

// maxIdleGates bounds the gates that nobody uses: origins can come from names
// that clients choose.
const maxIdleGates = 256

// originGate is kept when nobody is inside or waits, but not with many others.
type originGate struct {
	turns *semaphore.Weighted
	users int // guarded by originGates.mu
}

// enter waits for a turn at the origin, at most until ctx ends. The turn ends
// when leave is called.
func (g *originGates) enter(ctx context.Context, origin string, bound int) (leave func(), err error) {
	key := gateKey{origin, bound}
	g.mu.Lock()
	gate := g.gates[key]
	if gate == nil {
		if g.gates == nil {
			g.gates = make(map[gateKey]*originGate)
		}
		gate = &originGate{turns: semaphore.NewWeighted(int64(bound))}
		g.gates[key] = gate
	}
	gate.users++
	g.mu.Unlock()
	if err := gate.turns.Acquire(ctx, 1); err != nil {
		g.drop(key, gate)
		return nil, err
	}
	return func() {
		gate.turns.Release(1)
		g.drop(key, gate)
	}, nil
}

func (g *originGates) drop(key gateKey, gate *originGate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gate.users--; gate.users == 0 && len(g.gates) > maxIdleGates {
		delete(g.gates, key)
	}
}
