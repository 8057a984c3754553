package clientws

import (
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

// negotiate answers POST /client/negotiate (section 1.4 of the client
// compatibility table). It keeps no state: the connection token, or in version 0
// the id, says everything. A client that asks for stateful reconnect works without it too (C91).
func (h *Handler) negotiate(c *call) error {
	if err := c.authenticate(); err != nil {
		return err
	}
	version, problem := negotiateVersion(&c.query)
	if problem != "" {
		h.refuser.Count(transport.RefusedVersion)
		transport.WriteJSON(c.w, "application/json", appendNegotiateError(nil, problem))
		return nil
	}
	if err := h.options.Gateway.Admit(c.hub, c.claims.Diagnostic); err != nil {
		return transport.Admission(err)
	}
	if err := h.options.Gateway.AdmitClient(c.hub, c.claims.UserID, c.who); err != nil {
		return transport.Admission(err)
	}
	// Ids and tokens count whole seconds: round up, so that nobody gets less than promised.
	expires := h.options.Now().Add(h.options.Limits().NegotiateTimeout + time.Second - 1)
	stateful := version > 0 && c.query.stateful && c.claims.Transports.Allows(auth.TransportWebSockets) &&
		h.options.Stateful(c.hub)
	var id, token string
	if version == 0 {
		id = h.options.Sealer.Mark(h.mint.New(), expires, c.hub, c.claims.UserID)
	} else {
		id = h.mint.New()
		token = h.options.Sealer.SealToken(auth.ConnectionToken{ID: id, Expires: expires, Stateful: stateful}, c.hub, c.claims.UserID)
	}
	answer := negotiateAnswer{version, id, token, stateful, c.claims.Transports, -1}
	if c.claims.Issued { // others are told by the application, which signed their token
		answer.lifetime = lifetimeSeconds(c.claims, h.options.Now())
	}
	transport.WriteJSON(c.w, "application/json", answer.append(nil))
	h.options.Metrics.Negotiated()
	return nil
}

// negotiateVersion returns the version of the answer, 0 or 1, or what is wrong
// with the one asked for (C05).
func negotiateVersion(q *query) (version int, problem string) {
	if !q.hasVersion {
		return 0, ""
	}
	asked, err := strconv.ParseInt(strings.TrimSpace(q.version), 10, 32)
	switch {
	case err != nil:
		return 0, "The client requested a non-integer protocol version."
	case asked < 0:
		return 0, "The client requested version '" + strconv.FormatInt(asked, 10) + "', but the server does not support this version."
	}
	return int(min(asked, 1)), ""
}

// transportOffers are in order of preference.
var transportOffers = [...]struct {
	mask  auth.TransportMask
	offer string
}{
	{auth.TransportWebSockets, `{"transport":"WebSockets","transferFormats":["Text","Binary"]}`},
	{auth.TransportServerSentEvents, `{"transport":"ServerSentEvents","transferFormats":["Text"]}`},
	{auth.TransportLongPolling, `{"transport":"LongPolling","transferFormats":["Text","Binary"]}`},
}

// negotiateAnswer is the answer to negotiate.
type negotiateAnswer struct {
	version int
	// Ids and tokens need no escaping. There is no token in version 0.
	id, token string
	stateful  bool
	allowed   auth.TransportMask
	// lifetime is for how many seconds the client's token is good, less than 0 if it is not told.
	lifetime int64
}

// append writes the members in the order of self-hosted servers.
func (n *negotiateAnswer) append(dst []byte) []byte {
	dst = append(dst, `{"negotiateVersion":`...)
	dst = strconv.AppendInt(dst, int64(n.version), 10)
	dst = append(dst, `,"connectionId":"`...)
	dst = append(dst, n.id...)
	if n.token != "" {
		dst = append(dst, `","connectionToken":"`...)
		dst = append(dst, n.token...)
	}
	dst = append(dst, '"')
	if n.stateful {
		dst = append(dst, `,"useStatefulReconnect":true`...)
	}
	if n.lifetime >= 0 {
		dst = append(dst, `,"tokenLifetimeSeconds":`...)
		dst = strconv.AppendInt(dst, n.lifetime, 10)
	}
	dst = append(dst, `,"availableTransports":[`...)
	first := true
	for _, t := range transportOffers {
		if !n.allowed.Allows(t.mask) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, t.offer...)
	}
	return append(dst, `]}`...)
}

// appendNegotiateError writes a refusal that clients show as it is. The text
// must not need escaping.
func appendNegotiateError(dst []byte, text string) []byte {
	dst = append(dst, `{"error":"`...)
	dst = append(dst, text...)
	return append(dst, `"}`...)
}
