package transport

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/hubgate/hubgate/gateway"
)

// Answer is a http.ResponseWriter that knows whether the answer has begun.
type Answer struct {
	http.ResponseWriter
	Started bool
}

// WriteHeader implements http.ResponseWriter.
func (a *Answer) WriteHeader(status int) {
	a.Started = true
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *Answer) Write(b []byte) (int, error) {
	a.Started = true
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteJSON answers with 200 and a body of the given content type.
func WriteJSON(w http.ResponseWriter, contentType string, body []byte) {
	WriteJSONStatus(w, http.StatusOK, contentType, body)
}

// WriteJSONStatus is WriteJSON with another status.
func WriteJSONStatus(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone asks again
}

// NoStore forbids caches to keep answers (C60), word for word as self-hosted servers do.
func NoStore(header http.Header) {
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

// InternalCause is what a client is told when the gateway itself is at fault.
var InternalCause = gateway.Cause{
	Reason: gateway.CloseServiceTransientError, Text: "Internal server transient error.", AllowReconnect: true,
}

// LogPanic logs a panic with the stack it happened on. It is called by the deferred function that
// recovers.
func LogPanic(log *slog.Logger, p any) {
	log.Error("panic", "panic", p, "stack", string(debug.Stack()))
}

// AfterPanic handles what was recovered from a panic of a request: it is told to panicked, the
// connection that the request works on ends by end, which may be nil, and the request is refused by
// refuse. A request that is aborted on purpose is aborted.
func (a *Answer) AfterPanic(p any, panicked func(), end func(gateway.Cause), refuse func()) {
	if p == http.ErrAbortHandler {
		panic(p)
	}
	panicked()
	if end != nil {
		end(InternalCause)
	}
	if a.Started {
		panic(http.ErrAbortHandler) // half an answer must not look whole
	}
	refuse()
}
