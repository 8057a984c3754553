package hubgate

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hubgate/hubgate/webhook/signature"
)

// Event is what a webhook tells.
type Event struct {
	// Hub, Category (connections or messages) and Name (connected, disconnected, or the method) are those of
	// the gateway's headers.
	Hub, Category, Name  string
	ConnectionID, UserID string
	// Arguments are those of a call, as JSON. What MessagePack has besides is told as the gateway tells it: binary values are base64.
	Arguments []json.RawMessage
	// Error is why a client that has disconnected did so, "" for an ordinary end.
	Error string
	// ID is the same in each attempt to deliver the event; "" from Azure, which has no such thing.
	ID string
}

// ErrorForClient is an error whose text the client gets: as the answer that it waits for, or as the reason why it is
// rejected, if the event is connected. Every other error is answered with 500, and the client hears nothing of it.
type ErrorForClient string

func (e ErrorForClient) Error() string { return string(e) }

// Webhook is an http.Handler for the gateway's webhooks.
type Webhook struct {
	// Keys are the access keys of the gateway, one of which has to have signed.
	Keys []string
	// WholeRequest refuses requests without X-Hubgate-Signature, which covers method, path, time, event, connection
	// and body, but not the headers of user, hub, category and event. Without it the signature of Azure, which covers
	// the connection id only and is checked always, is enough where the other one is missing.
	WholeRequest bool
	// MaxBody bounds the body in bytes; 0 means 1 MiB.
	MaxBody int64
	// Handle is called for each event. What it returns is the result of a client that waits for one.
	Handle func(ctx context.Context, e *Event) (any, error)

	verifier signature.Verifier // with a clock of tests
}

// Webhook returns a handler with the hub's key.
func (h *Hub) Webhook(handle func(ctx context.Context, e *Event) (any, error)) *Webhook {
	return &Webhook{Keys: []string{h.at.key}, Handle: handle}
}

// ServeHTTP implements http.Handler.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	limit := w.MaxBody
	if limit == 0 {
		limit = 1 << 20
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, limit))
	if err != nil {
		http.Error(rw, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	id, ok := w.genuine(r, body)
	if !ok {
		http.Error(rw, "the signature is not good", http.StatusUnauthorized)
		return
	}
	c, refusal, status := readCall(r.Header.Get("Content-Type"), body)
	if c == nil {
		http.Error(rw, refusal, status)
		return
	}
	h := r.Header
	e := &Event{
		Hub: h.Get("X-ASRS-Hub"), Category: h.Get("X-ASRS-Category"), Name: h.Get("X-ASRS-Event"),
		ConnectionID: h.Get("X-ASRS-Connection-Id"), UserID: userID(h),
		Arguments: c.Arguments, Error: c.Error, ID: id,
	}
	result, err := w.Handle(r.Context(), e)
	if told, ok := errors.AsType[ErrorForClient](err); ok && e.Category == "connections" && e.Name == "connected" {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		rw.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rw, told.Error())
		return
	}
	c.answer(rw, result, err)
}

var encoded = regexp.MustCompile(`(?:%[0-9A-Fa-f]{2})+`)

// userID is the user id of a request. hubgate's requests, which have its signature, have it percent-encoded where a
// header cannot carry it.
func userID(h http.Header) string {
	id := h.Get("X-ASRS-User-Id")
	if h.Get(signature.Header) == "" {
		return id
	}
	return encoded.ReplaceAllStringFunc(id, func(run string) string {
		decoded, _ := url.PathUnescape(run) // it has escapes only
		return decoded
	})
}

// genuine reports whether the gateway has sent the request, and the event's id if it says so.
func (w *Webhook) genuine(r *http.Request, body []byte) (id string, ok bool) {
	if !Genuine(w.Keys, r.Header) {
		return "", false
	}
	if !w.WholeRequest && r.Header.Get(signature.Header) == "" {
		return "", true
	}
	verifier := w.verifier
	verifier.Keys = w.Keys
	event, err := verifier.Request(r, body)
	// The header of the connection is not signed there, but the event is, and begins with it.
	return event.ID, err == nil && strings.HasPrefix(event.ID, r.Header.Get("X-ASRS-Connection-Id")+".")
}

// Genuine reports whether X-ASRS-Signature was made with one of the keys. It covers the connection id only.
func Genuine(keys []string, h http.Header) (good bool) {
	for one := range strings.SplitSeq(h.Get("X-ASRS-Signature"), ",") {
		have, err := hex.DecodeString(strings.TrimPrefix(one, "sha256="))
		for _, key := range keys {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write([]byte(h.Get("X-ASRS-Connection-Id")))
			if err == nil && key != "" && hmac.Equal(mac.Sum(nil), have) {
				good = true
			}
		}
	}
	return good
}
