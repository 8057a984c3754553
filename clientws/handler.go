package clientws

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// Options are what a Handler is made of. The functions are asked anew for each
// request, concurrently, and must be cheap.
type Options struct {
	// Gateway, Verifier and Sealer are required.
	Gateway  *gateway.Gateway
	Verifier *auth.Verifier
	Sealer   *auth.Sealer
	// Node is this node's tag in the connection ids it makes.
	Node string
	// Path is where the endpoint is, without a slash at the end; "" means /client.
	Path string
	// Forwarder carries requests for connections of other nodes to them. Nil means
	// that there is no other node.
	Forwarder Forwarder
	// Peers are other nodes that make WebSocket connections of ids which this node has given out,
	// and give out ids of which this node makes them. Nil means that WebSockets are forwarded too.
	Peers gateway.Peers
	// Available returns nil, or why the endpoint serves nobody now: an error of package transport. Nil
	// means that it always does.
	Available func() error
	// Origins returns the origins that browsers may come from; "*" is any.
	// Nil means any.
	Origins func() []string
	// Limits returns the bounds and periods; nil means DefaultLimits.
	Limits func() Limits
	// KeepHeaders says whether the application behind a hub wants the claims of
	// the token and the headers of the request that opens a connection. They
	// stay in memory as long as the connection lives. Nil means no hub's does.
	KeepHeaders func(hub string) bool
	// Stateful says whether clients of a hub that ask for stateful reconnect are granted it. Nil means
	// that those of every hub are.
	Stateful func(hub string) bool
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Logger receives one line for each refused request; nil discards.
	Logger *slog.Logger
	// Metrics counts; nil counts nothing.
	Metrics Metrics
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Limits are the bounds and periods of the client endpoint.
type Limits struct {
	// NegotiateTimeout is how long a negotiated id may wait for its transport (D1).
	NegotiateTimeout time.Duration
	// LongPollInterval is how long a poll without data is held (C54). A token
	// may say otherwise (asrs.s.ttl). Clients give up after 100 s.
	LongPollInterval time.Duration
	// SendTimeout is how long a client may take no byte while bytes wait (D12).
	SendTimeout time.Duration
	// PostBytes bounds the body of a POST, and what is posted to an id before
	// its transport starts (D5).
	PostBytes int64
	// URIBytes bounds the request's URI, query included.
	URIBytes int
	// HeaderBytes bounds the sum of the request's headers, see transport.HeaderBytes.
	HeaderBytes int64
}

// DefaultLimits are the limits of Azure SignalR Service where they are known.
func DefaultLimits() Limits {
	return Limits{
		NegotiateTimeout: 15 * time.Second,
		LongPollInterval: 90 * time.Second,
		SendTimeout:      10 * time.Second,
		PostBytes:        1 << 20,
		URIBytes:         12 << 10,
		HeaderBytes:      16 << 10,
	}
}

// Handler serves Options.Path, with and without a slash, and negotiate and refresh below it. It may be called
// concurrently.
type Handler struct {
	options Options
	log     *slog.Logger
	refuser *transport.Refuser
	cors    transport.CORS
	pending pendingPosts
	posted  exchanges
	homes   homes
	// mint makes the ids of this process.
	mint *auth.Mint

	// sockets are the goroutines of WebSocket connections, and those that feed what came early.
	sockets transport.Running
}

// New returns a Handler. It panics without Gateway, Verifier or Sealer.
func New(options Options) *Handler {
	if options.Gateway == nil || options.Verifier == nil || options.Sealer == nil {
		panic("clientws: Options need Gateway, Verifier and Sealer")
	}
	if options.Path == "" {
		options.Path = auth.ClientPath
	}
	options.Path = strings.ToLower(options.Path)
	if options.Origins == nil {
		options.Origins = func() []string { return []string{"*"} }
	}
	if options.Stateful == nil {
		options.Stateful = func(string) bool { return true }
	}
	if options.Limits == nil {
		limits := DefaultLimits()
		options.Limits = func() Limits { return limits }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Metrics == nil {
		options.Metrics = transport.NoMetrics{}
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	h := &Handler{
		options: options, log: options.Logger,
		refuser: transport.NewRefuser(options.Logger),
		cors:    transport.CORS{Origins: options.Origins, Methods: "GET, POST, DELETE, OPTIONS"},
		pending: pendingPosts{now: options.Now},
		mint:    auth.NewMint(options.Node),
	}
	if options.Peers != nil {
		h.homes.converse(h, options.Peers)
	}
	return h
}

// Close refuses further WebSockets and waits until the last one has ended, or
// returns the context's error if that ends first. The connections themselves are
// ended by the gateway's Drain, requests of the other transports by the HTTP
// server's Shutdown: call both before, and the gateway's Close after.
func (h *Handler) Close(ctx context.Context) error {
	h.sockets.Refuse()
	h.pending.close()
	h.homes.close()
	return h.sockets.WaitFor(ctx)
}

// Wait returns when no goroutine of a WebSocket connection is left.
func (h *Handler) Wait() { h.sockets.Wait() }

// sendTimeout is how long a client may take no byte.
func (h *Handler) sendTimeout() time.Duration { return h.options.Limits().SendTimeout }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: &transport.Answer{ResponseWriter: w}, r: r}
	defer c.recover()
	h.cors.Allow(w.Header(), r)
	if err := h.route(c); err != nil {
		h.refuse(c, err)
	}
}

func (h *Handler) route(c *call) error {
	// The paths are compared in any letter case, as ASP.NET Core routes them.
	path := strings.ToLower(strings.TrimSuffix(c.r.URL.Path, "/"))
	negotiate, refresh := path == h.options.Path+"/negotiate", path == h.options.Path+"/refresh"
	limits := h.options.Limits()
	switch {
	case !negotiate && !refresh && path != h.options.Path:
		return errPath
	case c.r.Method == http.MethodOptions:
		// Whatever its size: a page can read the refusal of the request that follows.
		h.cors.Preflight(c.w, c.r)
		return nil
	case len(c.r.RequestURI) > limits.URIBytes:
		return transport.ErrURI
	case transport.HeaderBytes(c.r) > limits.HeaderBytes:
		return transport.ErrHeaders
	case negotiate && c.r.Method != http.MethodPost:
		return errNegotiate
	case refresh && c.r.Method != http.MethodPost:
		return errRefresh
	}
	if h.options.Available != nil {
		if err := h.options.Available(); err != nil {
			return err
		}
	}
	if err := transport.BoundBody(c.w, c.r); err != nil {
		return err
	}
	c.query = parseQuery(c.r.URL.RawQuery)
	if negotiate {
		return h.negotiate(c)
	}
	if refresh {
		return h.refresh(c)
	}
	return h.connect(c)
}

// connect dispatches requests of the transports.
func (h *Handler) connect(c *call) error {
	var serve func(*call) error
	needsID := true
	switch c.r.Method {
	case http.MethodGet:
		switch {
		case acceptsEvents(c.r):
			serve = h.serveEvents
		case transport.IsUpgrade(c.r):
			serve, needsID = h.serveWebSocket, false
		default:
			transport.NoStore(c.w.Header())
			serve = h.servePoll
		}
	case http.MethodPost:
		serve = h.servePost
	case http.MethodDelete:
		serve = h.serveDelete
	default:
		return errMethod
	}
	if forwarded, err := h.forward(c, c.authenticate()); forwarded || err != nil {
		return err
	}
	if needsID && !c.query.hasID {
		return errNoID
	}
	return serve(c)
}
