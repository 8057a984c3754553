package nodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
)

// Options describe a Lease. JetStream and Tag are required; functions may be nil.
type Options struct {
	// JetStream is the engine that keeps the records. Prefix begins the name of their bucket; "" means
	// "hg".
	JetStream jetstream.JetStream
	Prefix    string
	// Replicas is how many voters keep a copy; 0 means 1. Storage is files or memory.
	Replicas int
	Storage  jetstream.StorageType
	// Tag is the node's name, Link what Gone of other nodes is asked about, Software the program's
	// version.
	Tag, Link, Software string
	// Lease is how long a node may not renew its record before others may claim it; 0 means
	// DefaultLease. All other times follow from it.
	Lease time.Duration
	// Keeps: the node keeps events, and takes over those of dead nodes.
	Keeps bool
	// Settings returns what the node's settings come to, and Unlike in which parts two nodes differ. Nil:
	// nothing is compared. Both are called from one goroutine; what Settings returned is not changed.
	Settings func() map[string]string
	Unlike   func(own, other map[string]string) []string
	// Calls are what the Lease asks and tells. They are called from one goroutine, but TakeOver and Bury, and
	// must not wait for the Lease.
	Calls Calls
	// Logger takes what happens; nil discards.
	Logger *slog.Logger
}

// Calls are what a Lease asks and tells the rest of the node.
type Calls struct {
	// Gone says that a node, by its Link, is not heard of by other means either. Nil: none is heard of.
	Gone func(link string) bool
	// Reached returns how many other nodes are heard of by other means.
	Reached func() int
	// TakeOver takes over what an incarnation that is dead had still to do, Bury says that its clients have
	// ended. Each is called until it returns nil, in a goroutine of its own, by one node after the other: what
	// was done before may have to be done again. The context ends when this node may not go on with it.
	//
	// Bury is called when all dead nodes that this one has claimed were taken over. A node that died while
	// it took over another one has a part of that one's work: the same node claims both, and so knows what is to
	// be done for a client before it says that it has ended.
	TakeOver, Bury func(ctx context.Context, inc string) error
	// Claimed tells that the others have claimed the record of this node, which lives. It returns
	// before the node has a new one, for the incarnation next.
	Claimed func(former, next string)
	// Isolated tells that the node reaches neither the store nor another node, or does again. Nil: there never are other
	// nodes, only what a former run of this one has left; so it is not isolated, whatever its store does.
	Isolated func(bool)
}

// Event is something about leases that is counted.
type Event string

// The closed list of events.
const (
	// EventRenewed is a renewal, EventRenewalFailed one that did not succeed or whose answer was lost.
	EventRenewed       Event = "Renewed"
	EventRenewalFailed Event = "RenewalFailed"
	// EventFenced is the beginning of a time in which the node may do nothing that must happen once.
	EventFenced Event = "Fenced"
	// EventClaim is the claim of a dead node by this one, EventClaimFailed one that another node was
	// faster with, or whose answer was lost.
	EventClaim       Event = "Claim"
	EventClaimFailed Event = "ClaimFailed"
	// EventBuried is a dead node for which all is done, EventBuryFailed a try that has to be repeated.
	EventBuried     Event = "Buried"
	EventBuryFailed Event = "BuryFailed"
	// EventClaimed is the claim of this node, which lives, by another one.
	EventClaimed Event = "Claimed"
	// EventLost is a record of this node that the store has lost.
	EventLost Event = "Lost"
	// EventIsolated is the beginning of a time in which the node reaches nobody.
	EventIsolated Event = "Isolated"
)

var events = []Event{
	EventRenewed, EventRenewalFailed, EventFenced, EventClaim, EventClaimFailed, EventBuried, EventBuryFailed,
	EventClaimed, EventLost, EventIsolated,
}

// Lease is this node's record, and its eye on the others. Make one with New. All methods may be called
// concurrently.
type Lease struct {
	opts   Options
	times  times
	clock  clock
	stream records
	counts *counts.Counts[Event]
	now    atomic.Pointer[standing]

	machine *machine // run's
	flags   flags    // run's
	bury    bury

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// standing is how the node is, for those who ask.
type standing struct {
	inc      string
	renewed  moment
	held     bool
	isolated bool
	peers    int
	unlike   map[string][]string
}

// flags are what was told, so that it is told once.
type flags struct {
	fenced   bool
	isolated bool
	others   bool // there have been other nodes
	unlike   comparison
	lost     int
	left     []string // dead nodes whose events nobody takes over
}

// bury is the work under way for dead nodes.
type bury struct {
	ctx     context.Context // ends when the node is fenced
	cancel  context.CancelFunc
	done    chan struct{} // has something when there are results
	mu      sync.Mutex
	results []buried
}

type buried struct {
	request request
	err     error
}

// New returns a Lease that does nothing before Start.
func New(opts Options) *Lease {
	if opts.Prefix == "" {
		opts.Prefix = "hg"
	}
	return newLease(opts, newBucket(opts))
}

func newLease(opts Options, stored records) *Lease {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Calls = opts.Calls.filled()
	l := &Lease{opts: opts, times: timesOf(opts.Lease), clock: clock{time.Now()}, stream: stored, counts: counts.New(events)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.bury.ctx, l.bury.cancel = context.WithCancel(l.ctx)
	l.bury.done = make(chan struct{}, 1)
	l.flags.fenced = true
	l.begin(l.newInc())
	return l
}

func (c Calls) filled() Calls {
	if c.Gone == nil {
		c.Gone = func(string) bool { return true }
	}
	if c.Reached == nil {
		c.Reached = func() int { return 0 }
	}
	if c.TakeOver == nil {
		c.TakeOver = func(context.Context, string) error { return nil }
	}
	if c.Bury == nil {
		c.Bury = func(context.Context, string) error { return nil }
	}
	if c.Claimed == nil {
		c.Claimed = func(string, string) {}
	}
	return c
}

func (l *Lease) newInc() string { return fmt.Sprintf("%s-%016x", l.opts.Tag, rand.Uint64()) }

// begin starts an incarnation.
func (l *Lease) begin(inc string) {
	self := Record{Node: l.opts.Tag, Link: l.opts.Link, Software: l.opts.Software, Lease: l.times.stale, Keeps: l.opts.Keeps}
	l.machine = newMachine(l.times, inc, self, l.opts.Calls.Gone, l.clock.now())
	l.publish()
}

// Start begins to renew the record and to look at the others.
func (l *Lease) Start() { l.wg.Go(l.run) }

// Inc returns the incarnation of the node, which is new after it was claimed.
func (l *Lease) Inc() string { return l.now.Load().inc }

// Fenced reports whether the node may do nothing that must happen only once, because others may
// already do it.
func (l *Lease) Fenced() bool {
	s := l.now.Load()
	return !s.held || l.clock.now().since(s.renewed) > l.times.fence
}

// Stats are of a Lease at one moment.
type Stats struct {
	Inc              string
	Fenced, Isolated bool
	// Renewed is how long ago the last renewal that succeeded began; -1 if there was none.
	Renewed time.Duration
	// Others is how many other nodes have a record.
	Others int
	// Unlike are the parts of the settings in which other nodes differ from this one, by their names.
	Unlike map[string][]string
	Events map[Event]uint64
}

// Stats returns what there is to know.
func (l *Lease) Stats() Stats {
	s := l.now.Load()
	stats := Stats{Inc: s.inc, Fenced: l.Fenced(), Isolated: s.isolated, Renewed: -1, Others: s.peers, Unlike: s.unlike, Events: l.counts.Map()}
	if s.held {
		stats.Renewed = l.clock.now().since(s.renewed)
	}
	return stats
}

// publish tells those who ask how the node is.
func (l *Lease) publish() {
	m := l.machine
	l.now.Store(&standing{
		inc: m.inc, renewed: m.own.renewed, held: m.own.held && !m.own.claimed, isolated: l.flags.isolated,
		peers: m.others.count(m.inc), unlike: l.flags.unlike.told,
	})
}

// Close ends the Lease. If leave is true, nothing is to be done for this node: its record goes. Else it
// stays, and another node claims it in time.
func (l *Lease) Close(ctx context.Context, leave bool) error {
	l.cancel()
	l.wg.Wait()
	if !leave || !l.machine.own.held || l.machine.own.claimed {
		return nil
	}
	return l.leave(ctx)
}

// leave puts a tombstone in the place of the own record.
func (l *Lease) leave(ctx context.Context) error {
	for revision := l.machine.own.revision; ; {
		err := l.stream.bury(ctx, l.machine.inc, revision)
		if err == nil || ctx.Err() != nil {
			return err
		}
		e, readErr := l.stream.read(ctx, l.machine.inc)
		switch {
		case errors.Is(readErr, stream.ErrNotFound), readErr == nil && (e.tombstone || e.record.Writer != l.machine.inc):
			return nil // It is not ours any more.
		case readErr != nil:
			return errors.Join(err, readErr)
		}
		revision = e.revision
	}
}
