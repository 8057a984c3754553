package clientaspnet

import (
	"time"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

// negotiate keeps no state: the connection token says everything.
func (h *Handler) negotiate(c *call) error {
	if err := c.authenticate(); err != nil {
		return err
	}
	if err := c.readForm(); err != nil {
		return err
	}
	if c.values.callback.found {
		return errJSONP
	}
	version := aspnetprotocol.Version(c.values.clientProtocol.text)
	if h.options.Serverless(c.claims.Application) {
		return h.refuseServerless(c, version)
	}
	if err := c.checkHubs(); err != nil {
		return err
	}
	if err := h.options.Gateway.Admit(c.key, c.claims.Diagnostic); err != nil {
		return transport.Admission(err)
	}
	if err := h.options.Gateway.AdmitClient(c.key, c.claims.UserID, c.who); err != nil {
		return transport.Admission(err)
	}
	limits := h.options.Limits()
	// Tokens count whole seconds: round up, so that nobody gets less than promised.
	expires := h.options.Now().Add(limits.NegotiateTimeout + time.Second - 1)
	id := h.mint.New()
	answer := h.negotiation(&limits, version)
	answer.ConnectionID, answer.ConnectionToken = id, h.newToken(id, expires, c.key, c.claims.UserID)
	answer.TryWebSockets = c.claims.Transports.Allows(auth.TransportWebSockets)
	writeJSON(c.w, answer.Append(nil))
	h.options.Metrics.Negotiated()
	return nil
}

// negotiation is what all clients are told.
func (h *Handler) negotiation(l *Limits, version string) aspnetprotocol.Negotiation {
	return aspnetprotocol.Negotiation{
		URL:              h.options.BasePath + auth.AspNetClientPath,
		KeepAlive:        l.KeepAliveTimeout,
		Disconnect:       l.DisconnectTimeout,
		Poll:             l.PollInterval,
		TransportConnect: l.ConnectTimeout,
		ProtocolVersion:  version,
	}
}

// refuseServerless tells developers what is wrong where they look. Clients before version 2.0 do not
// read errors in the answer.
func (h *Handler) refuseServerless(c *call, version string) error {
	if version < "2.0" {
		return errServerless
	}
	h.refuser.Note(c.r, errServerless, c.key, c.remote())
	limits := h.options.Limits()
	answer := h.negotiation(&limits, version)
	answer.Error = errServerless.Text
	writeJSON(c.w, answer.Append(nil))
	return nil
}

// ping says that the token is good.
func (h *Handler) ping(c *call) error {
	if err := c.authenticate(); err != nil {
		return err
	}
	if c.values.callback.found {
		return errJSONP
	}
	writeJSON(c.w, []byte(`{"Response":"pong"}`))
	return nil
}

// contentType is that of everything but Server-Sent Events and refusals.
const contentType = "application/json; charset=UTF-8"

func writeJSON(w *transport.Answer, body []byte) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	transport.WriteJSON(w, contentType, body)
}
