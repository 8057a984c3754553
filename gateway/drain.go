package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// ending is what a node needs for its end.
type ending struct {
	// announced: health says that the node shuts down; it still takes clients. draining: it takes none.
	announced atomic.Bool
	draining  atomic.Bool
	once      sync.Once
	stop      chan struct{} // closed when the sweeper has to end
	wg        sync.WaitGroup
	leave     func() // the backplane; nil without one
}

// Close ends the node's goroutines and waits for them. Connections that still
// live are aborted first; call Drain before to end them politely. Calls after the
// first do nothing.
func (g *Gateway) Close() { g.ending.once.Do(g.end) }

func (g *Gateway) end() {
	g.ending.draining.Store(true)
	g.quota.end()
	g.moves.close()
	g.invocations.end()
	if g.ending.leave != nil {
		g.ending.leave()
	}
	g.conns.each(func(c *Conn) { c.cutOff(Cause{Reason: CloseServiceReload, AllowReconnect: true}) })
	close(g.ending.stop)
	g.stopWorkers()
}

func (g *Gateway) stopWorkers() {
	for _, w := range g.workers {
		w.queue.close()
	}
	g.ending.wg.Wait()
}

// Draining reports whether the node shuts down, or says that it will.
func (g *Gateway) Draining() bool { return g.ending.announced.Load() || g.refusesClients() }

// AnnounceDrain has Draining report that the node shuts down, so that nothing more is sent to it. All else
// goes on as before until Drain is called.
func (g *Gateway) AnnounceDrain() { g.ending.announced.Store(true) }

func (g *Gateway) refusesClients() bool { return g.ending.draining.Load() }

// drainStep is the pause between two portions of connections that are closed
// while draining: clients that all reconnect at once would only move the load.
const drainStep = 100 * time.Millisecond

var reloadCause = Cause{Reason: CloseServiceReload, Text: "Service reloading, try reconnecting.", AllowReconnect: true}

// Drain refuses new clients. Those that can be handed over to other nodes are parked
// (handoverdrain.go). It closes the others, and those whom nobody takes, with ServiceReload and
// allowReconnect, spread over at most half of the time ctx leaves (ten seconds
// if it has no deadline). A client that the application still has to answer
// (see Pending) is closed when it has its answers, or at the end of that time.
// Drain returns when no connection is left, or with the context's error after
// aborting those that are.
func (g *Gateway) Drain(ctx context.Context) error {
	g.ending.draining.Store(true)
	g.moves.drains()
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
	p := parked{g: g, until: make(map[*Conn]time.Time)}
	for {
		for _, c := range p.look() {
			c.Close(reloadCause)
		}
		n := min(portion, len(all))
		var waiting []*Conn
		for _, c := range all[:n] {
			if p.park(c) {
				continue
			}
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
			g.catchUp()
			return ctx.Err()
		}
	}
}

// catchUpTime bounds how long the end of a drain waits for what it has cut off.
const catchUpTime = 100 * time.Millisecond

// catchUp waits a moment for connections that were cut off, so that the books show
// what was lost with them.
func (g *Gateway) catchUp() {
	over := time.NewTimer(catchUpTime)
	defer over.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for g.conns.count() > 0 {
		select {
		case <-tick.C:
		case <-over.C:
			return
		}
	}
	passed := make(chan struct{}, len(g.workers))
	for _, w := range g.workers {
		if !w.queue.push(passedOp{passed}) {
			passed <- struct{}{}
		}
	}
	for range g.workers {
		select {
		case <-passed:
		case <-over.C:
			return
		}
	}
}

// passedOp says that the worker has carried out everything before it.
type passedOp struct{ passed chan<- struct{} }

func (o passedOp) apply(*worker) { o.passed <- struct{}{} }
