package restapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hubgate/hubgate/internal/trace"
)

// call is one request on its way through the handler. It is the
// ResponseWriter that everything behind the router gets, and so also the place
// where the parts in front of and behind the generated code meet.
type call struct {
	http.ResponseWriter
	began     time.Time
	status    int
	operation string
	query     query
	// failed is what the request failed of, nil if it did not.
	failed *failure
	// stack is set by a panic.
	stack []byte
	wants wants
	// receipt is the answer in the place of 202, if the caller wants one.
	receipt []byte
	route   chi.Context
	body    body
	ctx     routed
}

// wants is what a caller asks for besides the operation.
type wants struct {
	// count: to be told how many connections a send matched.
	count bool
	// traced has the id of the request, the caller's or one of ours, and its span.
	traced trace.Served
	// request is the request as it came.
	request *http.Request
	prefer  preference
	// respelled: the path was that of the other version.
	respelled bool
	// once is set while a request with an Idempotency-Key has no answer.
	once *once
}

func newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{ResponseWriter: w, began: time.Now(), operation: UnknownOperation}
	c.ctx = routed{Context: r.Context(), call: c}
	c.wants.request = r
	if values := r.Header[PreferHeader]; len(values) > 0 {
		c.wants.prefer = parsePrefer(values)
	}
	return c
}

// routed is the context of a request: that of net/http, and in it the call,
// where the router looks for its own part.
type routed struct {
	context.Context
	call *call
}

type callKey struct{}

// Value returns the call and the router's part of it, else what net/http's
// context has.
func (r *routed) Value(key any) any {
	switch key {
	case chi.RouteCtxKey:
		return &r.call.route
	case callKey{}:
		return r.call
	}
	return r.Context.Value(key)
}

// reroute lets the router look again, for another path.
func (c *call) reroute(path string) {
	method := c.route.RouteMethod
	c.route.Reset()
	c.route.RoutePath, c.route.RouteMethod = path, method
}

// WriteHeader remembers the status for the counters.
func (c *call) WriteHeader(status int) {
	if o := c.wants.once; o != nil {
		c.wants.once = nil
		o.settle(c, status)
	}
	if status == http.StatusAccepted && c.receipt != nil {
		c.writeReceipt()
		return
	}
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write is an answer of 200 if nothing was said before.
func (c *call) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// tellTrace tells the caller the id of the request, if it has one.
func (c *call) tellTrace() {
	if c.wants.traced.ID != "" {
		c.Header()[trace.Header] = []string{c.wants.traced.ID}
	}
}

// fail answers with the error, unless an answer has begun.
func (c *call) fail(err error) {
	c.failed = asFailure(err)
	if c.wants.traced.ID == "" {
		c.wants.traced.ID, _ = trace.New()
	}
	if c.status != 0 {
		return
	}
	c.tellTrace()
	c.failed.write(c)
}

// level of the line about a failed request. That something does not exist is
// an answer more than a failure: applications ask for just that. So is the health of
// a node that shuts down, which every probe asks for. A full hub or store is no fault of
// the gateway: callers ask for more than there is room for, as often as they like. Nodes
// and stores that do not answer are the log's of those.
func (f *failure) level() slog.Level {
	switch {
	case f.reason == ReasonNotExisted, f.reason == ReasonCallerGone, f.reason == ReasonDraining:
		return slog.LevelDebug
	case f.reason == ReasonHubBusy, f.reason == ReasonFull, f.reason == ReasonStoreDown, f.reason == ReasonIncomplete:
		return slog.LevelWarn
	case f.status >= http.StatusInternalServerError:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// LogFailed is the text of the line about a failed request. Whoever has the logger
// may sum such lines up by their attributes reason and operation.
const LogFailed = "request failed"

// maxLoggedPath bounds what a caller can put into one line.
const maxLoggedPath = 256

// log writes the line about a failed request. The path has no secret in it;
// the query could, by mistake of a caller, and is left out.
func (c *call) log(ctx context.Context, logger *slog.Logger, r *http.Request) {
	level := c.failed.level()
	if !logger.Enabled(ctx, level) {
		return
	}
	path := r.URL.EscapedPath()
	attributes := []slog.Attr{
		slog.String("operation", c.operation), slog.Int("status", c.status),
		slog.String("reason", string(c.failed.reason)), slog.String("method", r.Method),
		slog.String("path", path[:min(len(path), maxLoggedPath)]), slog.String("error", c.failed.Error()),
		slog.String("trace", c.wants.traced.ID),
	}
	if id := c.wants.traced.Trace(); id != "" {
		attributes = append(attributes, slog.String("trace_id", id))
	}
	if c.stack != nil {
		attributes = append(attributes, slog.String("stack", string(c.stack)))
	}
	logger.LogAttrs(ctx, level, LogFailed, attributes...)
}
