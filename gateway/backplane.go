package gateway

import "context"

// Backplane reaches the other nodes. It is the second of the two seams of the
// gateway. Commands of one node arrive at each other node in the order of
// their Publish calls, and never at the node that published them.
type Backplane interface {
	// Publish hands a Command to every other node and does not wait for them.
	Publish(ctx context.Context, cmd *Command) error
	// Join makes a node a member: commands of others reach it until leave is called.
	Join(n Node) (leave func(), err error)
}

// Asker is the optional ability of a Backplane to collect answers.
type Asker interface {
	// Ask hands a Command to every other node and returns the sum of their
	// results. Its order with Publish is kept. The context bounds the wait; a
	// node that does not answer in time makes an error.
	Ask(ctx context.Context, cmd *Command) (Result, error)
}

// Node is what a Backplane sees of a gateway.
type Node interface {
	// Name is the node's tag, as in its connection ids.
	Name() string
	// Apply carries a Command out on this node alone, without publishing it.
	Apply(ctx context.Context, cmd *Command) (Result, error)
}
