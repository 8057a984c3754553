// Package servermode is the application behind hubs whose code runs elsewhere: hub servers that connect to the gateway and are given its clients. It
// implements gateway.Backend and serves the endpoint that hub servers connect to.
//
// A server connection has one goroutine that reads and one that writes. What a
// client sends is appended straight to the writer's buffer; what a hub server
// sends becomes commands of the gateway, or goes to one client.
//
// Locks are taken in this order: session.mu, hubTable.mu, hub.mu, resultTable.mu, clientTable.mu,
// outgoing.mu. The other locks of this package are held alone.
package servermode

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// Rules are what a hub lets hub servers do.
type Rules struct {
	// Closed hubs take no connections of hub servers, except Weak ones.
	Closed bool
	// LastResort lets a Weak connection have clients if the hub has no other.
	LastResort bool
}

// Options are what a Backend is made of. The functions are asked anew each
// time, concurrently, and must be cheap.
type Options struct {
	// Verifier is required.
	Verifier *auth.Verifier
	// Node is this node's tag, the instance id that hub servers know it by.
	Node string
	// Rules returns a hub's rules by its key; nil means LastResort for all. Call RulesChanged when
	// an answer changes.
	Rules func(hub string) Rules
	// Limits returns the bounds and periods; nil means DefaultLimits.
	Limits func() Limits
	// Logger receives one line for each server connection that is opened,
	// refused or closed, and one for each kind of bad input on it; nil discards.
	Logger *slog.Logger
	// Observer is told of the connections of hub servers; nil tells nobody.
	Observer Observer
}

// Limits are the bounds and periods of server connections.
type Limits struct {
	// MessageBytes bounds one message of a hub server, payloads for all
	// protocols included.
	MessageBytes int
	// QueueBytes is how much may wait for a hub server before its clients are
	// not read from any more (D14). Four times as much ends the connection.
	QueueBytes int
	// MaxConnections bounds the server connections of this node; 0 means no bound.
	MaxConnections int
	// HeldBytes bounds what is held back of one client while it moves.
	HeldBytes int
	// Migration is how long a client that moves to another hub server waits for
	// its invocations to end (section 4.7).
	Migration time.Duration
	// ClientResult is how long a hub server waits for a client's result.
	ClientResult time.Duration
	// Grace is how long clients are held when their server connection is lost,
	// for another hub server to take them; 0 closes them.
	Grace time.Duration
}

// DefaultLimits are the defaults.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes: 32 << 20, QueueBytes: 4 << 20, HeldBytes: 256 << 10,
		Migration: 5 * time.Second, ClientResult: 10 * time.Minute,
	}
}

// Backend is the hub servers of all hubs. All methods may be called
// concurrently, but Use comes before everything else.
type Backend struct {
	opts    Options
	gw      *gateway.Gateway
	hubs    hubTable
	results resultTable
	counts  *counters

	// servers chooses hub servers; it is hubs, as long as all of them are on this node.
	servers directory
	start   time.Time
	// held is the bytes of records that are held back for the next hub server of their client.
	held atomic.Int64
	// roomy holds one signal: hub servers have room for clients that wait.
	roomy chan struct{}
	// stop ends the sweeper, and whoever waits.
	stop  chan struct{}
	conns connTable
}

// New returns a Backend. It panics without a Verifier. Use makes it work, Close ends it.
func New(opts Options) *Backend {
	if opts.Verifier == nil {
		panic("servermode: Options need a Verifier")
	}
	if opts.Rules == nil {
		opts.Rules = func(string) Rules { return Rules{LastResort: true} }
	}
	if opts.Limits == nil {
		limits := DefaultLimits()
		opts.Limits = func() Limits { return limits }
	}
	if opts.Observer == nil {
		opts.Observer = blindObserver{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Backend{counts: newCounters(), opts: opts, start: time.Now(),
		roomy: make(chan struct{}, 1), stop: make(chan struct{})}
	b.servers = &b.hubs
	return b
}

// now is the time since the Backend was made. All deadlines are in it: unlike the clock on the
// wall it makes no steps.
func (b *Backend) now() time.Duration { return time.Since(b.start) }

// callRoomy makes the sweeper look at clients that wait for a hub server with room.
func (b *Backend) callRoomy() {
	select {
	case b.roomy <- struct{}{}:
	default:
	}
}

// Use gives the Backend the gateway that was made with it. It is called once,
// before the first client and the first hub server come.
func (b *Backend) Use(g *gateway.Gateway) {
	b.gw = g
	b.conns.wg.Go(b.sweep)
}

// Close refuses further hub servers, closes the connections of the others and
// waits for their goroutines, or until ctx ends. Call it after gateway.Drain:
// the ends of clients still have to be told.
func (b *Backend) Close(ctx context.Context) error {
	if b.conns.close() {
		close(b.stop)
	}
	for _, sc := range b.conns.all() {
		sc.end(EndShutdown, nil)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.conns.wg.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Owns reports whether the session is one of this Backend.
func (b *Backend) Owns(s gateway.Session) bool {
	_, ok := s.(*session)
	return ok
}

// RulesChanged ends the connections of hub servers whose hub is closed to them now, and with them
// their clients.
func (b *Backend) RulesChanged() {
	for _, h := range b.hubs.all() {
		if b.opts.Rules(h.key).Closed {
			for _, sc := range h.strong() {
				sc.end(EndModeSwitched, nil)
			}
		}
	}
}

// ticks is the time as an ever growing number, for answers to servers pings.
func (b *Backend) ticks() int64 {
	for {
		last, now := b.counts.lastTicks.Load(), serviceprotocol.Ticks(time.Now())
		if now <= last {
			now = last + 1
		}
		if b.counts.lastTicks.CompareAndSwap(last, now) {
			return now
		}
	}
}
