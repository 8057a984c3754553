package arm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/management"
	"github.com/hubgate/hubgate/secret"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// Options are what a Handler is made of.
type Options struct {
	// Settings is what the resource shows and changes. Required.
	Settings *management.Service
	// Place says which subscription and tenant there are.
	Place Place
	// Admits says who may manage the gateway with the bearer token of a request. Errors may have Status() int,
	// that of the answer, else 401, and RetryAfter() time.Duration. Required.
	Admits func(r *http.Request) (who string, err error)
	// Here refuses requests that must not manage, whatever their token is: Admits does so by itself, and tokens
	// of the token endpoint are asked about here. Its errors are as those of Admits; nil refuses none.
	Here func(r *http.Request) error
	// Seed is the admin token, of which the key of the token endpoint's tokens is made. Nodes of a cluster have the same.
	// Required.
	Seed secret.Text
	// Endpoint is the URL by which clients reach the gateway, which connection strings name.
	Endpoint func() string
	// Usage is how many clients are connected, and how many may be; 0 is no limit.
	Usage func() (connections, limit int)
	// Literal obeys the access flags that clients send without being asked: see careless.go.
	Literal bool
	// Logger gets a line for each change and each refusal; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Place is what stands in the path of every resource.
type Place struct {
	// Subscription and Tenant are GUIDs. Requests for others get 404.
	Subscription, Tenant string
}

// Handler answers the requests. It may be used concurrently.
type Handler struct {
	options Options
	log     *slog.Logger
	key     auth.Secret // of the token endpoint's tokens
	routes  []route
}

// New returns a Handler. It panics without Settings, Admits, Seed, Endpoint or Usage.
func New(o Options) *Handler {
	if o.Settings == nil || o.Admits == nil || o.Seed == "" || o.Endpoint == nil || o.Usage == nil {
		panic("arm: Options lack Settings, Admits, Seed, Endpoint or Usage")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{options: o, log: o.Logger, key: tokenKey(o.Seed)}
	h.routes = h.allRoutes()
	return h
}

// call is one request.
type call struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	values map[string]string // what stands in the path
	caller string            // who has sent it: stands in the history of the settings
}

func (c *call) context() context.Context { return c.r.Context() }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.identify(w, r)
	if err := h.serve(w, r); err != nil {
		e := asError(err)
		h.log.Log(r.Context(), levelOf(e), "resource API: refused", "method", r.Method, "path", r.URL.Path, "status", e.Status, "code", e.Code, "reason", e.Message)
		e.write(w)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	segments, ok := segmentsOf(r.URL.EscapedPath())
	if !ok {
		return badRequest("InvalidRequestUri", "The path of the request has an escape that means nothing.")
	}
	found, values, methods := find(h.routes, r.Method, segments)
	c := &call{h: h, w: w, r: r, values: values}
	if found == nil || !found.open {
		// A path that there is not is no secret, but what is asked without a token gets one answer.
		if err := c.authenticate(); err != nil {
			return err
		}
		if err := checkVersion(r); err != nil {
			return err
		}
	}
	switch {
	case found == nil && methods != nil:
		w.Header()["Allow"] = methods
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "%s does not work here.", r.Method)
	case found == nil:
		return refuse(http.StatusNotFound, "InvalidResourceType", "There is nothing at this path. The gateway is one resource of the type Microsoft.SignalRService/SignalR.")
	case !found.open:
		if err := c.inPlace(); err != nil {
			return err
		}
	}
	return found.handle(c)
}

// version is how dates of the API look. Which one it is makes no difference.
var version = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-[A-Za-z]+)?$`)

func checkVersion(r *http.Request) error {
	switch v := queryFold(r, "api-version"); {
	case v == "":
		return badRequest("MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	case !version.MatchString(v):
		return badRequest("InvalidApiVersionParameter", "The api-version %q is invalid: it is a date, such as 2023-02-01.", v)
	}
	return nil
}

// inPlace refuses another subscription than the one that there is.
func (c *call) inPlace() error {
	if s, named := c.values["subscription"]; named && !auth.EqualFoldASCII(s, c.h.options.Place.Subscription) {
		return refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found. This gateway's is '%s' (arm.subscription).", s, c.h.options.Place.Subscription)
	}
	return nil
}

// body reads the request's body.
func (c *call) body() ([]byte, error) {
	data, err := io.ReadAll(c.r.Body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, refuse(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The body is larger than %d bytes.", maxBody)
	}
	if err != nil {
		return nil, badRequest("InvalidRequestContent", "The body could not be read.")
	}
	return data, nil
}

// identify gives the answer the headers by which a request is found in logs.
func (h *Handler) identify(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if id := r.Header.Get("x-ms-client-request-id"); id != "" && len(id) <= 128 {
		header.Set("x-ms-client-request-id", id)
	}
	id := uuid.NewString()
	header.Set("x-ms-request-id", id)
	header.Set("x-ms-correlation-request-id", id)
}

func (c *call) json(status int, body any) error {
	writeJSON(c.w, status, body)
	return nil
}

// base is the URL by which the caller has reached the API.
func (c *call) base() string {
	scheme := "https"
	if c.r.TLS == nil {
		scheme = "http"
	}
	return scheme + "://" + c.r.Host
}

func levelOf(e *Error) slog.Level {
	if e.Status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
