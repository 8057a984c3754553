// Package servermode serves hub servers: processes that run the code of hubs, connect to the
// gateway and take its clients. The Backend here is the gateway.Backend of such hubs, and the
// handler of the endpoints that hub servers connect to: /server for those of ASP.NET Core SignalR,
// /aspnetserver for those of ASP.NET SignalR. What differs between the two is a dialect.
//
// A server connection has two goroutines. One reads: a message of the hub server becomes a command
// of the gateway, or goes to one client. The other writes: the records of clients are appended
// directly to its buffer.
//
// Locks are taken in this order: session.mu, hubTable.mu, hub.mu, resultTable.mu, peerLink.mu,
// clientTable.mu, outgoing.mu. The other locks of this package are held alone.
package servermode

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// Rules say which hub servers may connect to a hub, and which of them get clients.
type Rules struct {
	// Closed refuses hub servers. Only Weak connections, which send and have no clients, may connect.
	Closed bool
	// LastResort gives clients to a Weak connection while the hub has no other that takes them.
	LastResort bool
}

// Options configure a Backend. Its functions are called often and concurrently: they must be cheap,
// and their answers may change at any time.
type Options struct {
	// Verifier is required.
	Verifier *auth.Verifier
	// Node is the tag of this node. Hub servers know it as the instance id.
	Node string
	// Rules returns the rules of the hub with that key. Call RulesChanged when an answer changes. Nil
	// means Rules{LastResort: true} for every hub.
	Rules func(hub string) Rules
	// Limits returns the limits that are in force; nil means DefaultLimits.
	Limits func() Limits
	// Logger receives a line for each server connection that is opened, refused or closed, and for the
	// first bad input of each kind on a connection. Nil means no log.
	Logger *slog.Logger
	// Observer is told of the connections of hub servers; nil tells nobody.
	Observer Observer
	// Latency is told how long hub servers take; nil tells nobody.
	Latency Latency
	// MessageLog says whether somebody reads which messages are sent: then hub servers are asked to give each a tracing
	// id. Nil means that nobody does.
	MessageLog func() bool
	// Tracer makes spans of what clients call and hub servers send. Nil makes none.
	Tracer trace.Tracer
	// Peers are the other nodes: a client of this one may have its hub server there, and the other
	// way round. Nil means that there are none.
	Peers gateway.Peers
}

// Limits are the limits of server connections: sizes in bytes, and durations.
type Limits struct {
	// MessageBytes is the size of the largest message of a hub server, with its payloads for all
	// protocols. A larger one ends the connection.
	MessageBytes int
	// QueueBytes is how much may wait for a server connection. Above it, the connection's clients are
	// not read until there is room (D14). Four times as much ends the connection.
	QueueBytes int
	// MaxConnections is the largest number of server connections of this node; 0 means no limit.
	MaxConnections int
	// HeldBytes is how much of one client's data is kept while the client has no hub server or moves
	// to another. Above it, the client is not read.
	HeldBytes int
	// Migration is how long a client that moves to another hub server waits for its open invocations.
	// Those that are still open then are answered with an error.
	Migration time.Duration
	// ClientResult is how long a client may take to answer an invocation of a hub server.
	ClientResult time.Duration
	// Grace is how long clients wait for another hub server when their server connection is lost. 0
	// closes them at once.
	Grace time.Duration
}

// DefaultLimits returns the limits of a Backend without Options.Limits.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes: 32 << 20, QueueBytes: 4 << 20, HeldBytes: 256 << 10,
		Migration: 5 * time.Second, ClientResult: 10 * time.Minute,
	}
}

// Backend holds the hub servers of all hubs of this node. Its methods may be called concurrently,
// but Use has to be called first.
type Backend struct {
	opts    Options
	gw      *gateway.Gateway
	hubs    hubTable
	results resultTable
	counts  *counters

	// servers finds hub servers for clients. It is hubs but in tests.
	servers directory
	peers   peerTable
	start   time.Time
	// held counts the bytes of all clients that wait in sessions for a hub server.
	held atomic.Int64
	// roomy holds one signal for the sweeper: a hub server has room again for clients that wait.
	roomy chan struct{}
	// stop is closed by Close. It ends the sweeper and the pauses of readers.
	stop  chan struct{}
	conns connTable
}

// New returns a Backend. It panics if Options have no Verifier. The Backend works from Use until
// Close.
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
	b := &Backend{counts: newCounters(opts.Node), opts: opts, start: time.Now(),
		roomy: make(chan struct{}, 1), stop: make(chan struct{})}
	b.servers, b.results.b = &b.hubs, b
	return b
}

// now is the time since the Backend was made. All deadlines are given in it, because it never
// jumps: the wall clock does.
func (b *Backend) now() time.Duration { return time.Since(b.start) }

// callRoomy makes the sweeper give waiting clients to hub servers that have room.
func (b *Backend) callRoomy() {
	select {
	case b.roomy <- struct{}{}:
	default:
	}
}

// Use tells the Backend its gateway. Call it once, before the first client and the first hub server.
func (b *Backend) Use(g *gateway.Gateway) {
	b.gw = g
	b.peers.begin(b, b.opts.Peers)
	b.conns.wg.Go(b.sweep)
}

// Close closes all server connections and refuses further ones. It waits until their goroutines have
// ended, and returns the error of ctx if that ends first. Call it after Gateway.Drain, so that hub
// servers still hear which clients have gone.
func (b *Backend) Close(ctx context.Context) error {
	if b.conns.close() {
		close(b.stop)
	}
	b.flush(ctx)
	for _, sc := range b.conns.all() {
		sc.end(EndShutdown, nil)
	}
	defer b.peers.end() // when other nodes have heard of those ends
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

// flushTime bounds how long the end of a node waits for hub servers that do not read.
const flushTime = time.Second

// flush waits until hub servers have been sent what waits for them: what clients have said last, and that they have gone.
func (b *Backend) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	for _, sc := range b.conns.all() {
		select {
		case <-sc.out.emptied():
		case <-ctx.Done():
			return
		}
	}
}

// Owns reports whether this Backend has made the session.
func (b *Backend) Owns(s gateway.Session) bool {
	_, ok := s.(*session)
	return ok
}

// RulesChanged closes the server connections that the rules of their hub no longer allow. Their
// clients are closed too, and may reconnect.
func (b *Backend) RulesChanged() {
	for _, h := range b.hubs.all() {
		for _, sc := range h.all() {
			if !sc.mayConnect(sc.peer.kind) {
				sc.end(EndModeSwitched, nil)
			}
		}
	}
}

// Restart closes all server connections and their clients. All may come back at once.
func (b *Backend) Restart() {
	for _, h := range b.hubs.all() {
		for _, sc := range h.all() {
			sc.end(EndShutdown, nil)
		}
	}
}

// ticks is the current time for a ServersPing. Each call returns a larger number.
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
