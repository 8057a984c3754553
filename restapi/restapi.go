// Package restapi is the REST data plane: the requests with which applications
// send to clients, close them and manage groups. Routing and parameters are
// generated from the contract in package api; this package holds the handlers,
// what stands in front of the generated router, and the one place where errors
// become answers.
package restapi

//go:generate go tool oapi-codegen -config oapi-codegen.yaml ../api/openapi.yaml

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/trace"
)

// Hubs is the part of the gateway that carries out commands. *gateway.Gateway
// implements it.
type Hubs interface {
	Do(ctx context.Context, cmd *gateway.Command) (gateway.Result, error)
	// Invoke waits for the answer of one client.
	Invoke(ctx context.Context, cmd gateway.Command, message func(invocationID string) (*hubprotocol.Frames, error)) (gateway.Answer, error)
	// Draining reports whether the node is shutting down, or will do so in a moment.
	Draining() bool
}

// UserGroups is the part of the gateway that manages memberships of users,
// connected or not. *gateway.Gateway implements it.
type UserGroups interface {
	// AddUserToGroup: no ttl means no end, 0 only the connections of now.
	AddUserToGroup(ctx context.Context, hub, user, group string, ttl *time.Duration) error
	RemoveUserFromGroup(ctx context.Context, hub, user, group string) error
	RemoveUserFromAllGroups(ctx context.Context, hub, user string) error
	UserInGroup(ctx context.Context, hub, user, group string) (bool, error)
}

// Tokens verifies bearer tokens. *auth.Verifier implements it; the errors are
// of type *auth.TokenError.
type Tokens interface {
	REST(token, method, escapedPath, application string) error
	// AccessKey returns a key for tokens of clients to whoever may connect as a hub server (R40).
	AccessKey(token string) (auth.ClientKey, error)
}

// Metrics counts requests. Its methods are called concurrently.
type Metrics interface {
	// Request counts one finished request, but for health that is asked of a node
	// that shuts down: each probe asks. The operation is an operationId of
	// the contract or UnknownOperation; took is the time from when its headers
	// were read to the end of the answer.
	Request(operation string, status int, took time.Duration)
}

// UnknownOperation is the operation of requests that the contract does not have.
const UnknownOperation = "Unknown"

// Limits bounds what one request may take. A value of 0 means the default.
type Limits struct {
	// BodyBytes is the largest message body, 1 MiB by default; over it: 413 (R18).
	BodyBytes int64
	// URIBytes is the longest path with query, 12 KiB by default; over it: 414.
	URIBytes int64
	// BodyTimeout is how long a body may take to arrive, 30 s by default; then: 408.
	BodyTimeout time.Duration
	// InvokeTimeout is how long a client may take to answer, 30 s by default; then: 504.
	InvokeTimeout time.Duration
	// IdempotencyAge is for how long an Idempotency-Key is remembered, 10 minutes by default, a second at least. Less
	// than 0 refuses requests that have one.
	IdempotencyAge time.Duration
}

const (
	defaultBodyBytes   = 1 << 20
	defaultURIBytes    = 12 << 10
	defaultBodyTimeout = 30 * time.Second

	defaultInvokeTimeout  = 30 * time.Second
	defaultIdempotencyAge = 10 * time.Minute
)

// Options is what the handler works with. Hubs, UserGroups, Tokens and
// SignClient are required. The functions are called for every request,
// concurrently, and must be cheap.
type Options struct {
	Hubs       Hubs
	UserGroups UserGroups
	Tokens     Tokens
	// SignClient signs a token with which a client may connect to the hub (R39),
	// given by its key. An empty user is an anonymous client.
	SignClient func(hub, user string, lifetime time.Duration) (string, error)
	// Limits returns the bounds in force; nil means the defaults.
	Limits func() Limits
	// Traced says whether requests that bring no id get one, because a log or somebody who watches
	// shows them. Nil gives one only to those that fail.
	Traced func() bool
	// Tracer makes a span for each request, which goes on with the trace of its caller. Nil makes none.
	Tracer trace.Tracer
	// Available returns why requests cannot be carried out yet, an error that is
	// gateway.ErrIncomplete while not all nodes are known. It is asked for each request. Nil means
	// that they always can.
	Available func() error
	// Limit counts a request of a caller whose token was accepted, and the bytes of its body; a body whose length the
	// caller does not say counts as the largest. The error, a *gateway.Overrun, refuses it. Nil bounds nothing.
	Limit func(token string, bytes int64) error
	// Claims remembers requests with an Idempotency-Key. Nil refuses them.
	Claims Claims
	// Logger gets one line for every failed request; nil discards them.
	Logger *slog.Logger
	// Metrics counts requests; nil counts nothing.
	Metrics Metrics
	// Answered is told of each finished request, concurrently; it must be cheap. Nil tells nobody.
	Answered func(a *Answered)
}

// Answered is a finished request. Its texts are those of the request.
type Answered struct {
	Request *http.Request
	// Operation is an operationId of the contract or UnknownOperation.
	Operation string
	Status    int
	// Reason is why the request failed, "" if it did not, Text the error.
	Reason FailureReason
	Text   string
	Took   time.Duration
	// Trace is the id of the request, "" if it has none.
	Trace string
	// Hub, User, Connection and Group are those of the path, as they stand there.
	Hub, User, Connection, Group string
}

// New returns the handler for everything that Handles reports. It needs the
// request's URL as it came in, with the prefix /api and with its escapes: no
// handler that cleans or cuts paths (http.ServeMux among them) may stand in
// front of it. It panics if a required option is missing.
func New(options Options) *Endpoint {
	if options.Hubs == nil || options.UserGroups == nil || options.Tokens == nil || options.SignClient == nil {
		panic("restapi: Hubs, UserGroups, Tokens and SignClient are required")
	}
	if options.Limits == nil {
		options.Limits = func() Limits { return Limits{} }
	}
	if options.Available == nil {
		options.Available = func() error { return nil }
	}
	if options.Limit == nil {
		options.Limit = func(string, int64) error { return nil }
	}
	if options.Traced == nil {
		options.Traced = func() bool { return false }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Metrics == nil {
		options.Metrics = uncounted{}
	}
	return newHandler(options)
}

// Handles reports whether a request's URL.Path belongs to the data plane: its
// first segment is "api" in any letter case.
func Handles(path string) bool {
	first, isRooted := strings.CutPrefix(path, "/")
	first, _, _ = strings.Cut(first, "/")
	return isRooted && auth.EqualFoldASCII(first, "api")
}

func (l Limits) orDefaults() Limits {
	if l.BodyBytes <= 0 {
		l.BodyBytes = defaultBodyBytes
	}
	if l.URIBytes <= 0 {
		l.URIBytes = defaultURIBytes
	}
	if l.BodyTimeout <= 0 {
		l.BodyTimeout = defaultBodyTimeout
	}
	if l.InvokeTimeout <= 0 {
		l.InvokeTimeout = defaultInvokeTimeout
	}
	if l.IdempotencyAge == 0 {
		l.IdempotencyAge = defaultIdempotencyAge
	}
	return l
}

type uncounted struct{}

func (uncounted) Request(string, int, time.Duration) {}
