package upstream

import (
	"context"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/gateway"
)

// originGates bound the calls under way to each origin, and what one party may
// have of them. The zero value is ready.
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

// party is whoever shares a part of an origin's places: a user of a hub with
// all connections, or an anonymous connection.
type party struct{ hub, user, connection string }

func partyOf(id *gateway.Identity) party {
	if id.User == "" {
		return party{hub: id.Hub, connection: id.ID}
	}
	return party{hub: id.Hub, user: id.User}
}

// maxIdleGates bounds the gates that nobody uses: origins can come from names
// that clients choose.
const maxIdleGates = 256

// originGate hands out the places of one origin. A party may take a place while
// it has fewer than are free, and its first one while any is free: alone it gets
// half of them, two get a third each, and however many call, one more that has
// none finds a place. A party whose webhooks hang so makes only itself wait.
// Guarded by originGates.mu.
type originGate struct {
	free    int
	parties map[party]*guest
	// waiting are the parties with callers in line. They take turns.
	waiting []*guest
}

// guest is a party that has places or waits for one.
type guest struct {
	party party
	held  int
	line  []chan struct{} // one for each caller; closed when its turn has come
}

// enter waits for a turn at the origin, at most until ctx ends. The turn ends
// when leave is called. The turns of one party are in the order in which it asked.
func (g *originGates) enter(ctx context.Context, key gateKey, p party) (leave func(), err error) {
	g.mu.Lock()
	gate := g.gate(key)
	guest := gate.guest(p)
	leave = func() { g.leave(key, gate, guest) }
	if len(guest.line) == 0 && gate.admits(guest) {
		gate.admit(guest)
		g.mu.Unlock()
		return leave, nil
	}
	turn := make(chan struct{})
	if guest.line = append(guest.line, turn); len(guest.line) == 1 {
		gate.waiting = append(gate.waiting, guest)
	}
	g.mu.Unlock()
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(guest.line, turn)
	if i >= 0 {
		guest.line = slices.Delete(guest.line, i, i+1)
		gate.forget(guest)
		g.clean(key, gate)
	}
	g.mu.Unlock()
	if i < 0 {
		leave() // The turn came at the same moment.
	}
	return nil, context.Cause(ctx)
}

func (g *originGates) gate(key gateKey) *originGate {
	gate := g.gates[key]
	if gate == nil {
		if g.gates == nil {
			g.gates = make(map[gateKey]*originGate)
		}
		gate = &originGate{free: key.bound, parties: make(map[party]*guest)}
		g.gates[key] = gate
	}
	return gate
}

func (g *originGates) leave(key gateKey, gate *originGate, guest *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	guest.held--
	gate.free++
	gate.forget(guest)
	for gate.next() {
	}
	g.clean(key, gate)
}

// clean drops a gate that nobody uses if there are many.
func (g *originGates) clean(key gateKey, gate *originGate) {
	if len(gate.parties) == 0 && len(g.gates) > maxIdleGates {
		delete(g.gates, key)
	}
}

func (o *originGate) guest(p party) *guest {
	one := o.parties[p]
	if one == nil {
		one = &guest{party: p}
		o.parties[p] = one
	}
	return one
}

// forget drops a guest that has no place, and takes one that no longer waits
// out of the turns.
func (o *originGate) forget(one *guest) {
	if len(one.line) > 0 {
		return
	}
	if i := slices.Index(o.waiting, one); i >= 0 {
		o.waiting = slices.Delete(o.waiting, i, i+1)
	}
	if one.held == 0 {
		delete(o.parties, one.party)
	}
}

func (o *originGate) admits(one *guest) bool {
	return o.free > one.held || o.free > 0 && one.held == 0
}

func (o *originGate) admit(one *guest) {
	o.free--
	one.held++
}

// next gives a place to the first party in turn that may have one, and reports
// whether there was one. Those that are passed over hold places, so there are
// no more of them than places.
func (o *originGate) next() bool {
	i := slices.IndexFunc(o.waiting, o.admits)
	if i < 0 {
		return false
	}
	one := o.waiting[i]
	o.waiting = slices.Delete(o.waiting, i, i+1)
	o.admit(one)
	close(one.line[0])
	if one.line = one.line[1:]; len(one.line) > 0 {
		o.waiting = append(o.waiting, one)
	}
	return true
}
