package clientaspnet

import (
	"net/http"

	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/internal/transport"
)

// Texts that self-hosted servers use are theirs word for word.
var (
	errPath        error = &transport.Refused{Reason: transport.RefusedPath, Status: http.StatusNotFound, Text: "There is no such path. Clients of ASP.NET SignalR negotiate at /aspnetclient/negotiate."}
	errMethod      error = &transport.Refused{Reason: transport.RefusedMethod, Status: http.StatusMethodNotAllowed, Text: "Use GET or POST.", Allow: "GET, POST, OPTIONS"}
	errApplication error = &transport.Refused{Reason: transport.RefusedApplication, Status: http.StatusBadRequest, Text: "The token's application name (asrs.s.apn) is missing or invalid: " + hubname.Rule + "."}
	errJSONP       error = &transport.Refused{Reason: transport.RefusedJSONP, Status: http.StatusBadRequest, Text: "JSONP is not supported. Requests to other origins work by CORS."}
	errTransport   error = &transport.Refused{Reason: transport.RefusedUnknownWay, Status: http.StatusBadRequest, Text: "Protocol error: Unknown transport."}
	errNoToken     error = &transport.Refused{Reason: transport.RefusedNoID, Status: http.StatusBadRequest, Text: "Protocol error: Missing connection token."}
	errToken       error = &transport.Refused{Reason: transport.RefusedToken, Status: http.StatusBadRequest, Text: "The ConnectionId is in the incorrect format."}
	errUser        error = &transport.Refused{Reason: transport.RefusedUser, Status: http.StatusForbidden, Text: "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."}
	errNoUpgrade   error = transport.ErrUpgrade(http.StatusBadRequest, "Not a valid web socket request.")
	errHubList     error = &transport.Refused{Reason: transport.RefusedHubList, Status: http.StatusBadRequest, Text: "The connectionData is invalid: it is a JSON array of objects with a name."}
	errCall        error = &transport.Refused{Reason: transport.RefusedCall, Status: http.StatusBadRequest, Text: notACall}
	errNotPolling  error = &transport.Refused{Reason: transport.RefusedChange, Status: http.StatusBadRequest, Text: "The connection uses another transport than longPolling."}
	errServerless        = &transport.Refused{Reason: transport.RefusedServerless, Status: http.StatusBadRequest, Text: "The application is in Serverless mode, which ASP.NET SignalR does not have. Set its mode to Default."}
)

const (
	// notACall is what a client is told whose message no hub can understand.
	notACall = "The message is no call of a hub: a JSON object with H and M."
	// goneText is what a client is told that comes back to a connection that is no more.
	goneText = "The connection has ended. Start a new one."
	// missedText is what a client is told that comes back too late for messages that it has not had.
	missedText = "The connection has ended: messages were lost while the client was away. Start a new one."
)
