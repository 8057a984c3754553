// Package gateway is the core of hubgate: hubs, connections, groups and users,
// the fan-out to clients and the two seams to the application (Backend) and to
// the other nodes (Backplane). It knows no HTTP and no WebSocket.
package gateway

import (
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/internal/counts"
)

// Options are what a Gateway is made of. They do not change while it runs.
type Options struct {
	// Node is the tag of this node in connection ids.
	Node string
	// Backend is the application behind every hub.
	Backend Backend
	// Limits are asked for anew each time; the call must be cheap. Nil means DefaultLimits.
	Limits func() Limits
	// Backplane reaches the other nodes; nil means there are none.
	Backplane Backplane
	// NodeOf returns the node that a connection lives on by its id, "" if the id does not say. Nil
	// means that no id does. Commands for named connections go to their nodes only then, unless the
	// Backplane is an Announcer: it knows better.
	NodeOf func(id string) string
	// UserGroups stores memberships of users; nil means that none outlive a connection.
	UserGroups UserGroups
	// Logger receives one line per opened and closed connection; nil discards.
	Logger *slog.Logger
	// Now is the wall clock, which decides only what tokens and memberships with an
	// end say. Nil means time.Now. Every other time is measured from the start of
	// the gateway, so that setting the clock ends nothing.
	Now func() time.Time
	// Observer is told what happens; nil tells nobody.
	Observer Observer
	// Recorder is told more; nil tells nobody.
	Recorder Recorder
	// Workers is the number of fan-out workers; 0 means one per CPU.
	Workers int
}

// Gateway is one node. All methods may be called concurrently.
type Gateway struct {
	opts      Options
	hubs      hubTable
	conns     registry
	workers   []*worker
	next      atomic.Uint32 // spreads connections over workers
	counts    counters
	keeping   keeping
	plane     plane
	moves     moves
	quota     quota
	limiter   atomic.Pointer[limiting] // nil while nothing is bounded
	turnstile atomic.Pointer[turning]  // likewise
	// invocations are those of clients that this node waits for.
	invocations invocations
	// standing are connections that miss groups of their users.
	standing missing

	// began is a second before the start; see now.
	began time.Time
	// crowded wakes the sweeper when readers hold too much, or too much waits for clients.
	crowded chan struct{}
	ending  ending
}

// counters are a node's own, beside those of its hubs.
type counters struct {
	opened atomic.Uint64
	closed *counts.Counts[CloseReason]
	panics atomic.Uint64
	// backlog is the bytes of sends that wait for the workers.
	backlog atomic.Int64
	// unfinished is the bytes of records that have not ended.
	unfinished atomic.Int64
}

// New starts a node's workers and joins its backplane. Close ends them.
func New(opts Options) (*Gateway, error) {
	g, err := build(opts)
	if err != nil {
		return nil, err
	}
	for _, w := range g.workers {
		g.ending.wg.Go(w.run)
	}
	g.moves.begin(g)
	g.invocations.begin(g)
	if opts.Backplane != nil {
		leave, err := opts.Backplane.Join(g)
		if err != nil {
			g.moves.close()
			g.stopWorkers()
			return nil, err
		}
		g.ending.leave = leave
		g.quota.begin(g, opts.Backplane)
	}
	g.ending.wg.Go(g.sweep)
	return g, nil
}

// build makes a node in which nothing happens by itself.
func build(opts Options) (*Gateway, error) {
	if opts.Backend == nil {
		return nil, errors.New("gateway: no backend")
	}
	if opts.Limits == nil {
		limits := DefaultLimits()
		opts.Limits = func() Limits { return limits }
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.UserGroups == nil {
		opts.UserGroups = noUserGroups{}
	}
	if opts.Observer == nil {
		opts.Observer = blindObserver{}
	}
	g := &Gateway{opts: opts, crowded: make(chan struct{}, 1), keeping: defaultKeeping}
	g.ending.stop = make(chan struct{})
	g.began = time.Now().Add(-time.Second)
	g.counts.closed = counts.New(closeReasonList)
	g.plane.init(opts.Backplane, func(c *Conn) { g.ending.wg.Go(c.goOn) })
	g.conns.init()
	g.hubs.init(g)
	for i := range opts.Workers {
		g.workers = append(g.workers, newWorker(i, g))
	}
	return g, nil
}

// now is the one clock of deadlines: nanoseconds since a second before the
// start, so that 0 is never a time. It only goes forward.
func (g *Gateway) now() int64 { return int64(time.Since(g.began)) }

// Name returns the node's tag.
func (g *Gateway) Name() string { return g.opts.Node }
