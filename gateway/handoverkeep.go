package gateway

import "sync"

// What a Backend sends to a connection that is handed over does not come by commands only. Backends of
// two nodes talk about it, and it has to stay in order with commands, so it is cut at the same point.

// Switching is a connection that is handed over, as all nodes are told.
type Switching struct {
	// Number is different for each hand-over.
	Number uint64
	// ID is the connection's, From and To are the tags of the nodes that have it now and then.
	ID, From, To string
}

// Follower is an optional ability of a Backend that sends to connections of other nodes by other ways
// than commands.
type Follower interface {
	// Switch is called at the point where this node cuts the stream of its commands for a hand-over. What
	// it sends from then on is for To; From wants it too, until Over, in case that the hand-over fails.
	// No command and no InOrder is under way on this node. Switch must not block, and must not call the
	// gateway.
	Switch(s Switching)
	// Over says what has become of a hand-over: the connection has moved, or it stays. It is not called
	// if the node that has the connection is gone before. It must not block.
	Over(number uint64, moved bool)
}

// InOrder calls do at one point of the stream of this node's commands: no stream is cut meanwhile. do must
// neither block nor carry out a command.
func (g *Gateway) InOrder(do func()) {
	if g.moves.on {
		g.moves.order.RLock()
		defer g.moves.order.RUnlock()
	}
	do()
}

// Aside calls a function whose sends to a connection come before all that waits for it.
type Aside func(send func())

// Keep keeps what a node has said about a connection that is handed over, if that comes behind the
// node's cut: do is called in order with the kept commands of that node, when this node has the
// connection, or never. It gets a function, aside, which calls another one: what that sends to the
// connection comes when do has returned, before all that waits for it. Nobody else may send meanwhile what must not
// come so early. from is "" for what this node says itself. It reports false if the connection is not handed over, or is here already:
// then do is the caller's to call. Whoever does that calls Keep and do by one InOrder: what comes then
// must not overtake what was kept.
func (g *Gateway) Keep(hub, id, from string, size int, do func(aside Aside)) (kept bool) {
	m := &g.moves
	if !m.on || m.count.Load() == 0 {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sieves[hub] {
		if s.conn.id.ID == id && s.phase != phaseHere && s.cut[from] {
			s.keepDoing(size, do)
			return true
		}
	}
	return false
}

// keepDoing is keep for what is no command. Called with moves.mu held.
func (s *sieve) keepDoing(size int, do func(Aside)) {
	if s.bytes += size; s.bytes > s.conn.g.opts.Limits().OutboxMaxBytes && len(s.kept) > 0 {
		s.over = true
		return
	}
	s.kept = append(s.kept, &keptCommand{do: do})
}

// After calls do behind everything that was queued for the connection before.
func (c *Conn) After(do func()) { c.push(&doOp{do}) }

// HandsOver reports whether Keep may keep anything at the moment.
func (g *Gateway) HandsOver() bool { return g.moves.count.Load() > 0 }

// doOp does something in order with what is sent to a connection.
type doOp struct{ do func() }

func (o *doOp) apply(*worker) { o.do() }

// diversion takes what is queued for a connection while its worker does something that comes before all
// that waits in its queue.
type diversion struct {
	mu   sync.Mutex
	over bool
	ops  []op
}

func (d *diversion) put(o op) (taken bool) {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.over {
		d.ops = append(d.ops, o)
	}
	return !d.over
}

func (d *diversion) end() []op {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	return d.ops
}

// push queues an op of the connection.
func (c *Conn) push(o op) bool {
	return c.channel.diverted.Load().put(o) || c.shard.worker.queue.push(o)
}

// doAside has do done. What is sent by its aside is carried out when do has returned, since that may call the
// session, and do may hold the session's lock. Nothing comes before it: all else waits for this worker.
func (w *worker) doAside(c *Conn, do func(Aside)) {
	var sent []op
	func() {
		defer w.survive()
		do(func(send func()) {
			d := new(diversion)
			c.channel.diverted.Store(d)
			defer func() {
				c.channel.diverted.Store(nil)
				sent = append(sent, d.end()...)
			}()
			send()
		})
	}()
	for _, o := range sent {
		w.applyGuarded(o)
	}
}
