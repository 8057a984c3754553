// Package life has the application told of the end of each client once, even if the client's node
// dies. It keeps what a cluster has to remember for that in JetStream:
//
//   - the nodes that are alive, each of which renews a record of its own every few seconds (package
//     nodes); one that does not is claimed by another;
//   - the life log: which clients each node has (log.go). Whoever claims a node reads it;
//   - the outbox: the webhooks that are to be called for a dead node's clients, by any node.
//
// A node alone needs none of it.
package life

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Options describe a Node. JetStream, Tag and Send are required.
type Options struct {
	// JetStream is the engine that keeps everything. Prefix begins the names there; "" means "hg".
	JetStream jetstream.JetStream
	Prefix    string
	// Replicas is how many voters keep a copy; 0 means 1. Storage is files or memory.
	Replicas int
	Storage  jetstream.StorageType
	// Tag is the node's name in connection ids. Link is the incarnation under which the other nodes
	// have links with it: what they ask Members.Gone about.
	Tag, Link string
	// Lease is how long a node may not renew its record before the others give it up; 0 means 20 s.
	// With voters that may die it must not be less: they take 10 s to choose another leader.
	Lease time.Duration
	// Members says what is known of other nodes by other means; nil knows nobody.
	Members Members
	// Send calls the webhook for the end of a client, from its record. SendTime returns the longest
	// that it takes.
	Send     func(record []byte) error
	SendTime func() time.Duration
	// Lives asks all nodes whether a client lives; nil means that none does.
	Lives func(ctx context.Context, hub, id string) (bool, error)
	// Claimed is called when the others have given this node up, and have told the application that
	// its clients have ended: all have to be closed. It is not called for a node that died.
	Claimed func()
	// Isolated is called when the node reaches neither the store nor any other node, and when it does
	// again: it should have no clients meanwhile.
	Isolated func(bool)
	// Logger takes what cannot be returned; nil discards.
	Logger *slog.Logger
}

// Members says what a node knows of others without the store. Its methods may be called concurrently
// and do not wait.
type Members interface {
	// Gone says that a node, by its Options.Link, has not been heard of for so long that it may be
	// given up.
	Gone(link string) bool
	// Reached returns how many other nodes are heard of now.
	Reached() int
}

// Node is this node as the store knows it. It implements upstream.Life. All methods may be called
// concurrently.
type Node struct{ opts Options }

// New returns a Node that does nothing before Start.
func New(opts Options) (*Node, error) { return &Node{opts}, errors.ErrUnsupported }

// Start makes the node known. It does not wait for the store, which may come later.
func (n *Node) Start() {}

// Born implements upstream.Life.
func (n *Node) Born(ctx context.Context, hub, id string, record interface{ AppendRecord(dst []byte) []byte }) {
}

// Ending implements upstream.Life.
func (n *Node) Ending(ctx context.Context, id string, record interface{ AppendRecord(dst []byte) []byte }) (call bool) {
	return true
}

// Ended implements upstream.Life.
func (n *Node) Ended(id string) {}

// Close ends the node in order. Call it when the last webhook was called. If all clients have ended,
// nothing of the node is left in the store; else another node tells of those that are left.
func (n *Node) Close(ctx context.Context) error { return nil }
