package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// Options describe an Outbox. JetStream, Inc and Fence are required.
type Options struct {
	Store Store
	// Inc names the log: the incarnation of the node.
	Inc string
	// Fence says whether others may have given this node up.
	Fence Fence
	// Dead bounds the dead letters.
	Dead Dead
	// Logger takes what cannot be returned; nil discards.
	Logger *slog.Logger
}

// Store is where everything is kept.
type Store struct {
	JetStream jetstream.JetStream
	// Prefix begins the names there; "" means "hg".
	Prefix string
	// Replicas is how many voters keep a copy; 0 means 1.
	Replicas int
	Storage  jetstream.StorageType
	// MaxBytes bounds what is stored of all nodes together; 0 means DefaultMaxBytes. A quarter of it, and at
	// most MaxMemory, is what one node may have to deliver: more waits to be stored.
	MaxBytes int64
}

// Dead bounds the dead letters: the oldest go first.
type Dead struct {
	// Count is how many are kept; 0 means DefaultDeadLetters. Age is for how long; 0 means DefaultDeadAge.
	Count int
	Age   time.Duration
}

// Fence says whether this node may do nothing that others may do in its place.
type Fence interface{ Fenced() bool }

const (
	// DefaultMaxBytes is room for some hundred thousand deliveries.
	DefaultMaxBytes = 512 << 20
	// MaxMemory bounds what one node has to deliver, in bytes: it is in memory besides.
	MaxMemory = 128 << 20
	// DefaultDeadLetters and DefaultDeadAge bound the dead letters.
	DefaultDeadLetters = 1000
	DefaultDeadAge     = 7 * 24 * time.Hour

	defaultPrefix = "hg"
	// maxDeadBytes bounds the dead letters, in bytes.
	maxDeadBytes = 64 << 20
	// maxPartBytes bounds the records of large dead letters, in bytes.
	maxPartBytes = 128 << 20
	// flushTime bounds how long a node that ends waits for its log to be written.
	flushTime = 3 * time.Second
)

// Outbox is the deliveries of this node. All methods may be called concurrently.
type Outbox struct {
	opts   Options
	stream storage
	prefix string // of subjects
	log    *log
	counts *counts.Counts[Event]
	dead   *deadLetters
	burial burial
	looks  *semaphore.Weighted // at the logs of all nodes

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns an Outbox that stores nothing before Start.
func New(opts Options) *Outbox {
	opts = opts.filled()
	o := &Outbox{opts: opts, counts: counts.New(events), prefix: opts.Store.Prefix + ".dlv.", looks: semaphore.NewWeighted(1)}
	o.stream = stream.New(opts.Store.JetStream, opts.logStream())
	o.log = newLog(o.stream, o.prefix, opts.Inc, o.counts)
	o.log.logger, o.log.maxBytes = opts.Logger, int(min(opts.Store.MaxBytes/4, MaxMemory))
	o.dead = newDeadLetters(opts)
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

func (o Options) filled() Options {
	if o.Store.Prefix == "" {
		o.Store.Prefix = defaultPrefix
	}
	if o.Store.MaxBytes <= 0 {
		o.Store.MaxBytes = DefaultMaxBytes
	}
	if o.Dead.Count <= 0 {
		o.Dead.Count = DefaultDeadLetters
	}
	if o.Dead.Age <= 0 {
		o.Dead.Age = DefaultDeadAge
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o *Options) logStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: o.Store.Prefix + "_deliveries", Subjects: []string{o.Store.Prefix + ".dlv.*"},
		MaxBytes: o.Store.MaxBytes, MaxMsgSize: batchlog.MaxBatch, Discard: jetstream.DiscardNew,
		Storage: o.Store.Storage, Replicas: o.Store.Replicas, AllowMsgTTL: true,
		AllowDirect: true, // for reading many parts at once
	}
}

// Start begins to store. It does not wait for the store, which may come later.
func (o *Outbox) Start() { o.wg.Go(func() { o.log.writer.Run(o.ctx) }) }

// Put stores a delivery, and returns its number. Stored is called once, by any goroutine, when the delivery
// cannot be lost any more, or is done; it must not block. While the store does not answer or has no room, it waits. The
// record has at most MaxRecord bytes, and must not be changed any more.
func (o *Outbox) Put(record []byte, stored func()) (number uint64) {
	return o.log.put(&delivery{record: record, stored: stored}, false)
}

// Done says that a delivery was made, or never will be. One that is not there is ignored.
func (o *Outbox) Done(number uint64) { o.log.done(number) }

// Tried notes how often a delivery was tried in vain: who takes it over from this node is told. A node that dies
// within milliseconds has not noted it.
func (o *Outbox) Tried(number uint64, attempts int) { o.log.tried(number, attempts) }

// Mine reports whether this node still has a delivery: not after Done, and not after another node has given
// this one up.
func (o *Outbox) Mine(number uint64) bool { return o.log.mine(number) }

// Fenced reports whether this node may make no delivery now, because others may have given it up.
func (o *Outbox) Fenced() bool { return o.opts.Fence.Fenced() }

// Abandon begins a new log, because the others have given this node up: they make its deliveries.
func (o *Outbox) Abandon(next string) { o.log.abandon(next) }

// Left reports whether there is something to deliver.
func (o *Outbox) Left() bool {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	return len(o.log.live) > 0
}

// Failing returns why deliveries cannot be stored now, once that has lasted for some attempts, and nil when one was
// stored again. While nothing is to be stored it is not known. A limit that is reached is no failure: clients wait then.
func (o *Outbox) Failing() error {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	return o.log.failing
}

// Stats are of an Outbox at one moment.
type Stats struct {
	// Waiting is how many deliveries this node has to make, Bytes their size. Unstored are those of them that
	// are not stored yet.
	Waiting, Bytes, Unstored int
	Events                   map[Event]uint64
}

// Stats returns what there is to know.
func (o *Outbox) Stats() Stats {
	l := o.log
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Waiting: len(l.live), Bytes: l.bytes, Unstored: l.unstored, Events: o.counts.Map()}
}

// Close writes what is left to be written, and ends. Deliveries that were not made stay in the store: this
// node, under its next name, or another one makes them. If the store does not answer, what was done since may
// be delivered again: that is no error.
func (o *Outbox) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	for !o.log.written() && stream.Pause(ctx, commitEvery) {
	}
	o.cancel()
	o.wg.Wait()
	if !o.Left() && o.log.written() {
		o.log.remove(ctx)
	}
	return nil
}
