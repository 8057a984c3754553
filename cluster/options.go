package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// Options are what a Backplane is made of.
type Options struct {
	// Tag is the node's name in connection ids, at most 12 letters, digits, hyphens and underscores.
	Tag string
	// Cluster names the cluster. Nodes of another one are refused.
	Cluster string
	// Secret is the cluster's: nodes that have another one are refused, and filters are keyed with
	// it.
	Secret []byte
	// Previous is a secret that is accepted beside Secret, and proven to those that have no other:
	// for the time in which nodes change from one to the next. Empty is none.
	Previous []byte
	// Carrier takes packets to the other nodes. It is this node's alone.
	Carrier Carrier
	// Everything: the core does not announce names, and all commands are sent here.
	Everything bool
	// Software is the program's version, for those who look at the cluster.
	Software string
	// Logger receives a line when a peer comes or goes; nil discards.
	Logger *slog.Logger
	// Ended is called once if the node must not go on, with the reason, such as ErrNameInUse. Nil
	// is nobody.
	Ended func(error)
	// Isolated is called when the node becomes isolated, and when it is not any more: another node
	// lives with which it has no link, and this one is the younger of the two. Nil is nobody.
	Isolated func(bool)
	// Died reports whether the machine of the node with a tag says that its process has ended. It is asked when the
	// Carrier finds the node absent. It may take as long as the context lasts, and be called for several nodes at
	// once. Nil is nobody who knows: such a node is gone when it has been silent for five seconds.
	Died func(ctx context.Context, tag string) bool
	// Expects returns the tags of nodes that a node which has just begun waits for, a few seconds: see Agreed. They may
	// be all, and this one among them. It is called often, and must not block. Nil is nobody.
	Expects func() []string
	// Limits bound what is kept for peers; zero is DefaultLimits.
	Limits Limits
}

// Limits bound what a node keeps for each of its peers.
type Limits struct {
	// Window is how many bytes are sent to a peer and not acknowledged. All peers together have no
	// more than AllWindows at a node, so that with many peers each has less.
	Window, AllWindows int
	// Queue is how many bytes wait for a peer behind them. Commands beyond are dropped.
	Queue int
	// Packet is the size of packets, the Carrier's limit at most.
	Packet int
	// Frame is the largest command or answer that the node takes.
	Frame int
	// Answer is how long a question waits for its answers.
	Answer time.Duration
	// Settle is how long Join waits for the word that the name of the node is in use.
	Settle time.Duration
}

// DefaultLimits are the limits that clusters are meant for.
func DefaultLimits() Limits {
	return Limits{
		Window:     4 << 20,
		AllWindows: 48 << 20,
		Queue:      16 << 20,
		Packet:     64 << 10,
		Frame:      64<<20 + 64<<10,
		Answer:     5 * time.Second,
		Settle:     250 * time.Millisecond,
	}
}

// minPacket is the smallest packet that works.
const minPacket = 1 << 10

// fill checks options and fills in what is left out.
func (o *Options) fill() error {
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Ended == nil {
		o.Ended = func(error) {}
	}
	if o.Expects == nil {
		o.Expects = func() []string { return nil }
	}
	if o.Isolated == nil {
		o.Isolated = func(bool) {}
	}
	switch {
	case !validTag(o.Tag):
		return fmt.Errorf("cluster: the tag %q of a node must have 1 to %d letters, digits, hyphens and underscores", o.Tag, maxTag)
	case len(o.Cluster) > maxName || len(o.Software) > maxName:
		return fmt.Errorf("cluster: names must have at most %d bytes", maxName)
	case o.Carrier == nil:
		return errors.New("cluster: no carrier")
	case o.Limits.Packet < minPacket || o.Limits.Frame < minPacket || o.Limits.Window < minPacket || o.Limits.Queue < 0:
		return fmt.Errorf("cluster: limits below %d bytes", minPacket)
	}
	return nil
}

var (
	// ErrNameInUse ends a node whose name another node has that lives.
	ErrNameInUse = errors.New("cluster: another node has this name")
	// ErrIncomplete is gateway.ErrIncomplete: nodes did not answer a question in time. It is wrapped
	// with their names.
	ErrIncomplete = gateway.ErrIncomplete
	// errLeft refuses what comes after a node has left.
	errLeft = errors.New("cluster: the node has left")
)
