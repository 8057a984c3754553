package gateway

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// missing are the connections that are in no group of their user's, since the store did not answer when
// they came. They join when it does.
type missing struct {
	mu    sync.Mutex
	conns map[*Conn]struct{}
	// asking: a goroutine asks the store.
	asking bool
}

func (m *missing) add(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conns == nil {
		m.conns = make(map[*Conn]struct{})
	}
	m.conns[c] = struct{}{}
}

func (m *missing) has(c *Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.conns[c]
	return ok
}

// askAgain has the store asked again for connections that miss their groups. The sweeper calls it.
func (g *Gateway) askAgain() {
	m := &g.standing
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.conns) == 0 || m.asking {
		return
	}
	m.asking = true
	list := slices.Collect(maps.Keys(m.conns))
	g.ending.wg.Go(func() {
		for _, c := range list {
			state := c.life.state()
			if state.may(idAlive) && !state.may(mayHear) {
				continue // it has its turn when it is a receiver
			}
			if state.may(idAlive) && !g.joinLate(c) {
				break // the next one would wait as long
			}
			m.mu.Lock()
			delete(m.conns, c)
			m.mu.Unlock()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.asking = false
	})
}

// joinLate has a connection join the groups of its user. It reports false if the store does not answer.
func (g *Gateway) joinLate(c *Conn) bool {
	ctx, cancel := context.WithTimeout(context.Background(), standingTimeout)
	defer cancel()
	go func() {
		select {
		case <-g.ending.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	joined := make(map[string]bool)
	// A membership that ends between the list and the join is not in the next list.
	for range 2 {
		list, err := g.opts.UserGroups.List(ctx, c.id.Hub, c.id.User)
		if err != nil {
			return false
		}
		stay := make(map[string]bool, len(list))
		for _, s := range list {
			stay[s.Group] = true
			if !joined[s.Group] {
				joined[s.Group] = true
				g.change(ctx, c, VerbJoin, s.Group, Membership{ByUser: true, Until: s.Until})
			}
		}
		for group := range joined {
			if !stay[group] {
				delete(joined, group)
				g.change(ctx, c, VerbLeave, group, Membership{ByUser: true})
			}
		}
	}
	return true
}

// change changes a membership of one connection of this node.
func (g *Gateway) change(ctx context.Context, c *Conn, verb Verb, group string, m Membership) {
	done := make(chan struct{})
	g.Apply(&Command{Hub: c.id.Hub, Verb: verb, Group: group, Membership: m, Target: Target{Kind: TargetConnections, IDs: []string{c.id.ID}}},
		func(Result, error) { close(done) })
	select {
	case <-done:
	case <-ctx.Done():
	}
}
