package gateway

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// What a node has, for those who list it. The workers are only asked for what they own, a piece at a time, and
// for that they copy pointers: nothing is compared, sorted or encoded on them.

// Roll returns the open connections of a target on this node, in no order, and each once if the target names nobody twice;
// with a group, those that are in it. Other nodes are not asked. A connection that is there all the while is in it; one that comes or goes meanwhile may be. The error
// is the context's, or says that the gateway is closed.
func (g *Gateway) Roll(ctx context.Context, hub string, t Target, group string) ([]*Conn, error) {
	h := g.hubs.get(hub)
	if h == nil {
		return nil, ctx.Err()
	}
	var parts []*rollOp
	var asked sync.WaitGroup
	h.plan(t, func(to receivers) {
		op := &rollOp{ctx: ctx, walk: newWalk(to), group: group, asked: &asked}
		parts = append(parts, op)
		asked.Add(1)
		op.queue()
	})
	if err := await(ctx, &asked); err != nil {
		return nil, err
	}
	var all []*Conn
	for _, op := range parts {
		if op.err != nil {
			return nil, op.err
		}
		all = append(all, op.conns()...)
	}
	return all, nil
}

// await waits for workers, or for the context.
func await(ctx context.Context, asked *sync.WaitGroup) error {
	over := make(chan struct{})
	go func() {
		asked.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rollOp copies the connections of one worker. After each piece it goes to the end of the worker's queue.
type rollOp struct {
	ctx   context.Context
	walk  walk
	group string // "" is any
	// found are the connections, in pieces.
	found [][]*Conn
	err   error
	asked *sync.WaitGroup
}

func (o *rollOp) queue() {
	if !o.walk.of.shard.worker.queue.push(o) {
		o.err = errClosed
		o.asked.Done()
	}
}

func (o *rollOp) apply(*worker) {
	over := true
	defer func() {
		if over {
			o.asked.Done()
		} else {
			o.queue()
		}
	}()
	if o.err = o.ctx.Err(); o.err != nil {
		return // nobody waits any more
	}
	o.err = errFault // of a panic that is on its way up: whoever waits must not wait forever
	piece, more := o.walk.step()
	if o.group != "" {
		piece = slices.DeleteFunc(piece, func(c *Conn) bool { return c.membership(o.group) == nil })
	}
	o.found, o.err = append(o.found, piece), nil
	over = !more
}

// conns are the connections that were found. One that a walk comes upon twice, or that is in two of the target's
// groups, is there once.
func (o *rollOp) conns() []*Conn {
	all := slices.Concat(o.found...)
	if len(o.found) == 1 && len(o.walk.of.groups) < 2 {
		return all
	}
	seen := make(map[*Conn]struct{}, len(all))
	return slices.DeleteFunc(all, func(c *Conn) bool {
		_, again := seen[c]
		seen[c] = struct{}{}
		return again
	})
}

// InGroups are the groups of a connection.
type InGroups struct {
	// Names are the first ones in no order; Count is how many there are.
	Names []string
	Count int
}

// groupsAtATime is how many connections a worker looks at before others have their turn.
const groupsAtATime = 128

// GroupsOf returns the groups of connections of one hub on this node, with at most so many names of each.
// It is as long as conns. The error is the context's, or says that the gateway is closed.
func (g *Gateway) GroupsOf(ctx context.Context, conns []*Conn, most int) ([]InGroups, error) {
	all := make([]InGroups, len(conns))
	byWorker := make(map[*worker][]int)
	for i, c := range conns {
		byWorker[c.shard.worker] = append(byWorker[c.shard.worker], i)
	}
	var asked sync.WaitGroup
	for w, mine := range byWorker {
		for len(mine) > 0 {
			n := min(len(mine), groupsAtATime)
			op := &namesOp{conns: conns, which: mine[:n], most: most, all: all, asked: &asked}
			mine = mine[n:]
			asked.Add(1)
			if !w.queue.push(op) {
				asked.Done()
				return nil, errClosed
			}
		}
	}
	if err := await(ctx, &asked); err != nil {
		return nil, err
	}
	return all, nil
}

// namesOp copies the names of groups of some connections of one worker.
type namesOp struct {
	conns []*Conn
	which []int
	most  int
	// all has a place for each of conns: this op fills those of which.
	all   []InGroups
	asked *sync.WaitGroup
}

func (o *namesOp) apply(*worker) {
	defer o.asked.Done()
	for _, i := range o.which {
		groups := o.conns[i].place.groups
		in := InGroups{Count: len(groups)}
		for _, m := range groups[:min(len(groups), o.most)] {
			in.Names = append(in.Names, m.group.name)
		}
		o.all[i] = in
	}
}

// GiveWay lets messages go first: if a worker has something to do it waits for so long, else other goroutines get
// their turn. Who goes through a long list calls it after each piece, with ten times what the piece took or so: then
// messages are late by a tenth at most, also where there are as many workers as processors.
func (g *Gateway) GiveWay(rest time.Duration) {
	for _, w := range g.workers {
		if w.queue.busy() {
			time.Sleep(rest)
			return
		}
	}
	runtime.Gosched()
}

// Since returns when the client connected, here or to the node that has handed it over, in whole milliseconds: two
// clocks are read, and what lies between the readings is not told.
func (c *Conn) Since() time.Time {
	return time.Now().Add(-time.Duration(c.g.now() - c.born)).Round(time.Millisecond)
}

const (
	// namesAtATime is how many names are visited before the lock of their table is given up for a moment.
	namesAtATime = 256
	// restEvery is how many names are visited before messages go first, for nameRest.
	restEvery = 16 * namesAtATime
	nameRest  = 2 * time.Millisecond
)

// EachUser visits the names of users who have connections to a hub on this node, in no order. A user who
// is there all the while is visited once. A short lock is held during visit, which must not call the gateway.
func (g *Gateway) EachUser(hub string, visit func(user string)) {
	h := g.hubs.get(hub)
	if h == nil {
		return
	}
	p := pauses{g: g}
	for i := range h.users.stripes {
		s := &h.users.stripes[i]
		s.mu.RLock()
		visitPausing(&p, s.heads, &s.mu, visit)
		s.mu.RUnlock()
	}
}

// UserConnections counts the connections of a user on this node, those before their handshake's answer included.
func (g *Gateway) UserConnections(hub, user string) (n int) {
	h := g.hubs.get(hub)
	if h == nil {
		return 0
	}
	s := h.users.stripe(user)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := s.heads[user]; c != nil; c = c.link.userNext {
		n++
	}
	return n
}

// EachGroup is EachUser for groups. It visits groups without members too, which somebody is about to join.
func (g *Gateway) EachGroup(hub string, visit func(group string)) {
	h := g.hubs.get(hub)
	if h == nil {
		return
	}
	h.groups.mu.RLock()
	defer h.groups.mu.RUnlock()
	visitPausing(&pauses{g: g}, h.groups.groups, &h.groups.mu, visit)
}

// GroupConnections counts the members of a group on this node.
func (g *Gateway) GroupConnections(hub, group string) (n int) {
	h := g.hubs.get(hub)
	if h == nil {
		return 0
	}
	of := h.groups.get(group)
	if of == nil {
		return 0
	}
	for i := range of.shards {
		if s := of.shard(i); s != nil {
			n += int(s.size.Load())
		}
	}
	return n
}

// pauses are those of one walk over names.
type pauses struct {
	g    *Gateway
	seen int
}

// pause is called after each name, with the lock held for reading. Every now and then others get it.
func (p *pauses) pause(lock *sync.RWMutex) {
	if p.seen++; p.seen%namesAtATime != 0 {
		return
	}
	lock.RUnlock()
	defer lock.RLock()
	if p.seen%restEvery == 0 {
		p.g.GiveWay(nameRest)
	} else {
		runtime.Gosched()
	}
}

// visitPausing visits the names of a table, whose lock is held for reading, with pauses: a walk over a map goes on
// behind a change of it, and visits what is there all the while once.
func visitPausing[V any](p *pauses, table map[string]V, lock *sync.RWMutex, visit func(string)) {
	for name := range table {
		visit(name)
		p.pause(lock)
	}
}
