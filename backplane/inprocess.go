// Package backplane connects the nodes of a cluster.
package backplane

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/hubgate/hubgate/gateway"
)

// InProcess connects gateways of one process, for tests and for programs that
// embed several. Commands are handed over as they are.
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

// Publish implements gateway.Backplane. Sends are queued by the nodes
// themselves, so the order of calls is the order of arrival.
func (p *port) Publish(ctx context.Context, cmd *gateway.Command) error {
	_, err := p.Ask(ctx, cmd)
	return err
}

// Ask implements gateway.Asker.
func (p *port) Ask(ctx context.Context, cmd *gateway.Command) (gateway.Result, error) {
	p.mu.RLock()
	nodes := slices.Clone(p.nodes)
	p.mu.RUnlock()
	var sum gateway.Result
	var errs []error
	for _, n := range nodes {
		if n.Name() == p.node {
			continue
		}
		r, err := n.Apply(ctx, cmd)
		sum.Add(r)
		errs = append(errs, err)
	}
	return sum, errors.Join(errs...)
}
