package clientaspnet

import (
	"log/slog"
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
	// BasePath is the path, without a slash at the end, that clients see in front of the
	// endpoint's own: that of the public URL, when a proxy takes it off the requests. "" is none.
	BasePath string
	// Serverless reports whether an application is in Serverless mode, which has no clients of
	// ASP.NET SignalR. The name is as the token has it. Nil means that none is.
	Serverless func(application string) bool
	// Forwarder carries requests for connections of other nodes to them. Nil means
	// that there is no other node.
	Forwarder transport.Forwarder
	// Available returns nil, or why the endpoint serves nobody now: an error of package transport. Nil
	// means that it always does.
	Available func() error
	// Origins returns the origins that browsers may come from; "*" is any.
	// Nil means any.
	Origins func() []string
	// Limits returns the bounds and periods; nil means DefaultLimits.
	Limits func() Limits
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Logger receives one line for each refused request; nil discards.
	Logger *slog.Logger
	// Metrics counts; nil counts nothing.
	Metrics transport.Metrics
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Limits are the bounds and periods of the endpoint.
type Limits struct {
	Periods
	// BodyBytes bounds the body of a request: a call in a form, where a byte may take three.
	BodyBytes int64
	// MessageBytes bounds one call that comes by WebSocket. What is kept of all calls that have not come
	// to their end is bounded by gateway.Limits.UnfinishedBytes.
	MessageBytes int
	// URIBytes bounds the request's URI, query included.
	URIBytes int
	// HeaderBytes bounds the sum of the request's headers, see transport.HeaderBytes.
	HeaderBytes int64
}

// Periods are times of the protocol. Clients are told some of them, in seconds.
type Periods struct {
	// KeepAlive is the time from one keep-alive to the next, whatever else is sent.
	KeepAlive time.Duration
	// KeepAliveTimeout is told: the silence after which a client takes its transport for lost.
	KeepAliveTimeout time.Duration
	// DisconnectTimeout is how long a client may be without a transport, or without a poll. It is
	// told: so long a client tries to come back.
	DisconnectTimeout time.Duration
	// ConnectTimeout is told: how long a client waits for the first frame on a transport before it
	// tries the next one.
	ConnectTimeout time.Duration
	// PollInterval is how long a poll without data is held. It is told, and clients wait 10 s longer.
	PollInterval time.Duration
	// NegotiateTimeout is how long a negotiated connection may wait for its first transport.
	// Clients try three, one after the other.
	NegotiateTimeout time.Duration
	// SendTimeout is how long a client may take no byte while bytes wait (D12).
	SendTimeout time.Duration
}

// DefaultLimits are those of ASP.NET SignalR itself where it has them, else those of Azure SignalR
// Service.
func DefaultLimits() Limits {
	return Limits{
		Periods: Periods{
			KeepAlive:         10 * time.Second,
			KeepAliveTimeout:  20 * time.Second,
			DisconnectTimeout: 30 * time.Second,
			ConnectTimeout:    5 * time.Second,
			PollInterval:      110 * time.Second,
			NegotiateTimeout:  30 * time.Second,
			SendTimeout:       10 * time.Second,
		},
		BodyBytes: 1 << 20, MessageBytes: 1 << 20,
		URIBytes: 12 << 10, HeaderBytes: 16 << 10,
	}
}

// complete fills in what may be left out.
func (o *Options) complete() {
	if o.Gateway == nil || o.Verifier == nil || o.Sealer == nil {
		panic("clientaspnet: Options need Gateway, Verifier and Sealer")
	}
	o.BasePath = strings.TrimSuffix(o.BasePath, "/")
	if o.Serverless == nil {
		o.Serverless = func(string) bool { return false }
	}
	if o.Origins == nil {
		o.Origins = func() []string { return []string{"*"} }
	}
	if o.Limits == nil {
		limits := DefaultLimits()
		o.Limits = func() Limits { return limits }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = transport.NoMetrics{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}
