// Package backplane connects the nodes of a cluster.
package backplane

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/gateway"
)

// InProcess connects gateways of one process, for tests and for programs that embed several. What
// it carries is written and read again as between processes.
type InProcess struct {
	mu    sync.RWMutex
	nodes []gateway.Node
}

// Join implements gateway.Backplane.
func (b *InProcess) Join(n gateway.Node) (leave func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.nodes, func(have gateway.Node) bool { return have.Name() == n.Name() }) {
		return nil, errors.New("backplane: a node named " + n.Name() + " is a member already")
	}
	b.nodes = append(b.nodes, n)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.nodes = slices.DeleteFunc(b.nodes, func(have gateway.Node) bool { return have == n })
	}, nil
}

// From returns the backplane as one node uses it.
func (b *InProcess) From(node string) gateway.Backplane { return &port{b, node} }

// port is one node's side: what it publishes does not come back to it.
type port struct {
	*InProcess
	node string
}

// others returns the members that a command is for.
func (p *port) others(to []string) []gateway.Node {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var list []gateway.Node
	for _, n := range p.nodes {
		if n.Name() != p.node && (to == nil || slices.Contains(to, n.Name())) {
			list = append(list, n)
		}
	}
	return list
}

// Publish implements gateway.Backplane. Nodes queue commands themselves, so the order of calls is
// the order of arrival.
func (p *port) Publish(_ context.Context, to []string, cmd *gateway.Command) error {
	var errs []error
	for _, n := range p.others(to) {
		errs = append(errs, carry(n, cmd, nil))
	}
	return errors.Join(errs...)
}

// Ask implements gateway.Asker. A gateway of the same process answers every command, so no bound of
// its own is needed.
func (p *port) Ask(ctx context.Context, to []string, cmd *gateway.Command, answered func(gateway.Result, error)) {
	q := &question{missing: 1, answered: answered}
	for _, n := range p.others(to) {
		q.add()
		if err := carry(n, cmd, q.part); err != nil {
			q.part(gateway.Result{}, err)
		}
	}
	stop := context.AfterFunc(ctx, func() { q.giveUp(ctx.Err()) })
	q.whenAnswered(func() { stop() })
	q.part(gateway.Result{}, nil)
}

// carry takes a command to a node, and its result back, in the form that they have on a wire.
func carry(n gateway.Node, cmd *gateway.Command, answered func(gateway.Result, error)) error {
	there, err := gateway.ParseCommand(gateway.AppendCommand(nil, cmd))
	if err != nil {
		return err
	}
	if answered == nil {
		n.Apply(there, nil)
		return nil
	}
	n.Apply(there, func(r gateway.Result, err error) {
		answered(gateway.ParseResult(gateway.AppendResult(nil, r, err)))
	})
	return nil
}

// question collects the answers of several nodes.
type question struct {
	mu       sync.Mutex
	missing  int
	sum      gateway.Result
	err      error
	answered func(gateway.Result, error) // nil when it was called
	then     func()
}

func (q *question) add() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.missing++
}

// whenAnswered sets what is done beside the answer.
func (q *question) whenAnswered(then func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.then = then
}

func (q *question) part(r gateway.Result, err error) {
	q.mu.Lock()
	q.sum.Add(r)
	if q.err == nil || errors.Is(q.err, gateway.ErrTooManyGroups) && err != nil {
		q.err = err // a refusal of one node says less than the failure of another
	}
	q.missing--
	if q.missing > 0 {
		q.mu.Unlock()
		return
	}
	q.answer(q.sum, q.err)
}

// giveUp answers without the nodes that are missing.
func (q *question) giveUp(err error) {
	q.mu.Lock()
	q.answer(q.sum, err)
}

// answer is called with mu held and releases it.
func (q *question) answer(r gateway.Result, err error) {
	answered, then := q.answered, q.then
	q.answered = nil
	q.mu.Unlock()
	if answered == nil {
		return
	}
	if then != nil {
		then()
	}
	answered(r, err)
}
