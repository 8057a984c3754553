package gateway

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Do carries a command out on all nodes. It is the one path of every verb,
// whoever asks. A send is queued and not waited for; every other verb has been
// applied when Do returns, and Result counts the connections it found.
//
// Errors: ErrTooManyGroups for a join that no connection had room for, ErrHubBusy for a send while too many bytes wait for the hub's
// clients, the context's error, and what the backplane reports.
func (g *Gateway) Do(ctx context.Context, cmd *Command) (Result, error) {
	if cmd.Verb == VerbSend {
		if err := g.admitSend(cmd); err != nil {
			return Result{}, err
		}
	}
	r, err := g.Apply(ctx, cmd)
	if err == nil && g.opts.Backplane != nil {
		r, err = g.elsewhere(ctx, cmd, r)
	}
	if cmd.Verb == VerbList {
		r.Members = cmd.Page.cut(r.Members)
	}
	return r, err
}

// Start is Do for callers that must not wait but whose commands have to keep
// their order: the command is queued when Start returns, so that what the
// caller does next comes behind it, and answered is called once with what Do
// would have returned. It may be called before Start returns, or later by a
// worker, and must not block. With a Backplane that is an Asker, Start waits
// for the other nodes.
func (g *Gateway) Start(ctx context.Context, cmd *Command, answered func(Result, error)) {
	if cmd.Verb == VerbSend {
		answered(g.Do(ctx, cmd))
		return
	}
	if g.opts.Backplane == nil {
		g.startHere(cmd, func(matched int) { answered(Result{Matched: matched}, nil) })
		return
	}
	// Both halves are counted: the last one to be there answers.
	var both struct {
		left atomic.Int32
		sum  atomic.Int64
		err  error
	}
	both.left.Store(2)
	half := func(matched int) {
		both.sum.Add(int64(matched))
		if both.left.Add(-1) == 0 {
			answered(Result{Matched: int(both.sum.Load())}, both.err)
		}
	}
	g.startHere(cmd, half)
	there, err := g.elsewhere(ctx, cmd, Result{})
	both.err = err
	half(there.Matched)
}

// startHere queues a command on this node and calls then with what it matched.
func (g *Gateway) startHere(cmd *Command, then func(matched int)) {
	h := g.hubs.get(cmd.Hub)
	if h == nil {
		then(0)
		return
	}
	answer := newAnswer()
	answer.then = then
	g.begin(h, cmd, answer)
	answer.done(0)
}

// Force is Do for a send that has waited long enough: the bounds of D12 do not
// refuse it. Whoever uses it has to see to it that such sends are rare.
func (g *Gateway) Force(ctx context.Context, cmd *Command) error {
	if _, err := g.Apply(ctx, cmd); err != nil || g.opts.Backplane == nil {
		return err
	}
	return g.opts.Backplane.Publish(ctx, cmd)
}

// elsewhere carries a command out on the other nodes and adds their results.
func (g *Gateway) elsewhere(ctx context.Context, cmd *Command, here Result) (Result, error) {
	if cmd.Verb != VerbSend {
		if asker, ok := g.opts.Backplane.(Asker); ok {
			there, err := asker.Ask(ctx, cmd)
			here.Add(there)
			return here, err
		}
	}
	return here, g.opts.Backplane.Publish(ctx, cmd)
}

// maxBacklog bounds the bytes of sends that wait for the workers, over all
// hubs. They are shared by all receivers, unlike what waits in outboxes.
const maxBacklog = 64 << 20

// errBacklog is ErrHubBusy, with what was behind.
var errBacklog = fmt.Errorf("%w: the workers are behind", ErrHubBusy)

func (g *Gateway) admitSend(cmd *Command) error {
	if g.backlog.Load() > maxBacklog {
		return errBacklog
	}
	h := g.hubs.get(cmd.Hub)
	if h != nil && h.queuedBytes() > g.opts.Limits().HubQueuedBytes {
		return ErrHubBusy
	}
	return nil
}

// Apply carries a command out on this node alone. The backplane calls it with
// the commands of other nodes.
func (g *Gateway) Apply(ctx context.Context, cmd *Command) (Result, error) {
	h := g.hubs.get(cmd.Hub)
	if h == nil {
		return Result{}, nil // a hub without clients: nothing to do, nothing created
	}
	if cmd.Verb == VerbSend {
		g.applySend(h, cmd)
		return Result{}, nil
	}
	answer := newAnswer()
	g.begin(h, cmd, answer)
	return answer.wait(ctx)
}

// begin queues a command for the workers it concerns.
func (g *Gateway) begin(h *hub, cmd *Command, answer *answer) {
	if cmd.Verb == VerbClose {
		answer.matched.Add(int64(g.closeUnopened(h, cmd)))
	}
	h.plan(cmd.Target, func(to *receivers) {
		op := &verbOp{cmd: cmd, to: *to, answer: answer}
		if cmd.Verb == VerbJoin {
			op.group = h.groups.pin(cmd.Group, to.shard.worker.index)
		}
		answer.add()
		to.shard.worker.queue.push(op)
	})
}

func (g *Gateway) applySend(h *hub, cmd *Command) {
	size := cmd.Frames.Size()
	h.plan(cmd.Target, func(to *receivers) {
		g.backlog.Add(int64(size))
		to.shard.worker.queue.push(&sendOp{to: *to, frames: cmd.Frames, size: size, backlog: &g.backlog})
	})
}

// closeUnopened closes named connections that are still before their
// handshake: they are no receivers yet, but a close must not miss them.
func (g *Gateway) closeUnopened(h *hub, cmd *Command) (closed int) {
	if cmd.Target.Kind != TargetConnections {
		return 0
	}
	for _, id := range cmd.Target.IDs {
		if c, dead := g.conns.lookup(id); c != nil && !dead && c.hub == h && !c.announced.Load() {
			c.Close(cmd.Cause)
			closed++
		}
	}
	return closed
}
