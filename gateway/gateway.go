// Package gateway is the core of hubgate: hubs, connections, groups and users,
// the fan-out to clients and the two seams to the application (Backend) and to
// the other nodes (Backplane). It knows no HTTP and no WebSocket.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
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
	// means that no id does. Commands for named connections then go to their nodes only.
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
	// Workers is the number of fan-out workers; 0 means one per CPU.
	Workers int
}

// Gateway is one node. All methods may be called concurrently.
type Gateway struct {
	opts    Options
	hubs    hubTable
	conns   registry
	workers []*worker
	next    atomic.Uint32 // spreads connections over workers
	counts  counters

	// began is a second before the start; see now.
	began time.Time
	// crowded wakes the sweeper when readers hold too much.
	crowded  chan struct{}
	draining atomic.Bool
	closing  sync.Once
	stop     chan struct{}
	wg       sync.WaitGroup
	leave    func()
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
		g.wg.Go(w.run)
	}
	if opts.Backplane != nil {
		leave, err := opts.Backplane.Join(g)
		if err != nil {
			g.stopWorkers()
			return nil, err
		}
		g.leave = leave
	}
	g.wg.Go(g.sweep)
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
	g := &Gateway{opts: opts, stop: make(chan struct{}), crowded: make(chan struct{}, 1)}
	g.began = time.Now().Add(-time.Second)
	g.counts.closed = counts.New(closeReasonList)
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

// Close ends the node's goroutines and waits for them. Connections that still
// live are aborted first; call Drain before to end them politely. Calls after the
// first do nothing.
func (g *Gateway) Close() { g.closing.Do(g.end) }

func (g *Gateway) end() {
	g.draining.Store(true)
	if g.leave != nil {
		g.leave()
	}
	g.conns.each(func(c *Conn) { c.cutOff(Cause{Reason: CloseServiceReload, AllowReconnect: true}) })
	close(g.stop)
	g.stopWorkers()
}

func (g *Gateway) stopWorkers() {
	for _, w := range g.workers {
		w.queue.close()
	}
	g.wg.Wait()
}

// Draining reports whether the node refuses new clients.
func (g *Gateway) Draining() bool { return g.draining.Load() }

// drainStep is the pause between two portions of connections that are closed
// while draining: clients that all reconnect at once would only move the load.
const drainStep = 100 * time.Millisecond

var reloadCause = Cause{Reason: CloseServiceReload, Text: "Service reloading, try reconnecting.", AllowReconnect: true}

// Drain refuses new clients and closes the others with ServiceReload and
// allowReconnect, spread over at most half of the time ctx leaves (ten seconds
// if it has no deadline). A client that the application still has to answer
// (see Pending) is closed when it has its answers, or at the end of that time.
// Drain returns when no connection is left, or with the context's error after
// aborting those that are.
func (g *Gateway) Drain(ctx context.Context) error {
	g.draining.Store(true)
	spread := 10 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		spread = min(spread, time.Until(deadline)/2)
	}
	var all []*Conn
	g.conns.each(func(c *Conn) { all = append(all, c) })
	portion := max(50, len(all)/max(1, int(spread/drainStep)))
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	patience := time.Now().Add(spread)
	for {
		n := min(portion, len(all))
		var waiting []*Conn
		for _, c := range all[:n] {
			if c.pending() && time.Now().Before(patience) {
				waiting = append(waiting, c)
				continue
			}
			c.Close(reloadCause)
		}
		all = append(all[n:], waiting...)
		if len(all) == 0 && g.conns.count() == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.conns.each(func(c *Conn) { c.cutOff(reloadCause) })
			return ctx.Err()
		}
	}
}
