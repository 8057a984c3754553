package clientws

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// Clients of .NET 11 and later bring a new token before the one that they have expires, by POST to
// refresh below the hub's URL, and their connection goes on with what that one says.

// refreshErrors are the words by which such clients know what is wrong, by status.
var refreshErrors = map[int]string{
	http.StatusBadRequest: "missing_connection_token", http.StatusUnauthorized: "invalid_token",
	http.StatusForbidden: "user_mismatch", http.StatusNotFound: "connection_not_found",
	http.StatusServiceUnavailable: "unavailable",
}

// refresh answers POST /client/refresh. Refusals are JSON, as those of self-hosted servers.
func (h *Handler) refresh(c *call) error {
	err := h.renew(c)
	if err == nil || c.w.Started {
		return err
	}
	known := h.refuser.Note(c.r, err, c.query.hub, c.remote())
	word := refreshErrors[known.Status]
	if word == "" {
		return err
	}
	var refused *auth.TokenError
	if errors.As(err, &refused) {
		if challenge := refused.Challenge(); challenge != "" {
			c.w.Header().Set("WWW-Authenticate", challenge)
		}
	}
	if known.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(known.RetryAfter))
	}
	transport.NoStore(c.w.Header())
	transport.WriteJSONStatus(c.w, known.Status, "application/json", appendNegotiateError(nil, word))
	return nil
}

func (h *Handler) renew(c *call) error {
	if err := c.authenticate(); err != nil {
		return err
	}
	if c.claims.Expires.IsZero() { // accepted as one that the client has used before, which proves nothing anew
		claims, err := h.options.Verifier.Client(c.token, c.query.hub, c.query.application)
		if err != nil {
			return err
		}
		c.claims = claims // the keys have changed meanwhile
	}
	if !c.query.hasID {
		return errNoID
	}
	if node := h.renewsAt(c); node != "" {
		return h.relay(c, node)
	}
	t, err := h.find(c)
	switch {
	case err != nil:
		return err
	case t.dead:
		return transport.ErrEnded
	case t.elsewhere != "":
		return errMoving // it was here a moment ago
	case t.conn == nil:
		return transport.ErrUnknown
	}
	switch err := t.conn.Renew(c.renewal()); {
	case errors.Is(err, gateway.ErrMoving):
		return errMoving
	case err != nil:
		return transport.ErrEnded
	}
	t.conn.Logger().Debug("the client's authentication was refreshed")
	transport.NoStore(c.w.Header())
	transport.WriteJSON(c.w, "application/json", appendLifetime(nil, c.claims, h.options.Now()))
	return nil
}

// renewsAt returns the node that has the connection that the request names, "" if it is this one or if
// nobody knows.
func (h *Handler) renewsAt(c *call) string {
	if h.options.Forwarder == nil || h.posted.get(c.query.id) != nil {
		return ""
	}
	id, _, err := h.options.Sealer.Open(c.query.id, c.hub, c.claims.UserID)
	if err != nil {
		if _, err := h.options.Sealer.OpenMarked(c.query.id, c.hub, c.claims.UserID); err != nil {
			return ""
		}
		id = c.query.id
	}
	if conn, _ := h.options.Gateway.Lookup(id); conn != nil {
		return ""
	}
	node := auth.NodeOf(id)
	if h.homes.stop != nil {
		node = h.homes.look(c.r.Context(), id)
	}
	if node == h.options.Node {
		return ""
	}
	return node
}

// renewal is what the request's token says.
func (c *call) renewal() gateway.Renewal {
	r := gateway.Renewal{Claims: transport.Claims(c.claims.User), CloseAt: c.claims.CloseAt}
	if keep := c.h.options.KeepHeaders; keep != nil && keep(c.hub) {
		r.TokenClaims = transport.Claims(c.h.options.Verifier.TokenClaims(c.token))
	}
	return r
}

// appendLifetime writes for how long the token is good, as clients read it.
func appendLifetime(dst []byte, claims *auth.Claims, now time.Time) []byte {
	dst = append(dst, `{"tokenLifetimeSeconds":`...)
	dst = strconv.AppendInt(dst, lifetimeSeconds(claims, now), 10)
	return append(dst, '}')
}

func lifetimeSeconds(claims *auth.Claims, now time.Time) int64 {
	return max(0, int64(claims.Expires.Sub(now)/time.Second))
}
