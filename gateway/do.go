package gateway

import (
	"context"
	"fmt"
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
	here, err := g.Apply(ctx, cmd)
	if err != nil || g.opts.Backplane == nil {
		return here, err
	}
	return g.elsewhere(ctx, cmd, here)
}

// elsewhere carries a command out on the other nodes and adds their results.
func (g *Gateway) elsewhere(ctx context.Context, cmd *Command, here Result) (Result, error) {
	if cmd.Verb != VerbSend {
		if asker, ok := g.opts.Backplane.(Asker); ok {
			there, err := asker.Ask(ctx, cmd)
			return Result{Matched: here.Matched + there.Matched}, err
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
	return g.begin(h, cmd).wait(ctx)
}

// begin queues a command for the workers it concerns.
func (g *Gateway) begin(h *hub, cmd *Command) *answer {
	answer := newAnswer()
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
	return answer
}

func (g *Gateway) applySend(h *hub, cmd *Command) {
	size := int64(cmd.Frames.Size())
	h.plan(cmd.Target, func(to *receivers) {
		g.backlog.Add(size)
		to.shard.worker.queue.push(&sendOp{to: *to, frames: cmd.Frames, backlog: &g.backlog})
	})
}

// closeUnopened closes named connections that are still before their
// handshake: they are no receivers yet, but a close must not miss them.
func (g *Gateway) closeUnopened(h *hub, cmd *Command) (closed int) {
	if cmd.Target.Kind != TargetConnections {
		return 0
	}
	for _, id := range cmd.Target.IDs {
		if c, dead := g.conns.lookup(id); c != nil && !dead && c.hub == h && !c.isOpen() {
			c.Close(cmd.Cause)
			closed++
		}
	}
	return closed
}
