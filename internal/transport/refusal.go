package transport

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/counts"
)

// Refusal is why a client's request was refused. The list is closed: it is the log field
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
	RefusedRedials     Refusal = "TooManyReconnects"
	RefusedRate        Refusal = "RateLimited"

	// Those of ASP.NET SignalR alone.

	RefusedApplication Refusal = "InvalidApplication"
	RefusedServerless  Refusal = "ServerlessMode"
	RefusedJSONP       Refusal = "JsonpNotSupported"
	RefusedUnknownWay  Refusal = "UnknownTransport"
	RefusedToken       Refusal = "InvalidConnectionToken"
	RefusedHubList     Refusal = "InvalidConnectionData"
	RefusedCall        Refusal = "InvalidMessage"

	// RefusedMoving: another node is being given the connection at this moment.
	RefusedMoving Refusal = "ConnectionMoving"
	// RefusedNode: the node of a cluster that has the connection, or would know, cannot be reached.
	// RefusedIsolated: this node cannot reach the others, and has no clients.
	RefusedNode     Refusal = "NodeUnreachable"
	RefusedIsolated Refusal = "Isolated"
	RefusedDraining Refusal = "Draining"
	RefusedInternal Refusal = "InternalError"
	// RefusedFault: the operator wanted to see how the client takes it (gateway.Faults).
	RefusedFault Refusal = "FaultInjected"
)

// Refusals returns the closed list.
func Refusals() []Refusal {
	list := []Refusal{
		RefusedPath, RefusedMethod, RefusedURI, RefusedHeaders, RefusedHub, RefusedVersion, RefusedOrigin, RefusedUpgrade,
		RefusedNoID, RefusedUnknownID, RefusedEnded, RefusedUser, RefusedTransport, RefusedChange, RefusedBusy,
		RefusedBodySize, RefusedBodyRead, RefusedBodySlow,
		RefusedConnections, RefusedHubs, RefusedPending, RefusedRedials, RefusedRate, RefusedIsolated, RefusedMoving, RefusedNode, RefusedDraining, RefusedInternal, RefusedFault,
		RefusedApplication, RefusedServerless, RefusedJSONP, RefusedUnknownWay, RefusedToken, RefusedHubList, RefusedCall,
	}
	for _, failure := range auth.Failures() {
		list = append(list, Refusal(failure))
	}
	return list
}

// Refused is the error of a request that gets a status instead of what it asked for.
type Refused struct {
	Reason Refusal
	Status int
	// Text is a sentence for the developer at the other end: SignalR clients
	// show the body of a failed request (C22).
	Text string
	// RetryAfter is in seconds; 0 leaves the header out.
	RetryAfter int
	// Allow is the Allow header of 405.
	Allow string
}

func (e *Refused) Error() string { return string(e.Reason) + ": " + e.Text }

// Refusals that both generations give. Texts that self-hosted servers use are theirs word for word.
var (
	ErrURI      error = &Refused{Reason: RefusedURI, Status: http.StatusRequestURITooLong, Text: "The request's URI is too long."}
	ErrHeaders  error = &Refused{Reason: RefusedHeaders, Status: http.StatusRequestHeaderFieldsTooLarge, Text: "The request's headers are too large."}
	ErrOrigin   error = &Refused{Reason: RefusedOrigin, Status: http.StatusForbidden, Text: "The origin is not allowed."}
	ErrEnded    error = &Refused{Reason: RefusedEnded, Status: http.StatusNotFound, Text: "No Connection with that ID"}
	ErrUnknown  error = &Refused{Reason: RefusedUnknownID, Status: http.StatusNotFound, Text: "No Connection with that ID"}
	ErrBusy     error = &Refused{Reason: RefusedBusy, Status: http.StatusConflict, Text: "The connection has a transport already."}
	ErrBodySize error = &Refused{Reason: RefusedBodySize, Status: http.StatusRequestEntityTooLarge, Text: "The request's body is too large."}
	ErrBodyRead error = &Refused{Reason: RefusedBodyRead, Status: http.StatusBadRequest, Text: "The request's body cannot be read."}
	ErrBodySlow error = &Refused{Reason: RefusedBodySlow, Status: http.StatusRequestTimeout, Text: "The request's body arrives too slowly."}
	ErrNode     error = &Refused{Reason: RefusedNode, Status: http.StatusServiceUnavailable, Text: "The node of this connection cannot be reached, try again later.", RetryAfter: 1}
	ErrDraining error = &Refused{Reason: RefusedDraining, Status: http.StatusServiceUnavailable, Text: "The service is shutting down, try again later.", RetryAfter: 5}
	ErrIsolated error = &Refused{Reason: RefusedIsolated, Status: http.StatusServiceUnavailable, Text: "The service is not available here, try again later.", RetryAfter: 5}
	ErrQuota    error = &Refused{Reason: RefusedConnections, Status: http.StatusTooManyRequests, Text: "Connection count reaches limit.", RetryAfter: 10}
	ErrHubs     error = &Refused{Reason: RefusedHubs, Status: http.StatusTooManyRequests, Text: "Hub count reaches limit.", RetryAfter: 10}
	ErrInternal error = errInternal

	errFault    = &Refused{Reason: RefusedFault, Status: http.StatusServiceUnavailable, Text: "A fault was injected, try again later.", RetryAfter: 1}
	errInternal = &Refused{Reason: RefusedInternal, Status: http.StatusInternalServerError, Text: "Internal server error."}
)

// ErrNotOffered says that the token does not allow the transport.
func ErrNotOffered(transport string) error {
	return &Refused{Reason: RefusedTransport, Status: http.StatusNotFound, Text: transport + " transport not supported by this end point type"}
}

// ForGood returns the same refusal, with the status 404 if it is one of the server's fault: for clients that ask again
// for ever if they get such a one.
func ForGood(err error) error { return forGood{err} }

type forGood struct{ error }

func (e forGood) Unwrap() error { return e.error }

// Admission turns the core's answer to a new client into a refusal.
func Admission(err error) error {
	if over, ok := errors.AsType[*gateway.Overrun](err); ok {
		return &Refused{Reason: RefusedRate, Status: http.StatusTooManyRequests, Text: over.Error(), RetryAfter: over.RetryAfter()}
	}
	switch {
	case errors.Is(err, gateway.ErrDraining):
		return ErrDraining
	case errors.Is(err, gateway.ErrTooManyConnections):
		return ErrQuota
	case errors.Is(err, gateway.ErrTooManyHubs):
		return ErrHubs
	case errors.Is(err, gateway.ErrFaultInjected):
		return errFault
	case errors.Is(err, gateway.ErrConnectionExists):
		return ErrBusy
	case errors.Is(err, gateway.ErrConnectionEnded):
		return ErrEnded
	}
	return err
}

// LogRefused is the text of the line about a refused request. Whoever has the logger may sum
// such lines up by their attribute reason.
const LogRefused = "client request refused"

// Refuser answers the requests that are refused, counts and logs them. Its methods may be called
// concurrently.
type Refuser struct {
	counts *counts.Counts[Refusal]
	log    *slog.Logger
}

// NewRefuser returns a Refuser whose counts are zero.
func NewRefuser(log *slog.Logger) *Refuser {
	return &Refuser{counts: counts.New(Refusals()), log: log}
}

// Map returns how many requests were refused, by reason.
func (f *Refuser) Map() map[Refusal]uint64 { return f.counts.Map() }

// Count counts a request that is refused in a form of its own.
func (f *Refuser) Count(reason Refusal) { f.counts.Add(reason, 1) }

// Refuse is the one place that turns an error into an answer, a log line and a count. hub and
// remote are for the log. Nothing is answered if an answer has begun.
func (f *Refuser) Refuse(w *Answer, r *http.Request, err error, hub, remote string) {
	known := f.Note(r, err, hub, remote)
	if w.Started {
		return
	}
	header := w.Header()
	var tokenError *auth.TokenError
	if errors.As(err, &tokenError) {
		if challenge := tokenError.Challenge(); challenge != "" {
			header.Set("WWW-Authenticate", challenge)
		}
	}
	if known.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	if known.Allow != "" {
		header.Set("Allow", known.Allow)
	}
	WriteText(w, known.Status, known.Text)
}

// Note is Refuse without an answer, for a refusal that has a form of its own. It returns what the
// error stands for.
func (f *Refuser) Note(r *http.Request, err error, hub, remote string) *Refused {
	var (
		known      *Refused
		tokenError *auth.TokenError
		detail     string
	)
	switch {
	case errors.As(err, &tokenError):
		known = &Refused{Reason: Refusal(tokenError.Failure), Status: tokenError.Status(), Text: tokenError.Description() + ".", RetryAfter: tokenError.RetryAfter()}
		detail = tokenError.Detail
	case errors.As(err, &known):
	default:
		known, detail = errInternal, err.Error()
	}
	if _, ok := errors.AsType[forGood](err); ok && known.Status >= http.StatusInternalServerError {
		stops := *known
		stops.Status = http.StatusNotFound
		known = &stops
	}
	f.Count(known.Reason)
	level := slog.LevelInfo
	if reason := known.Reason; reason == RefusedUnknownID || reason == RefusedEnded || reason == RefusedDraining {
		// Clients that leave or come back late ask for dead ids all the time.
		level = slog.LevelDebug
	}
	f.log.Log(r.Context(), level, LogRefused, "reason", string(known.Reason), "status", known.Status,
		"method", r.Method, "path", r.URL.Path, "hub", hub, "remote", remote, "detail", detail)
	return known
}

// WriteText answers with a short text. The content type is what self-hosted servers send.
func WriteText(w http.ResponseWriter, status int, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/plain")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}
