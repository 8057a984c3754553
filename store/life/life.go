// Package life has the application told of the end of each client once, even if the client's node
// dies. It keeps what a cluster has to remember for that in JetStream:
//
//   - the nodes that are alive, each of which renews a record of its own every few seconds (package
//     nodes); one that does not is claimed by another;
//   - the life log: which clients each node has (log.go, writer.go). Whoever claims a node reads it
//     (bury.go);
//   - the outbox: the webhooks that are to be called for a dead node's clients, by any node (outbox.go).
//
// A node that cannot renew its record is fenced: the ends of its clients are held back (held.go).
// A node alone needs none of it.
package life

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/nodes"
	"github.com/hubgate/hubgate/store/stream"
)

// Options describe a Node. JetStream, Tag, Send and SendTime are required.
type Options struct {
	Store Store
	// Tag is the node's name in connection ids. Link is the incarnation under which the other nodes
	// have links with it: what they ask Members.Gone about. Software is the program's version.
	Tag, Link, Software string
	// Lease is how long a node may not renew its record before the others give it up; 0 means 20 s.
	// With voters that may die it must not be less: they take 10 s to choose another leader.
	Lease time.Duration
	// Settings and Unlike compare the settings of nodes, see nodes.Options; both or none may be nil.
	Settings func() map[string]string
	Unlike   func(own, other map[string]string) []string
	// Members says what is known of other nodes by other means; nil knows nobody.
	Members Members
	Webhook Webhook
	// Lives asks all nodes whether a client lives; nil means that none does.
	Lives func(ctx context.Context, hub, id string) (bool, error)
	// Claimed is called when the others have given this node up, and have told or will tell that its
	// clients have ended: all have to be closed. It must not wait for them.
	Claimed func()
	// Isolated is called when the node reaches neither the store nor any other node, and when it does
	// again: it should have no clients meanwhile. It must not wait. Nil: the node is alone, and never isolated.
	Isolated func(bool)
	// Beside is what others keep of nodes; nil for nothing.
	Beside Beside
	// Logger takes what cannot be returned; nil discards.
	Logger *slog.Logger
}

// Beside is what somebody else keeps of nodes, under the same lease. Its methods may be called concurrently.
type Beside interface {
	// TakeOver takes over what a dead node had to do. It is called again until there is no error, by this node
	// or another.
	TakeOver(ctx context.Context, inc string) error
	// TellEnds tells of the ends of clients of which only the beginning was taken over. It is called when that was
	// done for all dead nodes, before the ends that the life log knows of are told, and again until there is no error.
	TellEnds(ctx context.Context) error
	// Tell sees to it that the end of a dead node's client is told, from its record, in place of the outbox
	// of this package. It returns when that cannot be lost any more.
	Tell(ctx context.Context, record []byte) error
	// Abandon is called when this node was given up and begins anew under another name. It must not wait.
	Abandon(next string)
	// Left reports whether there is something of this node that others have to do when it has ended.
	Left() bool
}

// Store is where everything is kept.
type Store struct {
	JetStream jetstream.JetStream
	// Prefix begins the names there; "" means "hg".
	Prefix string
	// Replicas is how many voters keep a copy; 0 means 1.
	Replicas int
	// Storage is files or memory.
	Storage jetstream.StorageType
	// MaxBytes bounds what is stored: two thirds for the logs of all nodes, one for the outbox; 0 means
	// DefaultMaxBytes.
	MaxBytes int64
}

// DefaultMaxBytes is room for some hundred thousand clients, and for half as many whose end is to be
// told.
const DefaultMaxBytes = 384 << 20

// Webhook tells applications of the end of clients. All fields are required.
type Webhook struct {
	// Send calls the webhook for the end of a client, from its record, and waits for the answer. It is
	// called concurrently. Whatever the answer is, the application has been told.
	Send func(record []byte) error
	// Later is the error of Send that says that another node has to send it.
	Later error
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

const (
	defaultPrefix = "hg"
	// outboxLasts is how old entries of the outbox get, duplicates for how long it knows what was put
	// into it.
	outboxLasts = 24 * time.Hour
	duplicates  = 10 * time.Minute
	// flushTime bounds how long a node that ends waits for its log to be written.
	flushTime = 3 * time.Second
)

// Node is this node as the store knows it. It implements upstream.Life. All methods may be called
// concurrently.
type Node struct {
	opts   Options
	lease  *nodes.Lease
	log    *lifeLog
	buries *undertaker
	ends   *teller
	outbox *outbox
	counts *counts.Counts[Event]

	work, write ending // what ends first, and what ends last
}

// ending ends goroutines.
type ending struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func (e *ending) begin() { e.ctx, e.cancel = context.WithCancel(context.Background()) }

func (e *ending) end() {
	e.cancel()
	e.wg.Wait()
}

// New returns a Node that does nothing before Start.
func New(opts Options) *Node {
	opts = opts.filled()
	n := &Node{opts: opts, counts: counts.New(events)}
	n.work.begin()
	n.write.begin()
	n.lease = nodes.New(nodes.Options{
		JetStream: opts.Store.JetStream, Prefix: opts.Store.Prefix, Replicas: opts.Store.Replicas, Storage: opts.Store.Storage,
		Tag: opts.Tag, Link: opts.Link, Software: opts.Software, Lease: opts.Lease, Keeps: opts.Beside != nil, Settings: opts.Settings, Unlike: opts.Unlike, Logger: opts.Logger,
		Calls: nodes.Calls{
			Gone: opts.Members.Gone, Reached: opts.Members.Reached, Isolated: opts.Isolated,
			TakeOver: n.takeOver, Bury: n.bury,
			Claimed: func(_, next string) {
				n.log.abandon(next)
				if opts.Beside != nil {
					opts.Beside.Abandon(next)
				}
				opts.Claimed()
			},
		},
	})
	logs := stream.New(opts.Store.JetStream, opts.logStream())
	n.log = newLog(logs, logPrefix(opts.Store.Prefix), n.lease.Inc(), n.lease, n.counts)
	n.log.logger = opts.Logger
	box := stream.New(opts.Store.JetStream, opts.outboxStream())
	n.buries = &undertaker{
		inc: n.lease.Inc, logs: logs, prefix: n.log.writer.Prefix, outbox: box, subject: outboxPrefix(opts.Store.Prefix),
		lives: opts.Lives, fence: n.lease, counts: n.counts,
	}
	if opts.Beside != nil {
		n.buries.outbox, n.log.patience = instead{opts.Beside}, 0
	}
	n.ends = &teller{log: n.log, buries: n.buries, hook: opts.Webhook, beside: opts.Beside != nil, logger: opts.Logger}
	n.outbox = &outbox{
		js: opts.Store.JetStream, stream: box, name: opts.outboxStream().Name, send: opts.Webhook.Send, later: opts.Webhook.Later,
		lasts: entryTime, fence: n.lease, counts: n.counts, logger: opts.Logger, slots: make(chan struct{}, atOnce),
	}
	return n
}

func (n *Node) takeOver(ctx context.Context, inc string) error {
	if n.opts.Beside == nil {
		return nil
	}
	return n.opts.Beside.TakeOver(ctx, inc)
}

// bury tells of the ends of a dead node's clients.
func (n *Node) bury(ctx context.Context, inc string) error {
	if n.opts.Beside != nil {
		if err := n.opts.Beside.TellEnds(ctx); err != nil {
			return err
		}
	}
	return n.buries.bury(ctx, inc)
}

// instead is a Beside in place of the outbox.
type instead struct{ Beside }

func (instead) Ensure(context.Context) error { return nil }

func (t instead) Put(ctx context.Context, _, _ string, record []byte) error {
	return t.Tell(ctx, record)
}

// Inc is the present name of the node in the store, Fenced whether others may have given it up.
func (n *Node) Inc() string  { return n.lease.Inc() }
func (n *Node) Fenced() bool { return n.lease.Fenced() }

func (o Options) filled() Options {
	if o.Store.Prefix == "" {
		o.Store.Prefix = defaultPrefix
	}
	if o.Store.MaxBytes <= 0 {
		o.Store.MaxBytes = DefaultMaxBytes
	}
	if o.Members == nil {
		o.Members = nobody{}
	}
	if o.Claimed == nil {
		o.Claimed = func() {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// nobody knows no other node.
type nobody struct{}

func (nobody) Gone(string) bool { return true }
func (nobody) Reached() int     { return 0 }

func logPrefix(prefix string) string    { return prefix + ".life." }
func outboxPrefix(prefix string) string { return prefix + ".out." }

func (o *Options) logStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: o.Store.Prefix + "_life", Subjects: []string{logPrefix(o.Store.Prefix) + "*"},
		MaxBytes: o.Store.MaxBytes / 3 * 2, MaxMsgSize: batchlog.MaxBatch, Discard: jetstream.DiscardNew,
		Storage: o.Store.Storage, Replicas: o.Store.Replicas, AllowMsgTTL: true,
		AllowDirect: true, // for reading many parts at once
	}
}

func (o *Options) outboxStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: o.Store.Prefix + "_outbox", Subjects: []string{outboxPrefix(o.Store.Prefix) + "*"},
		Retention: jetstream.WorkQueuePolicy, MaxBytes: o.Store.MaxBytes / 3, MaxMsgSize: batchlog.MaxBatch, MaxAge: outboxLasts,
		Discard: jetstream.DiscardNew, Duplicates: duplicates, Storage: o.Store.Storage, Replicas: o.Store.Replicas,
	}
}

// Start makes the node known. It does not wait for the store, which may come later.
func (n *Node) Start() {
	n.lease.Start()
	n.write.wg.Go(func() { n.log.writer.Run(n.write.ctx) })
	n.work.wg.Go(func() { n.outbox.run(n.work.ctx) })
	n.work.wg.Go(func() { n.ends.release(n.work.ctx) })
}

// Born implements upstream.Life. It returns within a second.
func (n *Node) Born(ctx context.Context, hub, id string, record Recorder) {
	n.log.born(ctx, hub, id, record)
}

// Ending implements upstream.Life. If the store does not answer it returns when the node is fenced.
func (n *Node) Ending(ctx context.Context, id string, record Recorder) (call bool) {
	return n.ends.ending(ctx, id, record)
}

// Doubted implements upstream.Life.
func (n *Node) Doubted(id string) { n.log.doubt(id) }

// Ended implements upstream.Life.
func (n *Node) Ended(id string) { n.log.ended(id) }

// Stats are of a Node at one moment.
type Stats struct {
	Lease nodes.Stats
	// Clients is how many clients of this node the log has, or will have.
	Clients int
	// Held is how many ends of clients are held back.
	Held   int
	Events map[Event]uint64
}

// Stats returns what there is to know.
func (n *Node) Stats() Stats {
	n.log.mu.Lock()
	clients := len(n.log.open)
	n.log.mu.Unlock()
	return Stats{Lease: n.lease.Stats(), Clients: clients, Held: n.log.heldNow(), Events: n.counts.Map()}
}

// Close ends the node in order. Call it when the last webhook was called. If all clients have ended,
// nothing of the node is left in the store; else another node tells of those that are left. If the store
// does not answer, everything is left to the others: that is no error.
func (n *Node) Close(ctx context.Context) error {
	n.work.end()
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	told, written := n.log.empty()
	for !written && stream.Pause(ctx, commitEvery) {
		told, written = n.log.empty()
	}
	n.write.end()
	leave := told && written && (n.opts.Beside == nil || !n.opts.Beside.Left())
	if leave {
		if err := n.log.writer.Remove(ctx); err != nil {
			n.opts.Logger.Warn("what the store has of this node is left to others: it does not answer", "error", err)
			leave = false
		}
	}
	if err := n.lease.Close(ctx, leave); err != nil {
		n.opts.Logger.Warn("the record of this node is left to others: the store does not answer", "error", err)
	}
	return nil
}
