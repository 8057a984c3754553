package hubserver

// EventKind says what a client has caused.
type EventKind string

// The kinds of events.
const (
	// EventConnected: a client has connected, and OnConnected is to be called.
	EventConnected EventKind = "connected"
	// EventInvocation: a client has called a method.
	EventInvocation EventKind = "invocation"
	// EventDisconnected: a client has gone, and OnDisconnected is to be called.
	EventDisconnected EventKind = "disconnected"
)

// Event is what a Middleware runs around.
type Event struct {
	Kind EventKind
	// Method is the name of the called method, as Hub.Handle got it. It is empty for the
	// other kinds.
	Method string
	// Streaming is true for a method that returns a stream.
	Streaming bool
	// Cause is why the client has gone, as OnDisconnected gets it. It is nil for the other
	// kinds.
	Cause error
}

// Middleware runs around an event: it does its part and calls next, which runs the handler.
// It serves for logs, metrics, traces and permissions.
//
// next returns the handler's error. A panic of the handler is such an error, and so are
// arguments that do not fit the method. For a method that returns a stream, next returns when
// the stream has ended. next may be given another Context, made by ctx.WithContext.
//
// The error that the middleware returns replaces that of the handler: for an invocation the
// client is told as Hub.Handle says, for EventConnected the client is refused, and for
// EventDisconnected the error is logged. A middleware that does not call next keeps the
// handler from running; if it returns nil as well, the client gets an answer without a result.
//
// It is called concurrently for different clients.
type Middleware func(ctx *Context, event Event, next func(*Context) error) error

// Use adds middleware. The first one added is the outermost.
func (h *Hub) Use(middleware ...Middleware) {
	h.handlers.middleware = append(h.handlers.middleware, middleware...)
}

// around runs a handler inside of the middleware. A panic of either is an error.
func (h *Hub) around(ctx *Context, event Event, handler func(*Context) error) error {
	next := func(ctx *Context) error { return guard(func() error { return handler(ctx) }) }
	for i := len(h.handlers.middleware) - 1; i >= 0; i-- {
		middleware, inner := h.handlers.middleware[i], next
		next = func(ctx *Context) error {
			return guard(func() error { return middleware(ctx, event, inner) })
		}
	}
	return next(ctx)
}
