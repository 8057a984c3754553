package presence

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/internal/trace"
)

// Prefix is the first segment of the paths that Handles takes.
const Prefix = "hubgate"

// Access says whose tokens may ask.
type Access string

const (
	// AccessOff: nobody's. Every request is answered with 404.
	AccessOff Access = "off"
	// AccessKey: those that are signed with an access key for the path.
	AccessKey Access = "key"
	// AccessClaim: those that name the right in the claim auth.PresenceClaim too.
	AccessClaim Access = "claim"
)

// Metrics counts requests. Its methods are called concurrently.
type Metrics interface {
	// Request counts one finished request. The operation is an operationId of the contract or UnknownOperation.
	Request(operation string, status int, took time.Duration)
}

// UnknownOperation is the operation of requests that the contract does not have.
const UnknownOperation = "PresenceUnknown"

// Tokens verifies bearer tokens. *auth.Verifier implements it.
type Tokens interface {
	Presence(token, escapedPath, application string, claimed bool) (auth.PresenceRights, error)
}

// Options is what the endpoint works with. Hub and Tokens are required. The functions are called for every
// request, concurrently, and must be cheap.
type Options struct {
	Hub    *gateway.Gateway
	Tokens Tokens
	// Peers reaches the other nodes; nil if the node is alone.
	Peers gateway.Peers
	// Access returns whose tokens may ask; nil means AccessKey.
	Access func() Access
	// Available returns why requests cannot be answered yet, an error that is gateway.ErrIncomplete while
	// not all nodes are known. Nil means that they always can.
	Available func() error
	// Limit counts a request of a caller whose token was accepted. The error, a *gateway.Overrun, refuses it.
	// Nil bounds nothing.
	Limit func(token string, bytes int64) error
	// Events says whether changes may be followed; nil is no.
	Events func() bool
	// Forward has another node answer a request. An error means that it was not answered. Nil: the node is alone.
	Forward func(w http.ResponseWriter, r *http.Request, node string) error
	// Logger gets one line for every failed request; nil discards them.
	Logger *slog.Logger
	// Metrics counts requests; nil counts nothing.
	Metrics Metrics
	// Tracer makes a span for each request, which goes on with the trace of its caller. Nil makes none.
	Tracer trace.Tracer
}

// maxListing is how many requests a node answers at a time.
const maxListing = 16

// Endpoint answers requests about presence. Make one with New, and Close it before the gateway.
type Endpoint struct {
	options Options
	local   local
	circle  circle
	feeds   feeds
	router  *chi.Mux
	failed  *counts.Counts[FailureReason]
	// places bounds the requests under way.
	places chan struct{}
}

// New returns the endpoint. From then on it answers the questions of other nodes.
func New(options Options) *Endpoint {
	if options.Hub == nil || options.Tokens == nil {
		panic("presence: Hub and Tokens are required")
	}
	if options.Access == nil {
		options.Access = func() Access { return AccessKey }
	}
	if options.Events == nil {
		options.Events = func() bool { return false }
	}
	if options.Available == nil {
		options.Available = func() error { return nil }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Endpoint{
		options: options, local: local{hub: options.Hub}, router: chi.NewRouter(),
		failed: counts.New(failureList), places: make(chan struct{}, maxListing),
	}
	e.feeds.init(options.Hub)
	e.circle.begin(&e.local, &e.feeds, options.Peers)
	e.router.Get(eventsPath, e.events)
	e.router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		answerError(w, r, &failure{status: http.StatusNotFound, reason: ReasonUnknownRoute, message: "There is no such path."})
	})
	e.router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", http.MethodGet) // nothing is changed here
		answerError(w, r, &failure{status: http.StatusMethodNotAllowed, reason: ReasonMethod, message: "The path does not have this method."})
	})
	strict := NewStrictHandlerWithOptions(&server{e}, []StrictMiddlewareFunc{e.admitted}, StrictHTTPServerOptions{
		RequestErrorHandlerFunc: answerError, ResponseErrorHandlerFunc: answerError,
	})
	HandlerWithOptions(strict, ChiServerOptions{BaseRouter: e.router, ErrorHandlerFunc: answerError})
	return e
}

// Close stops answering other nodes, and waits for answers under way.
func (e *Endpoint) Close() {
	e.EndReaders()
	e.circle.end()
}

// EndReaders ends the answers to those who follow changes, which would go on as long as they read.
func (e *Endpoint) EndReaders() { e.feeds.close() }

// Opened and Closed are told of clients whose handshake was accepted and of connections that have ended, as a
// gateway.Observer is. While nobody lists or follows changes they cost two loads.
func (e *Endpoint) Opened(c *gateway.Conn) {
	e.local.kept.arrived(c)
	e.feeds.source.opened(c)
}

// Closed is described at Opened.
func (e *Endpoint) Closed(c *gateway.Conn, cause gateway.Cause) {
	if cause.Reason == gateway.CloseMoved {
		e.local.gone.left(c.Identity().Hub)
	}
	e.feeds.source.left(c, cause.Reason)
}

// Failed returns how many requests failed since the start, by reason.
func (e *Endpoint) Failed() map[FailureReason]uint64 { return e.failed.Map() }

// Handles reports whether a request's URL.Path is the endpoint's.
func Handles(path string) bool {
	first, isRooted := strings.CutPrefix(path, "/")
	first, _, _ = strings.Cut(first, "/")
	return isRooted && auth.EqualFoldASCII(first, Prefix)
}

// call is one request on its way through the endpoint.
type call struct {
	http.ResponseWriter
	operation string
	status    int
	failed    *failure
	rights    auth.PresenceRights
	// traced has the id of the request and its span, request what the span tells of it.
	traced  trace.Served
	request *http.Request
}

type callKey struct{}

// WriteHeader remembers the status. The span of a request that follows changes ends here.
func (c *call) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	if c.operation == eventsOperation {
		c.endSpan()
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// ServeHTTP answers one request.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := &call{ResponseWriter: w, operation: UnknownOperation, request: r}
	c.traced.Begin(e.options.Tracer, r, began)
	if c.traced.ID != "" {
		w.Header()[trace.Header] = []string{c.traced.ID}
	}
	w.Header().Set("Cache-Control", "no-store")
	if err := e.check(c, r); err != nil {
		answerError(c, r, err)
	} else {
		e.router.ServeHTTP(c, r.WithContext(context.WithValue(r.Context(), callKey{}, c)))
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.endSpan()
	if e.options.Metrics != nil {
		e.options.Metrics.Request(c.operation, c.status, time.Since(began))
	}
	if c.failed != nil {
		e.failed.Add(c.failed.reason, 1)
		e.log(r.Context(), c)
	}
}

// check looks at the token before anything else: nobody without one learns what there is.
func (e *Endpoint) check(c *call, r *http.Request) (err error) {
	var token string
	if token, c.rights, err = e.rights(r); err != nil {
		return err
	}
	c.traced.Accepted(r)
	if e.options.Limit != nil {
		if err := e.options.Limit(token, 0); err != nil {
			return err
		}
	}
	return e.options.Available()
}

// rights returns the token of a request, and what it lets its bearer see at this moment.
func (e *Endpoint) rights(r *http.Request) (token string, rights auth.PresenceRights, err error) {
	access := e.options.Access()
	if access == AccessOff {
		return "", rights, &failure{status: http.StatusNotFound, reason: ReasonOff, message: "This gateway does not tell who is connected: presence.access is off."}
	}
	token, ok := auth.BearerToken(r.Header)
	if !ok {
		return "", rights, &auth.TokenError{Failure: auth.TokenMissing}
	}
	rights, err = e.options.Tokens.Presence(token, r.URL.EscapedPath(), r.URL.Query().Get("application"), access == AccessClaim)
	return token, rights, err
}

// admitted names the operation and bounds how many there are at a time.
func (e *Endpoint) admitted(next StrictHandlerFunc, operation string) StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		c := w.(*call)
		c.operation, c.request = operation, r
		select {
		case e.places <- struct{}{}:
			defer func() { <-e.places }()
			return next(ctx, w, r, request)
		default:
			return nil, &failure{status: http.StatusTooManyRequests, reason: ReasonTooMany, retryAfter: 1, message: "Too many lists are being made at this node."}
		}
	}
}

// answerError is where the generated code leaves errors.
func answerError(w http.ResponseWriter, _ *http.Request, err error) {
	c := w.(*call)
	f := asFailure(err)
	c.failed = f
	if c.status != 0 {
		return
	}
	if f.retryAfter > 0 {
		c.Header().Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.challenge != "" {
		c.Header().Set("WWW-Authenticate", f.challenge)
	}
	if f.status == http.StatusUnauthorized {
		c.WriteHeader(f.status)
		return
	}
	c.Header().Set("Content-Type", "application/json")
	c.WriteHeader(f.status)
	_ = json.NewEncoder(c).Encode(Error{Code: string(f.reason), Message: f.message}) // a caller that left needs none
}

// LogFailed is the text of the line about a failed request. Whoever has the logger may sum such lines up
// by their attributes reason and operation.
const LogFailed = "presence request failed"

func (e *Endpoint) log(ctx context.Context, c *call) {
	level := slog.LevelWarn
	switch c.failed.reason {
	case ReasonInternal:
		level = slog.LevelError
	case ReasonCallerGone:
		level = slog.LevelDebug
	}
	e.options.Logger.LogAttrs(ctx, level, LogFailed, slog.String("operation", c.operation), slog.Int("status", c.status),
		slog.String("reason", string(c.failed.reason)), slog.String("error", c.failed.Error()), slog.String("trace", c.traced.ID))
}
