package hubserver

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// Defaults of the fields of Hub.
const (
	DefaultKeepAlive        = 15 * time.Second
	DefaultClientTimeout    = 30 * time.Second
	DefaultHandshakeTimeout = 15 * time.Second
	DefaultMaxMessage       = 1 << 20
	DefaultMaxPending       = 4 << 20
)

// Hub is a set of methods that clients call. It also sends to those clients. It is made by
// NewHub. Its fields, handlers and middleware must be set before Server.Serve and not changed
// afterwards; its other methods may be called concurrently. A Hub belongs to one Server.
type Hub struct {
	// KeepAlive is the silence after which a client is pinged. Clients give up after 30 s of
	// silence, unless they are configured otherwise. 0 means DefaultKeepAlive.
	KeepAlive time.Duration
	// ClientTimeout is how long a client may be silent, once it has pinged. 0 means
	// DefaultClientTimeout.
	ClientTimeout time.Duration
	// HandshakeTimeout is how long a client may take to name its protocol. 0 means
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// Parallel is how many calls of one client may run at once. 0 means one, which keeps the
	// calls in order.
	Parallel int
	// MaxMessage is the size in bytes of the largest message that a client may send. A client
	// that sends a larger one is closed. 0 means DefaultMaxMessage.
	MaxMessage int
	// MaxPending is how many bytes of calls and stream items of one client may wait for their
	// turn. A client that exceeds it is closed. 0 means DefaultMaxPending.
	MaxPending int

	name     string
	handlers hubHandlers
	pool     atomic.Pointer[pool]
}

// hubHandlers is what an application has registered.
type hubHandlers struct {
	methods      map[string]*method // by name in lower case
	middleware   []Middleware       // the outermost first
	connected    func(*Context) error
	disconnected func(*Context, error)
}

// NewHub returns a hub without methods. The name is the one that the gateway uses for it; its
// letter case does not matter. NewHub panics if the name is empty.
func NewHub(name string) *Hub {
	if name == "" {
		panic("hubserver: a hub needs a name")
	}
	return &Hub{name: name, handlers: hubHandlers{methods: make(map[string]*method)}}
}

// Name returns the hub's name.
func (h *Hub) Name() string { return h.name }

// Handle registers a function as a method of the hub. Clients may write the name in any letter
// case. Handle panics if the name is taken, or if the function has none of these types:
//
//	func(ctx *Context, arguments...) [T] [error]
//	func(ctx *Context, arguments...) (iter.Seq2[T, error] [, error])
//	func(ctx *Context, arguments...) (<-chan T [, error])
//
// The last two return a stream, whose items the client gets one by one. A stream must end when
// ctx ends.
//
// An argument of type <-chan T is a stream from the client. The channel is closed when the
// client ends its stream, or when ctx ends. If the client ends its stream with an error, ctx
// ends too, and its cause is an Error with the client's text.
//
// ctx ends when the method and its stream have ended, the client has gone, or the client has
// cancelled the call. If the method returns an error, the client is told the text of an Error,
// and nothing about any other. A panic is logged and counts as such an error.
func (h *Hub) Handle(name string, function any) {
	key := strings.ToLower(name)
	if name == "" || h.handlers.methods[key] != nil {
		panic(fmt.Sprintf("hubserver: method %q has no name or has one already taken", name))
	}
	m, err := newMethod(name, function)
	if err != nil {
		panic(fmt.Sprintf("hubserver: method %q: %v", name, err))
	}
	h.handlers.methods[key] = m
}

// OnConnected sets the function that is called for each new client, before any of its
// methods. If it returns an error, the client is closed and does not reconnect automatically.
// The client is told the text of an Error, and nothing about any other.
func (h *Hub) OnConnected(function func(ctx *Context) error) { h.handlers.connected = function }

// OnDisconnected sets the function that is called when a client has gone and all its calls
// have ended. It is called only if OnConnected has succeeded. The error says why the client has
// gone: it is nil if the client left by itself. Otherwise it is one of the errors of this package,
// or says what the client did wrong. The context ends after ten seconds.
func (h *Hub) OnDisconnected(function func(ctx *Context, err error)) {
	h.handlers.disconnected = function
}

// Clients addresses the hub's clients, to send to them.
func (h *Hub) Clients() Clients { return Clients{h} }

// Groups manages who is in the hub's groups. To send to a group use Clients.
func (h *Hub) Groups() Groups { return Groups{h} }

// Active reports whether the hub has clients on any server. It returns the gateway's last answer;
// the gateway is asked every ten seconds.
func (h *Hub) Active() bool {
	p := h.pool.Load()
	return p != nil && p.active.Load()
}

// method returns the method of that name, nil for none.
func (h *Hub) method(name string) *method {
	if m := h.handlers.methods[name]; m != nil {
		return m
	}
	return h.handlers.methods[strings.ToLower(name)]
}

// served returns the hub's pool.
func (h *Hub) served() (*pool, error) {
	if p := h.pool.Load(); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("hub %q: %w", h.name, ErrNotConnected)
}

func (h *Hub) keepAlive() time.Duration     { return orDefault(h.KeepAlive, DefaultKeepAlive) }
func (h *Hub) clientTimeout() time.Duration { return orDefault(h.ClientTimeout, DefaultClientTimeout) }
func (h *Hub) handshakeTimeout() time.Duration {
	return orDefault(h.HandshakeTimeout, DefaultHandshakeTimeout)
}
func (h *Hub) parallel() int   { return orDefault(h.Parallel, 1) }
func (h *Hub) maxMessage() int { return orDefault(h.MaxMessage, DefaultMaxMessage) }
func (h *Hub) maxPending() int { return orDefault(h.MaxPending, DefaultMaxPending) }

func orDefault[T int | time.Duration](value, fallback T) T {
	if value <= 0 {
		return fallback
	}
	return value
}

// supports tells whether the hub's clients may speak the protocol.
func supports(protocol string) bool { return hubprotocol.Supported(protocol) }
