package clientws

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unique"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/transport"
)

// call is one request under /client on its way to an answer.
type call struct {
	h     *Handler
	w     *transport.Answer
	r     *http.Request
	query query

	// set by authenticate
	hub    string // the hub's key
	token  string
	claims *auth.Claims

	// end, if set, ends the connection that the request works on should it panic.
	end func(gateway.Cause)
}

// authenticate checks the hub and the token. On success hub and claims are set.
func (c *call) authenticate() error {
	switch {
	case c.query.hub == "":
		return errNoHub
	case hubname.Check(c.query.hub) != nil:
		return errHubName
	}
	// One string for all clients of the hub, and none that keeps the request in memory.
	c.hub = unique.Make(strings.ToLower(c.query.hub)).Value()
	c.token, _ = auth.ClientToken(c.r)
	var err error
	c.claims, err = c.h.options.Verifier.Client(c.token, c.query.hub, c.query.application)
	if err == nil {
		return nil
	}
	if c.claims = c.h.vouch(c); c.claims != nil {
		return nil
	}
	var refusal *auth.TokenError
	if c.query.hubs > 1 && errors.As(err, &refusal) && refusal.Failure == auth.TokenAudience {
		return errTwoHubs
	}
	return err
}

// vouch returns the claims of a request whose token is not accepted any more,
// if it belongs to a live connection that was used with this very token while
// it was: a connection outlives its token and the key that signed it. It is nil
// for all other requests.
func (h *Handler) vouch(c *call) *auth.Claims {
	conn := h.posted.get(c.query.id)
	if conn == nil {
		conn = h.unverified(c)
	}
	if conn == nil || conn.Identity().Hub != c.hub {
		return nil
	}
	if tokens := tokensOf(conn); tokens == nil || !tokens.Know(c.token) {
		return nil
	}
	return &auth.Claims{UserID: conn.Identity().User}
}

// owns reports whether the caller is the one that a connection belongs to.
func (c *call) owns(id *gateway.Identity) bool {
	return id.Hub == c.hub && id.User == c.claims.UserID
}

// identity is what the connection opened by this request is known by. Nothing
// in it shares memory with the request, which carries the token.
func (c *call) identity(id string, expires time.Time) gateway.Identity {
	var all []gateway.Claim
	var headers []gateway.Header
	if keep := c.h.options.KeepHeaders; keep != nil && keep(c.hub) {
		headers = transport.KeptHeaders(c.r.Header)
		all = transport.Claims(c.h.options.Verifier.TokenClaims(c.token))
	}
	return gateway.Identity{
		TokenClaims:      all,
		Headers:          headers,
		ID:               strings.Clone(id),
		Hub:              c.hub,
		HubName:          unique.Make(c.query.hub).Value(),
		User:             c.claims.UserID,
		Token:            transport.TokenMark(c.token),
		Groups:           c.claims.Groups,
		Claims:           transport.Claims(c.claims.User),
		Query:            c.query.kept(),
		RemoteAddr:       c.remote(),
		TokenExpires:     expires,
		CloseAt:          c.claims.CloseAt,
		HandshakeTimeout: c.claims.HandshakeTimeout,
		Diagnostic:       c.claims.Diagnostic,
	}
}

// who is what rules about clients ask of the token.
func (c *call) who() *gateway.Identity {
	return &gateway.Identity{Hub: c.hub, User: c.claims.UserID, Claims: transport.Claims(c.claims.User), Token: transport.TokenMark(c.token)}
}

func (c *call) remote() string { return transport.ClientAddr(c.r, c.h.options.TrustedProxies) }

// recover ends the connection that a panic happened on, and nothing else.
func (c *call) recover() {
	if p := recover(); p != nil {
		c.w.AfterPanic(p, func() { c.h.panicked(p, c.h.log.With("hub", c.hub)) }, c.end,
			func() { c.h.refuse(c, transport.ErrInternal) })
	}
}

// panicked counts and logs a panic with the stack it happened on.
func (h *Handler) panicked(p any, log *slog.Logger) {
	h.options.Metrics.Panicked()
	transport.LogPanic(log, p)
}
