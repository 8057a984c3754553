package clientaspnet

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

// Handler serves everything below auth.AspNetClientPath. It may be called concurrently.
type Handler struct {
	options Options
	log     *slog.Logger
	refuser *transport.Refuser
	cors    transport.CORS
	aborted aborted
	// mint makes the ids of this process.
	mint *auth.Mint

	// sockets are the goroutines of WebSockets.
	sockets transport.Running
}

// New returns a Handler. It panics without Gateway, Verifier or Sealer.
func New(options Options) *Handler {
	options.complete()
	return &Handler{
		options: options, log: options.Logger,
		refuser: transport.NewRefuser(options.Logger),
		cors:    transport.CORS{Origins: options.Origins, Methods: "GET, POST, OPTIONS"},
		mint:    auth.NewMint(options.Node),
	}
}

// Refused returns how many requests were refused since the start, by reason.
func (h *Handler) Refused() map[transport.Refusal]uint64 { return h.refuser.Map() }

// Close refuses further WebSockets and waits until the last one has ended, or
// returns the context's error if that ends first. The connections themselves are
// ended by the gateway's Drain, requests of the other transports by the HTTP
// server's Shutdown: call both before, and the gateway's Close after.
func (h *Handler) Close(ctx context.Context) error {
	h.sockets.Refuse()
	return h.sockets.WaitFor(ctx)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: &transport.Answer{ResponseWriter: w}, r: r}
	defer c.recover()
	h.cors.Allow(w.Header(), r)
	if err := h.route(c); err != nil {
		h.refuser.Refuse(c.w, r, err, c.key, c.remote())
	}
}

// commands are what follows the endpoint's path.
var commands = map[string]func(*Handler, *call) error{
	"negotiate": (*Handler).negotiate,
	"ping":      (*Handler).ping,
	"connect":   (*Handler).connect,
	"reconnect": (*Handler).reconnect,
	"start":     (*Handler).start,
	"send":      (*Handler).send,
	"poll":      (*Handler).poll,
	"abort":     (*Handler).abort,
}

func (h *Handler) route(c *call) error {
	// Paths are compared in any letter case, as ASP.NET does.
	path := strings.ToLower(strings.TrimSuffix(c.r.URL.Path, "/"))
	name, below := strings.CutPrefix(path, auth.AspNetClientPath+"/")
	command := commands[name]
	limits := h.options.Limits()
	switch {
	case !below || command == nil:
		return errPath
	case c.r.Method == http.MethodOptions:
		// Whatever its size: a page can read the refusal of the request that follows.
		h.cors.Preflight(c.w, c.r)
		return nil
	case len(c.r.RequestURI) > limits.URIBytes:
		return transport.ErrURI
	case transport.HeaderBytes(c.r) > limits.HeaderBytes:
		return transport.ErrHeaders
	case c.r.Method != http.MethodGet && c.r.Method != http.MethodPost:
		return errMethod
	}
	transport.NoStore(c.w.Header())
	if h.options.Available != nil {
		if err := h.options.Available(); err != nil {
			return err
		}
	}
	if err := transport.BoundBody(c.w, c.r); err != nil {
		return err
	}
	c.values.addQuery(c.r.URL.RawQuery)
	c.command = name
	return command(h, c)
}

// sendTimeout is how long a client may take no byte.
func (h *Handler) sendTimeout() time.Duration { return h.options.Limits().SendTimeout }

// panicked counts and logs a panic with the stack it happened on.
func (h *Handler) panicked(p any, log *slog.Logger) {
	h.options.Metrics.Panicked()
	transport.LogPanic(log, p)
}
