package transport

import (
	"context"
	"sync"
)

// Running counts goroutines that outlive the requests that started them. The zero value is open.
type Running struct {
	mu     sync.Mutex
	closed bool
	alive  sync.WaitGroup
}

// Begin counts one in, and reports whether it may begin. Done counts it out.
func (g *Running) Begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.alive.Add(1)
	return true
}

// Done counts one out.
func (g *Running) Done() { g.alive.Done() }

// Wait returns when none is left.
func (g *Running) Wait() { g.alive.Wait() }

// Refuse lets none begin any more.
func (g *Running) Refuse() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// WaitFor is Wait with an end: it returns the context's error if that ends first.
func (g *Running) WaitFor(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		g.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
