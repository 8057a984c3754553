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

// Hub is a set of methods that clients call, and the way to those clients. It is made by
// NewHub, gets its handlers and the values of its fields before Server.Serve, and is then
// fixed; its other methods may be called concurrently. A Hub belongs to one Server.
type Hub struct {
	// KeepAlive is the silence after which a client is pinged. Clients give up after
	// 30 s of silence, unless told otherwise. 0 means DefaultKeepAlive.
	KeepAlive time.Duration
	// ClientTimeout is how long a client that has once pinged may be silent. 0 means
	// DefaultClientTimeout.
	ClientTimeout time.Duration
	// HandshakeTimeout is how long a client may take to name its protocol. 0 means
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// Parallel is how many calls of one client may run at once. 0 means one, which keeps
	// the calls in order.
	Parallel int
	// MaxMessage is the size in bytes of the largest message that a client may send. 0
	// means DefaultMaxMessage. A client that sends a larger one is closed.
	MaxMessage int
	// MaxPending is how many bytes of calls and stream items of one client may wait for
	// their turn. 0 means DefaultMaxPending. Over it the client is closed.
	MaxPending int

	name         string
	methods      map[string]*method // by name in lower case
	connected    func(*Context) error
	disconnected func(*Context, error)
	pool         atomic.Pointer[pool]
}

// NewHub returns a hub without methods. The name is the one that the gateway knows; its
// letter case does not matter.
func NewHub(name string) *Hub {
	if name == "" {
		panic("hubserver: a hub needs a name")
	}
	return &Hub{name: name, methods: make(map[string]*method)}
}

// Name returns the hub's name.
func (h *Hub) Name() string { return h.name }

// Handle registers a function as the method that clients call by the name, in any letter
// case. It panics if the name is taken or the function's type is none of:
//
//	func(ctx *Context, arguments...) [T] [error]
//	func(ctx *Context, arguments...) (iter.Seq2[T, error] [, error])
//	func(ctx *Context, arguments...) (<-chan T [, error])
//
// The latter two are streams, whose items clients get one by one; a stream must end when
// ctx does. An argument of type <-chan T is a stream of the client's: it is closed at the
// client's end of it, or when ctx ends; if the client's stream failed, ctx ends with an
// Error of that text as its cause.
//
// ctx ends when the method or its stream has returned, the client has left or was moved,
// or it has cancelled the call. A panic is logged and is an error for the client.
func (h *Hub) Handle(name string, function any) {
	key := strings.ToLower(name)
	if name == "" || h.methods[key] != nil {
		panic(fmt.Sprintf("hubserver: method %q has no name or has one already taken", name))
	}
	m, err := newMethod(name, function)
	if err != nil {
		panic(fmt.Sprintf("hubserver: method %q: %v", name, err))
	}
	h.methods[key] = m
}

// OnConnected sets the function that is called for each new client, before any of its
// methods. An error closes the client, which is told the text of an Error only and does
// not reconnect.
func (h *Hub) OnConnected(function func(ctx *Context) error) { h.connected = function }

// OnDisconnected sets the function that is called for each client whose OnConnected has
// succeeded, when it has gone and its calls have ended. The error is why: nil if it left,
// else one of the package's errors or one that says what the client did wrong. The
// context ends after ten seconds.
func (h *Hub) OnDisconnected(function func(ctx *Context, err error)) { h.disconnected = function }

// Clients returns the way to the hub's clients.
func (h *Hub) Clients() Clients { return Clients{h} }

// Groups returns the way to the hub's groups.
func (h *Hub) Groups() Groups { return Groups{h} }

// Active tells whether the hub has clients, on whatever server: what the gateway has
// answered last, which is asked every ten seconds.
func (h *Hub) Active() bool {
	p := h.pool.Load()
	return p != nil && p.active.Load()
}

// method returns the method of that name, nil for none.
func (h *Hub) method(name string) *method {
	if m := h.methods[name]; m != nil {
		return m
	}
	return h.methods[strings.ToLower(name)]
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
