package restapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/hubgate/hubgate/api"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/internal/trace"
)

// Endpoint is what stands in front of the generated router: it canonicalises
// path and query, bounds the body, and counts and logs what came of it. Make one
// with New. It may be called concurrently.
type Endpoint struct {
	options Options // filled
	failed  *counts.Counts[FailureReason]
	router  *chi.Mux
	// operations are those of the contract by method and path. Immutable.
	operations map[operationKey]api.Operation
}

type operationKey struct{ method, path string }

func newHandler(options Options) *Endpoint {
	operations, err := api.Operations()
	if err != nil {
		panic(err) // The contract is part of the binary, and tests read it.
	}
	h := &Endpoint{
		options: options, failed: counts.New(failureList), router: chi.NewRouter(),
		operations: make(map[operationKey]api.Operation, len(operations)),
	}
	for _, operation := range operations {
		h.operations[operationKey{operation.Method, operation.Path}] = operation
	}
	h.router.NotFound(h.notFound)
	h.router.MethodNotAllowed(h.methodNotAllowed)
	strict := NewStrictHandlerWithOptions(&server{options}, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc: answerError, ResponseErrorHandlerFunc: answerError,
	})
	HandlerWithOptions(strict, ChiServerOptions{
		BaseRouter: h.router.With(h.admit), ErrorHandlerFunc: answerError,
	})
	return h
}

// answerError is where the generated code leaves errors.
func answerError(w http.ResponseWriter, _ *http.Request, err error) { w.(*call).fail(err) }

// ServeHTTP answers one request.
func (h *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := newCall(w, r)
	c.wants.traced.Begin(h.options.Tracer, r, c.began)
	defer h.finish(c, r)
	if c.wants.traced.ID == "" && h.options.Traced() {
		c.wants.traced.ID, _ = trace.New()
	}
	c.tellTrace()
	h.serve(c, r)
}

func (h *Endpoint) serve(c *call, r *http.Request) {
	limits := h.options.Limits().orDefaults()
	hasBody := r.Body != nil && r.Body != http.NoBody
	if hasBody {
		// Also for operations without a body: net/http reads on after the answer.
		c.body = newBody(c.ResponseWriter, r, limits)
	}
	if int64(len(r.RequestURI)) > limits.URIBytes {
		c.fail(refused(http.StatusRequestURITooLong, ReasonURITooLong, "The URL is too long."))
		return
	}
	if isPreflight(r) {
		c.fail(refused(http.StatusForbidden, ReasonPage, "The REST API is not for pages: its tokens are signed with the access key, which must stay on a server. Let your application send."))
		return
	}
	c.query = canonicalQuery(r.URL.RawQuery)
	c.wants.count = r.Header.Get(CountHeader) != ""
	c.route.RoutePath = routePath(r.URL)
	c.route.RouteMethod = r.Method
	if r.Method == http.MethodHead {
		c.route.RouteMethod = http.MethodGet
	}
	r = r.WithContext(&c.ctx)
	if hasBody {
		r.Body = &c.body
	}
	if c.query.raw != r.URL.RawQuery {
		changed := new(url.URL)
		*changed = *r.URL
		changed.RawQuery = c.query.raw
		r.URL = changed
	}
	h.router.ServeHTTP(c, r)
}

// finish counts and logs. A panic ends the request alone.
func (h *Endpoint) finish(c *call, r *http.Request) {
	if value := recover(); value != nil {
		if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(value)
		}
		c.stack = debug.Stack()
		c.fail(&failure{
			status: http.StatusInternalServerError, reason: ReasonPanic, code: codeUnknown,
			message: "The gateway could not carry out the request.", cause: fmt.Errorf("panic: %v", value),
		})
	}
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.body.release()
	c.end(r)
	if c.failed == nil || c.failed.reason != ReasonDraining { // the alert for 503 is not for deployments
		h.options.Metrics.Request(c.operation, c.status, time.Since(c.began))
	}
	if c.failed != nil {
		h.failed.Add(c.failed.reason, 1)
		c.log(r.Context(), h.options.Logger, r)
	}
	if h.options.Answered != nil {
		h.options.Answered(c.summary(r))
	}
}

// summary is the request when it is finished.
func (c *call) summary(r *http.Request) *Answered {
	a := &Answered{
		Request: r, Operation: c.operation, Status: c.status, Took: time.Since(c.began), Trace: c.wants.traced.ID,
		Hub: c.route.URLParam("hub"), User: c.route.URLParam("user"), Connection: c.route.URLParam("connection"), Group: c.route.URLParam("group"),
	}
	if c.failed != nil {
		a.Reason, a.Text = c.failed.reason, c.failed.Error()
	}
	return a
}

// admit stands between the router and the generated code: it names the
// operation, and lets nobody without a token look at parameters.
func (h *Endpoint) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := w.(*call)
		operation := h.operations[operationKey{r.Method, r.Pattern}]
		c.operation = operation.ID
		if err := h.check(c, r, &operation); err != nil {
			c.fail(err)
			return
		}
		if len(r.Header[KeyHeader]) > 0 {
			h.serveOnce(c, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Endpoint) check(c *call, r *http.Request, operation *api.Operation) error {
	if operation.Public {
		return nil
	}
	token, ok := auth.BearerToken(r.Header)
	if !ok {
		return &auth.TokenError{Failure: auth.TokenMissing}
	}
	if err := h.options.Tokens.REST(token, r.Method, escapedPath(r.URL), c.query.application); err != nil {
		return err
	}
	c.wants.traced.Accepted(r)
	if err := h.options.Limit(token, h.bodySize(r)); err != nil {
		return err
	}
	if c.query.err != nil {
		return refused(http.StatusBadRequest, ReasonParameter, "The query has an invalid escape.")
	}
	if operation.Versioned && (c.query.versions > 1 || c.query.versions == 1 && !goodVersion(c.query.version)) {
		return refused(http.StatusBadRequest, ReasonParameter, "The api-version is not a date such as 2022-06-01.")
	}
	return h.options.Available()
}

// bodySize is what a body counts for before it is read.
func (h *Endpoint) bodySize(r *http.Request) int64 {
	if r.ContentLength >= 0 {
		return r.ContentLength
	}
	return h.options.Limits().orDefaults().BodyBytes
}

// escapedPath returns the path as it came in. URL.EscapedPath would escape
// anew, and lose escaped slashes, where the caller left out another escape.
func escapedPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// isPreflight reports whether a browser asks for a page whether it may send a
// request. It may not: without an answer with CORS headers it does not send it.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

func (h *Endpoint) notFound(w http.ResponseWriter, r *http.Request) {
	c := w.(*call)
	if h.otherwise(c, r) {
		return
	}
	f := refused(http.StatusNotFound, ReasonUnknownRoute, "There is no such operation.")
	f.code = codeRequestNotExisted
	c.fail(f)
}

// otherwise serves a request whose path is that of the other version, and
// reports whether it is.
func (h *Endpoint) otherwise(c *call, r *http.Request) bool {
	other := otherSpelling(c.route.RoutePath)
	if c.wants.respelled || other == "" || !h.router.Match(chi.NewRouteContext(), c.route.RouteMethod, other) {
		return false
	}
	c.wants.respelled = true
	c.reroute(other)
	h.router.ServeHTTP(c, r)
	return true
}

var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
}

func (h *Endpoint) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	c := w.(*call)
	if h.otherwise(c, r) {
		return
	}
	allowed := slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
		if method == http.MethodHead {
			method = http.MethodGet
		}
		return !h.router.Match(chi.NewRouteContext(), method, c.route.RoutePath)
	})
	if len(allowed) == 0 {
		h.notFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	c.fail(refused(http.StatusMethodNotAllowed, ReasonMethod, "The path does not have this method."))
}
