package upstream

import (
	"context"
	"sync"
)

// workerGroup counts the goroutines that deliver events, one per connection
// with events waiting, and keeps a few that have nothing to do.
type workerGroup struct {
	mu     sync.Mutex
	closed bool
	idle   int
	next   chan func() // to an idle goroutine; made with the first one
	wg     sync.WaitGroup
}

// maxIdleWorkers bounds the goroutines that wait for work. A new goroutine
// copies its small stack several times before it has made a request, which is
// a tenth of the cost of an event (BenchmarkEvent, without them and with them).
const maxIdleWorkers = 16

// start runs work in a goroutine, unless the group is closed.
func (g *workerGroup) start(work func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.idle > 0 {
		g.idle--
		g.next <- work
		return true
	}
	g.wg.Go(func() {
		for work != nil {
			work()
			work = g.rest()
		}
	})
	return true
}

// rest waits for more work; nil means that there will be none.
func (g *workerGroup) rest() (work func()) {
	g.mu.Lock()
	if g.closed || g.idle >= maxIdleWorkers {
		g.mu.Unlock()
		return nil
	}
	if g.next == nil {
		g.next = make(chan func(), maxIdleWorkers)
	}
	g.idle++
	g.mu.Unlock()
	return <-g.next
}

// close refuses new work and waits for what runs, calling hurry when ctx ends.
func (g *workerGroup) close(ctx context.Context, hurry func()) error {
	g.mu.Lock()
	g.closed = true
	for ; g.idle > 0; g.idle-- {
		g.next <- nil
	}
	g.mu.Unlock()
	stop := context.AfterFunc(ctx, hurry)
	g.wg.Wait()
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}
