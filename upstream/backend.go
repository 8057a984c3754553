// Package upstream is the application behind hubs in Serverless mode: HTTP
// servers that get one POST for each event of a client and answer invocations.
// It implements gateway.Backend.
//
// An event is delivered at most once (D8): it is repeated only when nothing of
// it can have been sent. With an Outbox, events of connections and messages that
// nobody waits for are delivered at least once instead (outbox.go, retries.go).
// The events of one connection are delivered one at a
// time, connected first, disconnected last; connections do not wait for each
// other except for their turn at an origin.
//
// What users are called travels in a header as UTF-8, with control characters
// percent-encoded. The name of an event is always its target as it is: a target
// that no header can carry unaltered ends its connection (R61).
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/trace"
)

// Options are what a Backend is made of. They do not change while it runs.
type Options struct {
	// Config returns the settings in force, never nil. It is asked several times
	// for each event, so it must be cheap, and it must return the same pointer
	// until something changes: what is derived from the settings is cached by it.
	// An event takes the template in force when it arrives (R78).
	Config func() *Config
	// Metrics watches; nil watches nothing.
	Metrics Metrics
	// Logger receives one line per event that failed or was skipped, and at
	// debug level per event that succeeded; nil discards. Events that no template
	// takes are summed up: the first of each hub and event is a line, then one a
	// minute with their number.
	Logger *slog.Logger
	// Watcher is told of events; nil tells nobody.
	Watcher Watcher
	// Recorder is told of each webhook that was called and each event that was skipped, without bodies. Nil tells nobody.
	// It is called concurrently, must be cheap and must not block.
	Recorder func(h *Happening)
	// Slow says by how much to delay a call for the hub, 0 for almost all, within the timeout of the call. Nil
	// delays none.
	Slow func(hub string) time.Duration
	// Tracer makes spans of events of clients and of the calls of webhooks for them. Nil makes none.
	Tracer trace.Tracer
	// TLS is the client side's TLS configuration; nil trusts the system's roots.
	TLS *tls.Config

	// connect replaces the network in tests.
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// Backend calls webhooks. All methods may be called concurrently.
type Backend struct {
	opts      Options
	log       *slog.Logger
	metrics   Metrics
	plans     atomic.Pointer[plan]
	secrets   secretStore
	origins   originGates
	life      Life     // nil for a node alone
	keeps     *keeping // nil without an outbox
	callers   callerCache
	unmatched *logsum.Lines[message]
	transport *http.Transport
	client    *retryablehttp.Client
	bearers   *bearers

	ctx     context.Context // ends the calls under way when Close gives up
	cancel  context.CancelCauseFunc
	workers workerGroup
}

// errShutdown is the cause of calls that Close cut off.
var errShutdown = errors.New("the gateway is shutting down")

// New returns a Backend that is ready for connections. Close ends it.
func New(opts Options) *Backend {
	b := &Backend{opts: opts, log: opts.Logger, metrics: opts.Metrics}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.metrics == nil {
		b.metrics = nopMetrics{}
	}
	d := newDialer(opts.TLS, func() bool { return opts.Config().AllowLinkLocal })
	if opts.connect != nil {
		d.connect = opts.connect
	}
	b.transport = newTransport(d)
	b.client = newClient(b.transport)
	b.unmatched = logsum.New(b.logUnmatched)
	b.ctx, b.cancel = context.WithCancelCause(context.Background())
	b.bearers = newBearers(b.ctx, d)
	return b
}

// Supports says whether clients may speak the hub protocol: webhooks know JSON
// and MessagePack bodies only (R56).
func (b *Backend) Supports(protocol string) bool { return hubprotocol.Supported(protocol) }

// Accept returns the session of a new connection. It refuses nobody: an
// upstream that does not want a client rejects its connected event (D13).
func (b *Backend) Accept(c *gateway.Conn, _ gateway.Handshake) (gateway.Session, error) {
	return newSession(b, c), nil
}

// Close waits until all events taken so far were delivered and refuses those
// that come later; call it after gateway.Drain, which brings the disconnected
// events. When ctx ends first, the calls under way are cut off, what waits is
// given up, and the error of ctx is returned. No goroutine outlives it. What is in an outbox is tried once
// more, and stays there if that fails.
func (b *Backend) Close(ctx context.Context) error {
	if k := b.keeps; k != nil {
		k.end.Do(func() { close(k.ending) })
	}
	err := b.workers.close(ctx, func() { b.cancel(errShutdown) })
	b.cancel(errShutdown)
	b.unmatched.Close()
	b.transport.CloseIdleConnections()
	b.bearers.close()
	return err
}

// plan returns the templates of the settings in force, compiled.
func (b *Backend) plan() *plan {
	cfg := b.opts.Config()
	if p := b.plans.Load(); p != nil && p.cfg == cfg {
		return p
	}
	// Two goroutines may compile the same settings once; the last one stays.
	p := newPlan(cfg)
	b.plans.Store(p)
	return p
}
