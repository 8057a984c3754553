package gateway

import (
	"context"
	"fmt"
	"slices"
)

// Do carries a command out on all nodes and waits until it has been applied. It is the one path of
// every verb, whoever asks. A send is queued and not waited for; for every other verb Result counts
// the connections it found.
//
// Errors: ErrTooManyGroups for a join that no connection had room for, ErrHubBusy for a send while
// too many bytes wait for the hub's clients, the context's error, and what the backplane reports.
func (g *Gateway) Do(ctx context.Context, cmd *Command) (Result, error) {
	type outcome struct {
		result Result
		err    error
	}
	if cmd.Verb == VerbSend {
		return Result{}, g.send(ctx, cmd)
	}
	ready := make(chan outcome, 1)
	g.Start(ctx, cmd, func(r Result, err error) { ready <- outcome{r, err} })
	select {
	case o := <-ready:
		return o.result, o.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// Start is Do for callers that must not wait but whose commands have to keep their order: the
// command is queued, here and on its way to the other nodes, when Start returns, so that what the
// caller does next comes behind it. Answered is called once with what Do would have returned,
// before Start returns or later by another goroutine, and must not block. The context bounds the
// wait for other nodes.
func (g *Gateway) Start(ctx context.Context, cmd *Command, answered func(Result, error)) {
	if cmd.Verb == VerbSend {
		answered(Result{}, g.send(ctx, cmd))
		return
	}
	a := newAnswer(cmd.Page, g.followVerb(cmd, answered))
	a.any = cmd.Any
	g.everywhere(ctx, cmd, a)
	a.done(Result{}, nil)
}

// everywhere queues a command here and on its way to the other nodes, at one point of the stream of
// commands (moves.order).
func (g *Gateway) everywhere(ctx context.Context, cmd *Command, a *answer) {
	if g.moves.on {
		g.moves.order.RLock()
		defer g.moves.order.RUnlock()
	}
	g.begin(cmd, a)
	g.elsewhere(ctx, cmd, a)
}

// Apply carries a command out on this node alone. The backplane calls it with the commands of other
// nodes. It does not wait: the command is queued when Apply returns, and answered, which may be
// nil, is called once as by Start.
func (g *Gateway) Apply(cmd *Command, answered func(Result, error)) {
	if cmd.Verb == VerbSend && answered == nil {
		g.here(cmd, nil)
		return
	}
	a := newAnswer(cmd.Page, g.followVerb(cmd, answered))
	if cmd.Verb == VerbSend { // of Receipt
		cmd = cmd.reporting(a)
	}
	g.here(cmd, a)
	a.done(Result{}, nil)
}

// here queues a command of another node.
func (g *Gateway) here(cmd *Command, a *answer) {
	if g.moves.on {
		g.moves.order.RLock()
		defer g.moves.order.RUnlock()
	}
	if cmd.Verb == VerbSend {
		g.sendHere(cmd)
		return
	}
	g.begin(cmd, a)
}

// send queues a send on all nodes, or refuses it.
func (g *Gateway) send(ctx context.Context, cmd *Command) error {
	if err := g.admitSend(cmd); err != nil {
		return err
	}
	return g.Force(ctx, cmd)
}

// Force is Do for a send that has waited long enough: the bounds of D12 do not refuse it. Whoever
// uses it has to see to it that such sends are rare.
func (g *Gateway) Force(ctx context.Context, cmd *Command) error {
	if g.moves.on {
		g.moves.order.RLock()
		defer g.moves.order.RUnlock()
	}
	g.sendHere(cmd)
	if to, others := g.others(cmd); others {
		return g.opts.Backplane.Publish(ctx, to, cmd)
	}
	return nil
}

// elsewhere asks the other nodes to carry a command out. What is refused here may be possible
// there: they are asked in any case.
func (g *Gateway) elsewhere(ctx context.Context, cmd *Command, a *answer) {
	to, others := g.others(cmd)
	if !others {
		return
	}
	a.add()
	switch {
	case cmd.Any && g.plane.finder != nil:
		g.plane.finder.Exists(ctx, to, cmd, a.done)
	case g.plane.asker != nil:
		g.plane.asker.Ask(ctx, to, cmd, a.done)
	default:
		a.done(Result{}, g.opts.Backplane.Publish(ctx, to, cmd))
	}
}

// others says which other nodes a command concerns: those that own the connections it names, or,
// with to nil, all. Others is false if it concerns this node only.
func (g *Gateway) others(cmd *Command) (to []string, others bool) {
	if g.opts.Backplane == nil {
		return nil, false
	}
	if cmd.Target.Kind != TargetConnections || g.opts.NodeOf == nil || g.plane.announcer != nil {
		return nil, true // where there is an Announcer, it knows better
	}
	for _, id := range cmd.Target.IDs {
		node := g.opts.NodeOf(id)
		switch {
		case node == "":
			return nil, true // it may live anywhere
		case node != g.opts.Node && !slices.Contains(to, node):
			to = append(to, node)
		}
	}
	return to, len(to) > 0
}

// maxBacklog bounds the bytes of sends that wait for the workers, over all
// hubs. They are shared by all receivers, unlike what waits in outboxes.
const maxBacklog = 64 << 20

// errBacklog is ErrHubBusy, with what was behind.
var errBacklog = fmt.Errorf("%w: the workers are behind", ErrHubBusy)

func (g *Gateway) admitSend(cmd *Command) error {
	if g.Busy() {
		return errBacklog
	}
	h := g.hubs.get(cmd.Hub)
	if h != nil && h.queuedBytes() > g.opts.Limits().HubQueuedBytes {
		return ErrHubBusy
	}
	if g.plane.admitter != nil {
		if to, others := g.others(cmd); others {
			return g.plane.admitter.Admit(to, cmd)
		}
	}
	return nil
}

// begin queues a command for the workers it concerns.
func (g *Gateway) begin(cmd *Command, a *answer) {
	if g.moves.count.Load() > 0 {
		cmd = g.moves.route(cmd, a)
	}
	h := g.hubs.get(cmd.Hub)
	if h == nil {
		return // a hub without clients: nothing to do, nothing created
	}
	if cmd.Verb == VerbClose {
		a.add()
		a.done(Result{Matched: g.closeUnopened(h, cmd)}, nil)
	}
	h.plan(cmd.Target, func(to receivers) {
		op := &verbOp{cmd: cmd, to: to, answer: a}
		if cmd.Verb == VerbJoin {
			op.group = h.groups.pin(cmd.Group, to.shard.worker.index)
			a.await(op.group.notice.Load())
		}
		a.add()
		if !to.shard.worker.queue.push(op) {
			a.done(Result{}, errClosed)
		}
	})
}

func (g *Gateway) sendHere(cmd *Command) {
	follows := g.follow(cmd)
	defer follows.done(reach{})
	if g.moves.count.Load() > 0 {
		cmd = g.moves.route(cmd, nil)
	}
	h := g.hubs.get(cmd.Hub)
	if h == nil {
		g.unheard(cmd)
		return
	}
	parts, size := 0, cmd.Frames.Size()
	h.plan(cmd.Target, func(to receivers) {
		parts++
		follows.add()
		g.counts.backlog.Add(int64(size))
		op := &sendOp{to: to, frames: cmd.Frames, size: size, backlog: &g.counts.backlog, followed: follows}
		op.comes()
		if !to.shard.worker.queue.push(op) {
			op.done(g)
		}
	})
	if parts == 0 || cmd.Target.Kind == TargetAll && h.live.Load() == 0 {
		g.unheard(cmd)
	}
}

// unheard tells of a send without receivers; where there are other nodes they may have some.
func (g *Gateway) unheard(cmd *Command) {
	if g.opts.Backplane == nil {
		g.opts.Observer.Unheard(cmd)
	}
}

// closeUnopened closes named connections that are still before their
// handshake: they are no receivers yet, but a close must not miss them.
func (g *Gateway) closeUnopened(h *hub, cmd *Command) (closed int) {
	if cmd.Target.Kind != TargetConnections {
		return 0
	}
	for _, id := range cmd.Target.IDs {
		if c, dead := g.conns.lookup(id); c != nil && !dead && c.shard.hub == h && c.life.state() == attached {
			c.Close(cmd.Cause)
			closed++
		}
	}
	return closed
}
