package gateway

import (
	"context"
	"errors"
)

// ErrNoNode is the error of who wants something from a node that there is not, or not any more.
var ErrNoNode = errors.New("there is no such node")

// Backplane reaches the other nodes. It is the second of the two seams of the gateway. Commands of
// one node arrive at each other node in the order of its calls of Publish and Ask, and never at the
// node that sent them. Commands of two nodes may arrive at two others in different order. What is
// carried between processes is in the form of AppendCommand and AppendResult.
//
// The names in to are those of the nodes that a command concerns; nil means all others. A name that
// is not a member's is passed over.
type Backplane interface {
	// Publish hands a Command to other nodes. It does not wait for them and does not block.
	Publish(ctx context.Context, to []string, cmd *Command) error
	// Join makes a node a member: commands of others reach it until leave is called.
	Join(n Node) (leave func(), err error)
}

// Asker is the optional ability of a Backplane to collect answers.
type Asker interface {
	// Ask hands a Command to other nodes and returns at once. Answered is called once with the sum
	// of their results, before Ask returns or later by another goroutine; it does not block. The
	// context bounds the wait; an Asker sets a bound of its own if the context has none. A node that
	// does not answer in time makes an error.
	Ask(ctx context.Context, to []string, cmd *Command, answered func(Result, error))
}

// Node is what a Backplane sees of a gateway.
type Node interface {
	// Name is the node's tag, as in its connection ids.
	Name() string
	// Apply carries a Command out on this node alone, without publishing it. It does not wait: the
	// command is queued when Apply returns, so that commands keep the order of the calls. Answered,
	// which may be nil, is called once with the result, before Apply returns or later by a worker,
	// and must not block.
	Apply(cmd *Command, answered func(Result, error))
}
