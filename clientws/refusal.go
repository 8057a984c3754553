package clientws

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
)

// Refusal is why a request was refused. The list is closed: it is the log field
// and the metric label. Refused tokens have the names of auth.Failures.
type Refusal string

// The reasons for which requests are refused, besides auth.Failures.
const (
	RefusedPath        Refusal = "UnknownPath"
	RefusedMethod      Refusal = "MethodNotAllowed"
	RefusedURI         Refusal = "UriTooLong"
	RefusedHeaders     Refusal = "HeadersTooLarge"
	RefusedHub         Refusal = "InvalidHub"
	RefusedVersion     Refusal = "InvalidVersion"
	RefusedOrigin      Refusal = "OriginNotAllowed"
	RefusedUpgrade     Refusal = "InvalidUpgrade"
	RefusedNoID        Refusal = "NoConnectionId"
	RefusedUnknownID   Refusal = "UnknownConnection"
	RefusedEnded       Refusal = "ConnectionEnded"
	RefusedUser        Refusal = "OtherUser"
	RefusedTransport   Refusal = "TransportNotAllowed"
	RefusedChange      Refusal = "TransportChange"
	RefusedBusy        Refusal = "TransportInUse"
	RefusedBodySize    Refusal = "BodyTooLarge"
	RefusedBodyRead    Refusal = "BodyUnreadable"
	RefusedBodySlow    Refusal = "BodyTooSlow"
	RefusedConnections Refusal = "TooManyConnections"
	RefusedHubs        Refusal = "TooManyHubs"
	RefusedPending     Refusal = "TooManyPending"
	RefusedDraining    Refusal = "Draining"
	RefusedInternal    Refusal = "InternalError"
)

// Refused returns how many requests were refused since the start, by reason.
func (h *Handler) Refused() map[Refusal]uint64 { return h.refusals.Map() }

// refusalList is every Refusal: each is counted from zero.
var refusalList = allRefusals()

func allRefusals() []Refusal {
	list := []Refusal{
		RefusedPath, RefusedMethod, RefusedURI, RefusedHeaders, RefusedHub, RefusedVersion, RefusedOrigin, RefusedUpgrade,
		RefusedNoID, RefusedUnknownID, RefusedEnded, RefusedUser, RefusedTransport, RefusedChange, RefusedBusy,
		RefusedBodySize, RefusedBodyRead, RefusedBodySlow,
		RefusedConnections, RefusedHubs, RefusedPending, RefusedDraining, RefusedInternal,
	}
	for _, failure := range auth.Failures() {
		list = append(list, Refusal(failure))
	}
	return list
}

// refused is the error of a request that gets a status instead of what it asked for.
type refused struct {
	reason Refusal
	status int
	// text is a sentence for the developer at the other end: SignalR clients
	// show the body of a failed request (C22).
	text string
	// retryAfter is in seconds; 0 leaves the header out.
	retryAfter int
	// allow is the Allow header of 405.
	allow string
}

func (e *refused) Error() string { return string(e.reason) + ": " + e.text }

// Texts that self-hosted servers use are theirs word for word.
var (
	errPath       = &refused{reason: RefusedPath, status: http.StatusNotFound, text: "There is no such path. Clients connect to /client/?hub=NAME and negotiate at /client/negotiate?hub=NAME."}
	errURI        = &refused{reason: RefusedURI, status: http.StatusRequestURITooLong, text: "The request's URI is too long."}
	errHeaders    = &refused{reason: RefusedHeaders, status: http.StatusRequestHeaderFieldsTooLarge, text: "The request's headers are too large."}
	errNoHub      = &refused{reason: RefusedHub, status: http.StatusBadRequest, text: "The query must name a hub: ?hub=NAME."}
	errTwoHubs    = &refused{reason: RefusedHub, status: http.StatusBadRequest, text: "The query names several hubs, and the token is not for the first of them."}
	errHubName    = &refused{reason: RefusedHub, status: http.StatusBadRequest, text: "The hub's name is invalid: " + hubname.Rule + "."}
	errOrigin     = &refused{reason: RefusedOrigin, status: http.StatusForbidden, text: "The origin is not allowed."}
	errNoID       = &refused{reason: RefusedNoID, status: http.StatusBadRequest, text: "Connection ID required"}
	errUnknownID  = &refused{reason: RefusedUnknownID, status: http.StatusNotFound, text: "No Connection with that ID"}
	errEnded      = &refused{reason: RefusedEnded, status: http.StatusNotFound, text: "No Connection with that ID"}
	errUser       = &refused{reason: RefusedUser, status: http.StatusForbidden, text: "The connection belongs to another user."}
	errChange     = &refused{reason: RefusedChange, status: http.StatusBadRequest, text: "Cannot change transports mid-connection"}
	errBusy       = &refused{reason: RefusedBusy, status: http.StatusConflict, text: "The connection has a transport already."}
	errPost       = &refused{reason: RefusedMethod, status: http.StatusMethodNotAllowed, text: "POST requests are not allowed for WebSocket connections.", allow: "GET"}
	errDelete     = &refused{reason: RefusedMethod, status: http.StatusBadRequest, text: "Cannot terminate this connection using the DELETE endpoint."}
	errBodySize   = &refused{reason: RefusedBodySize, status: http.StatusRequestEntityTooLarge, text: "The request's body is too large."}
	errBodyRead   = &refused{reason: RefusedBodyRead, status: http.StatusBadRequest, text: "The request's body cannot be read."}
	errBodySlow   = &refused{reason: RefusedBodySlow, status: http.StatusRequestTimeout, text: "The request's body arrives too slowly."}
	errPending    = &refused{reason: RefusedPending, status: http.StatusServiceUnavailable, text: "Too much data waits for connections to start, try again later.", retryAfter: 5}
	errDraining   = &refused{reason: RefusedDraining, status: http.StatusServiceUnavailable, text: "The service is shutting down, try again later.", retryAfter: 5}
	errInternal   = &refused{reason: RefusedInternal, status: http.StatusInternalServerError, text: "Internal server error."}
	errQuota      = &refused{reason: RefusedConnections, status: http.StatusTooManyRequests, text: "Connection count reaches limit.", retryAfter: 10}
	errHubs       = &refused{reason: RefusedHubs, status: http.StatusTooManyRequests, text: "Hub count reaches limit.", retryAfter: 10}
	errNegotiate  = &refused{reason: RefusedMethod, status: http.StatusMethodNotAllowed, text: "Negotiate by POST.", allow: "POST, OPTIONS"}
	errMethod     = &refused{reason: RefusedMethod, status: http.StatusMethodNotAllowed, text: "Use GET, POST or DELETE.", allow: "GET, POST, DELETE, OPTIONS"}
	errEarlyBytes = &refused{reason: RefusedBodySize, status: http.StatusRequestEntityTooLarge, text: "Too much data waits for the connection to start."}
)

// errNotOffered says that the token does not allow the transport.
func errNotOffered(transport string) error {
	return &refused{reason: RefusedTransport, status: http.StatusNotFound, text: transport + " transport not supported by this end point type"}
}

// admission turns the core's answer to a new client into a refusal.
func admission(err error) error {
	switch {
	case errors.Is(err, gateway.ErrDraining):
		return errDraining
	case errors.Is(err, gateway.ErrTooManyConnections):
		return errQuota
	case errors.Is(err, gateway.ErrTooManyHubs):
		return errHubs
	case errors.Is(err, gateway.ErrConnectionExists):
		return errBusy
	case errors.Is(err, gateway.ErrConnectionEnded):
		return errEnded
	}
	return err
}

// LogRefused is the text of the line about a refused request. Whoever has the logger may sum
// such lines up by their attribute reason.
const LogRefused = "client request refused"

// refuse is the one place that turns an error into an answer, a log line and a count.
func (h *Handler) refuse(c *call, err error) {
	var (
		status     int
		reason     Refusal
		text       string
		detail     string
		header     = c.w.Header()
		tokenError *auth.TokenError
		known      *refused
	)
	switch {
	case errors.As(err, &tokenError):
		status, reason, text, detail = tokenError.Status(), Refusal(tokenError.Failure), tokenError.Description()+".", tokenError.Detail
		if challenge := tokenError.Challenge(); challenge != "" {
			header.Set("WWW-Authenticate", challenge)
		}
	case errors.As(err, &known):
		status, reason, text = known.status, known.reason, known.text
		if known.retryAfter > 0 {
			header.Set("Retry-After", strconv.Itoa(known.retryAfter))
		}
		if known.allow != "" {
			header.Set("Allow", known.allow)
		}
	default:
		status, reason, text, detail = errInternal.status, errInternal.reason, errInternal.text, err.Error()
	}
	h.refusals.Add(reason, 1)
	level := slog.LevelInfo
	if reason == RefusedUnknownID || reason == RefusedEnded || reason == RefusedDraining {
		// Clients that leave or come back late ask for dead ids all the time.
		level = slog.LevelDebug
	}
	h.log.Log(c.r.Context(), level, LogRefused, "reason", string(reason), "status", status,
		"method", c.r.Method, "path", c.r.URL.Path, "hub", c.query.hub, "remote", c.remote(), "detail", detail)
	if c.w.started {
		return
	}
	writeText(c.w, status, text)
}

// writeText answers with a short text. The content type is what self-hosted servers send.
func writeText(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}
