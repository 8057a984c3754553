package gateway

// CloseReason is why a connection ended. The list is closed: it is the value
// of the log field, of the metric label and what decides the text for the
// client. The names are the categories Azure SignalR Service reports.
type CloseReason string

const (
	CloseNormal               CloseReason = "Normal"
	CloseThrottled            CloseReason = "Throttled"
	ClosePingTimeout          CloseReason = "PingTimeout"
	CloseInvokeUpstreamFailed CloseReason = "InvokeUpstreamFailed"
	CloseSlowClient           CloseReason = "SlowClient"
	CloseHandshakeError       CloseReason = "HandshakeError"
	CloseBadRequest           CloseReason = "BadRequest"
	CloseClosedByAppServer    CloseReason = "ClosedByAppServer"
	CloseServiceReload        CloseReason = "ServiceReload"
	CloseUnauthorized         CloseReason = "Unauthorized"
	// CloseNoAvailableServerConnection: no hub server could take the client.
	CloseNoAvailableServerConnection CloseReason = "NoAvailableServerConnection"
	// CloseServerConnectionClosed: the client's hub server went away.
	CloseServerConnectionClosed CloseReason = "ServerConnectionClosed"
	// CloseServiceModeSwitched: the hub got another service mode.
	CloseServiceModeSwitched CloseReason = "ServiceModeSwitched"
	// CloseDisconnectTimeout: the client lost its transport, and did not come back in time.
	CloseDisconnectTimeout CloseReason = "DisconnectTimeout"
	// CloseMissedMessages: the client came back for messages that were not kept any more.
	CloseMissedMessages CloseReason = "MissedMessages"
	// CloseNodeLost: the other nodes have given this one up, and have told the application that its clients
	// have ended. It is also what the application is told of the clients of a node that died.
	CloseNodeLost CloseReason = "NodeLost"
	// CloseMoved: another node has the connection, which goes on there.
	CloseMoved CloseReason = "Moved"
	// CloseRateLimited: the client has said more than a rule of the operator allows.
	CloseRateLimited CloseReason = "RateLimited"
	// CloseFaultInjected: the operator wanted to see how the client takes it (Faults).
	CloseFaultInjected CloseReason = "FaultInjected"
	// CloseServiceTransientError is a fault of the gateway itself.
	CloseServiceTransientError CloseReason = "ServiceTransientError"
)

// closeReasonList is every CloseReason: Stats counts each from zero.
var closeReasonList = []CloseReason{
	CloseNormal, CloseThrottled, ClosePingTimeout, CloseInvokeUpstreamFailed, CloseSlowClient, CloseHandshakeError,
	CloseBadRequest, CloseClosedByAppServer, CloseServiceReload, CloseUnauthorized, CloseServiceTransientError,
	CloseNoAvailableServerConnection, CloseServerConnectionClosed, CloseServiceModeSwitched,
	CloseDisconnectTimeout, CloseMissedMessages, CloseNodeLost, CloseMoved, CloseRateLimited, CloseFaultInjected,
}

// DropReason is why a delivery to one receiver was given up. The list is closed.
// It is the value of the metric's label.
type DropReason string

const (
	// DropNoPayloadForProtocol: the message has no form in the client's hub protocol (D11).
	DropNoPayloadForProtocol DropReason = "NoPayloadForProtocol"
	// DropSlowClient: it waited for a client that was closed as slow (D12).
	DropSlowClient DropReason = "SlowClient"
	// DropConnectionClosed: the connection ended before the delivery was written.
	DropConnectionClosed DropReason = "ConnectionClosed"
	// DropMoved: another node has taken it over with its client, and counts it.
	DropMoved DropReason = "Moved"
	// DropNodeLost: it was kept for a client that comes from another node, which was gone before it had given the
	// client.
	DropNodeLost DropReason = "NodeLost"
	// DropFault: the gateway failed while it made the message ready; the log has the details.
	DropFault DropReason = "Fault"
	// DropFaultInjected: the operator wanted to see how the client takes it (Faults).
	DropFaultInjected DropReason = "FaultInjected"
)

// dropReasonList is every DropReason.
var dropReasonList = []DropReason{DropNoPayloadForProtocol, DropSlowClient, DropConnectionClosed, DropMoved, DropNodeLost, DropFault, DropFaultInjected}

// Cause explains one connection's end.
type Cause struct {
	Reason CloseReason
	// Text is what the client is told in its Close record and the application
	// as the error of the disconnect; empty for an ordinary end.
	Text string
	// AllowReconnect lets the client's automatic reconnect work (D4).
	AllowReconnect bool
	// Told: the application has sent the client a Close record or a handshake
	// error itself; the gateway adds none.
	Told bool
}

// dropped is what deliveries that wait when the connection ends count as.
func (c Cause) dropped() DropReason {
	switch c.Reason {
	case CloseSlowClient:
		return DropSlowClient
	case CloseMoved:
		return DropMoved
	}
	return DropConnectionClosed
}

// Error makes a Cause usable as an error and as a context cause.
func (c Cause) Error() string {
	if c.Text == "" {
		return string(c.Reason)
	}
	return string(c.Reason) + ": " + c.Text
}
