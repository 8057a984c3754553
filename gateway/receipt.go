package gateway

import (
	"context"
	"time"
)

// Receipt is what had become of a send, in connections, when the fan-out was over on the nodes that have
// said so: Matched is Written, Queued and all that was dropped together. What is queued may be dropped later.
type Receipt struct {
	Matched, Written, Queued int
	// NoPayload, Slow, Closed and Fault were dropped, see DropReason.
	NoPayload, Slow, Closed, Fault int
	// Nodes have said so.
	Nodes int
}

func (r *Receipt) add(other *Receipt) {
	have, more := r.numbers(), other.numbers()
	for i := range have {
		*have[i] += *more[i]
	}
}

// numbers are all numbers, in the order in which nodes tell them each other.
func (r *Receipt) numbers() [8]*int {
	return [...]*int{&r.Nodes, &r.Matched, &r.Written, &r.Queued, &r.NoPayload, &r.Slow, &r.Closed, &r.Fault}
}

// Dropped are those that were dropped, by reason.
func (r *Receipt) Dropped() map[DropReason]int {
	return map[DropReason]int{
		DropNoPayloadForProtocol: r.NoPayload, DropSlowClient: r.Slow, DropConnectionClosed: r.Closed, DropFault: r.Fault,
	}
}

func receiptOf(s SendReport) Receipt {
	return Receipt{
		Matched: s.Matched, Written: s.Written, Queued: s.Queued, NoPayload: s.NoPayload, Slow: s.Slow, Closed: s.Closed,
		Fault: max(s.Dropped-s.NoPayload-s.Slow-s.Closed, 0), Nodes: 1,
	}
}

// Receipt is Do for a send whose caller wants to know what came of it. It waits until the fan-out is over on
// all nodes, or ctx ends: then whole is false, and the receipt is of the nodes that have answered. The message
// is on its way in any case, unless there is an error, which is one of Do.
func (g *Gateway) Receipt(ctx context.Context, cmd *Command) (r Receipt, whole bool, err error) {
	if err := g.admitSend(cmd); err != nil {
		return Receipt{}, false, err
	}
	type outcome struct {
		result Result
		err    error
	}
	ready := make(chan outcome, 1)
	a := newAnswer(Page{}, func(r Result, err error) { ready <- outcome{r, err} })
	g.sendReported(ctx, cmd, a)
	a.done(Result{}, nil)
	select {
	case o := <-ready:
		return o.result.Receipt, o.err == nil, nil
	case <-ctx.Done():
	}
	// Whoever asks the other nodes hears of the end of ctx too, and says what it has.
	late := time.NewTimer(lastWord)
	defer late.Stop()
	select {
	case o := <-ready:
		return o.result.Receipt, o.err == nil, nil
	case <-late.C:
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.result.Receipt, false, nil
	}
}

// lastWord is how long is waited for what is known of other nodes after the time is up.
const lastWord = 20 * time.Millisecond

// sendReported queues a send here and on its way to the other nodes, all of which say what came of it.
func (g *Gateway) sendReported(ctx context.Context, cmd *Command, a *answer) {
	if g.moves.on {
		g.moves.order.RLock()
		defer g.moves.order.RUnlock()
	}
	g.sendHere(cmd.reporting(a))
	g.elsewhere(ctx, cmd, a)
}

// reporting is the send, whose fan-out on this node is a part of the answer.
func (cmd *Command) reporting(a *answer) *Command {
	a.add()
	followed := *cmd
	followed.came = func(s SendReport) { a.done(Result{Receipt: receiptOf(s)}, nil) }
	return &followed
}
