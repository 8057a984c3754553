package clientws

import (
	"net/http"

	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/transport"
)

// Refused returns how many requests were refused since the start, by reason.
func (h *Handler) Refused() map[transport.Refusal]uint64 { return h.refuser.Map() }

// Texts that self-hosted servers use are theirs word for word.
var (
	errPath      error = &transport.Refused{Reason: transport.RefusedPath, Status: http.StatusNotFound, Text: "There is no such path. Clients connect to /client/?hub=NAME and negotiate at /client/negotiate?hub=NAME."}
	errNoHub     error = &transport.Refused{Reason: transport.RefusedHub, Status: http.StatusBadRequest, Text: "The query must name a hub: ?hub=NAME."}
	errTwoHubs   error = &transport.Refused{Reason: transport.RefusedHub, Status: http.StatusBadRequest, Text: "The query names several hubs, and the token is not for the first of them."}
	errHubName   error = &transport.Refused{Reason: transport.RefusedHub, Status: http.StatusBadRequest, Text: "The hub's name is invalid: " + hubname.Rule + "."}
	errNoID      error = &transport.Refused{Reason: transport.RefusedNoID, Status: http.StatusBadRequest, Text: "Connection ID required"}
	errUser      error = &transport.Refused{Reason: transport.RefusedUser, Status: http.StatusForbidden, Text: "The connection belongs to another user."}
	errChange    error = &transport.Refused{Reason: transport.RefusedChange, Status: http.StatusBadRequest, Text: "Cannot change transports mid-connection"}
	errPost      error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusMethodNotAllowed, Text: "POST requests are not allowed for WebSocket connections.", Allow: "GET"}
	errDelete    error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusBadRequest, Text: "Cannot terminate this connection using the DELETE endpoint."}
	errPending   error = &transport.Refused{Reason: transport.RefusedPending, Status: http.StatusServiceUnavailable, Text: "Too much data waits for connections to start, try again later.", RetryAfter: 5}
	errNegotiate error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusMethodNotAllowed, Text: "Negotiate by POST.", Allow: "POST, OPTIONS"}
	errRefresh   error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusMethodNotAllowed, Text: "Refresh by POST.", Allow: "POST, OPTIONS"}
	// errMoving refuses a new token for a connection that another node is being given.
	errMoving     error = &transport.Refused{Reason: transport.RefusedMoving, Status: http.StatusServiceUnavailable, Text: "The connection is on its way to another node, try again later.", RetryAfter: 1}
	errRedials    error = &transport.Refused{Reason: transport.RefusedRedials, Status: http.StatusTooManyRequests, Text: "The connection gets another transport too often, try again later.", RetryAfter: 5}
	errMethod     error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusMethodNotAllowed, Text: "Use GET, POST or DELETE.", Allow: "GET, POST, DELETE, OPTIONS"}
	errEarlyBytes error = &transport.Refused{Reason: transport.RefusedBodySize, Status: http.StatusRequestEntityTooLarge, Text: "Too much data waits for the connection to start."}
)

// refuse answers a request that does not get what it asked for. The EventSource of Node.js asks again every second, for
// ever, if it gets 500, 502, 503 or 504, and the official client does not close one that has not opened: it would go on
// behind the back of the client's next connection.
func (h *Handler) refuse(c *call, err error) {
	if c.r.Method == http.MethodGet && acceptsEvents(c.r) {
		err = transport.ForGood(err)
	}
	h.refuser.Refuse(c.w, c.r, err, c.query.hub, c.remote())
}
