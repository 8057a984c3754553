package servermode

import (
	"slices"
	"sync/atomic"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/internal/counts"
)

// Refusal is why a hub server was refused. The list is closed: it appears in the log and as a metric
// label, and the hub server gets a text for it.
type Refusal string

const (
	RefusedRequest   Refusal = "Request"   // no WebSocket upgrade, or no valid hub
	RefusedToken     Refusal = "Token"     // answered by HTTP status
	RefusedMode      Refusal = "Mode"      // the hub is Serverless (H82)
	RefusedVersion   Refusal = "Version"   // of the service protocol
	RefusedKind      Refusal = "Kind"      // of connection, unknown
	RefusedTarget    Refusal = "Target"    // asked for another node (H78)
	RefusedHandshake Refusal = "Handshake" // the first message is no handshake request
	RefusedTimeout   Refusal = "Timeout"   // no handshake request in time
	RefusedTooMany   Refusal = "TooMany"   // over Limits.MaxConnections
	RefusedShutdown  Refusal = "Shutdown"  // the gateway ends
	RefusedPanic     Refusal = "Panic"     // a fault of the gateway
)

var refusalTexts = map[Refusal]string{
	RefusedRequest: "This endpoint is for WebSocket connections of hub servers.",
	RefusedToken:   "The token is not valid.",
	RefusedMode: "The hub is in Serverless mode: hub servers cannot connect. " +
		"Switch it to Default or Classic mode, or connect without hubs.",
	RefusedVersion:   "The version of the service protocol is not supported.",
	RefusedKind:      "The kind of the server connection is not known.",
	RefusedTarget:    "The gateway node that the connection asks for is not here.",
	RefusedHandshake: "The first message has to be a handshake request.",
	RefusedTimeout:   "The handshake request did not come in time.",
	RefusedTooMany:   "The gateway has too many server connections.",
	RefusedShutdown:  "The gateway is shutting down.",
	RefusedPanic:     "The gateway failed; its log says more.",
}

// Refusals returns every Refusal, so that metrics start at zero.
func Refusals() []Refusal { return slices.Clone(refusalList) }

var refusalList = []Refusal{
	RefusedRequest, RefusedToken, RefusedMode, RefusedVersion, RefusedKind, RefusedTarget,
	RefusedHandshake, RefusedTimeout, RefusedTooMany, RefusedShutdown, RefusedPanic,
}

// End is why an established server connection ended. The list is closed: it appears in the log and
// as a metric label.
type End string

const (
	EndClosedByServer End = "ClosedByServer" // with a Close frame
	EndBroken         End = "Broken"         // the socket failed
	EndSilent         End = "Silent"         // nothing came for 20 s (H28)
	EndMalformed      End = "Malformed"      // the byte stream cannot be read on
	EndTooLarge       End = "TooLarge"       // a message over Limits.MessageBytes
	EndTextFrame      End = "TextFrame"      // a WebSocket message that is not binary
	EndSlow           End = "Slow"           // it took no byte for too long, or too many wait
	EndModeSwitched   End = "ModeSwitched"   // the hub became Serverless
	EndPanic          End = "Panic"          // a fault of the gateway
	EndShutdown       End = "Shutdown"       // the gateway ends
)

// Ends returns every End, so that metrics start at zero.
func Ends() []End { return slices.Clone(endList) }

var endList = []End{
	EndClosedByServer, EndBroken, EndSilent, EndMalformed, EndTooLarge, EndTextFrame,
	EndSlow, EndModeSwitched, EndPanic, EndShutdown,
}

// Loss is why a message or a record was not carried out. The list is closed: it appears in the log
// and as a metric label.
type Loss string

const (
	// LossMalformedMessage: a message whose content cannot be read. The connection goes on.
	LossMalformedMessage Loss = "MalformedMessage"
	// LossUnknownType: a message of an unknown type (H19).
	LossUnknownType Loss = "UnknownType"
	// LossUnknownConnection: data for a client that the hub server never had. Data for one that has
	// just left is not counted (H45).
	LossUnknownConnection Loss = "UnknownConnection"
	// LossMalformedRecord: a record for a client that is not valid in the client's protocol.
	LossMalformedRecord Loss = "MalformedRecord"
	// LossNoPayload: a multicast without any payload.
	LossNoPayload Loss = "NoPayload"
	// LossFilter: a multicast with a filter. The language of filters is not known.
	LossFilter Loss = "Filter"
	// LossLateCompletion: an answer from the former hub server of a client that has moved. The client
	// has got an error in its place.
	LossLateCompletion Loss = "LateCompletion"
	// LossMigration: an invocation that was open when the client moved. The client has got an error.
	LossMigration Loss = "Migration"
	// LossServerGone: an invocation that was open when the server connection was lost. The client has
	// got an error.
	LossServerGone Loss = "ServerGone"
	// LossClientResult: an invocation of a client by a hub server that got no answer. The hub server
	// has got an error.
	LossClientResult Loss = "ClientResult"
	// LossUnexpected: a message that only gateways send, or an answer that nobody waits for.
	LossUnexpected Loss = "Unexpected"
	// LossNoMeaning: a message that ASP.NET SignalR does not have. If it wants an ack, it has got one.
	LossNoMeaning Loss = "NoMeaning"
	// LossDuplicate: a hub server of ASP.NET SignalR has refused a client because it still has the same
	// from before. The client is given to a hub server again.
	LossDuplicate Loss = "Duplicate"
	// LossPeerBehind: data for a client of another node, for which too much waited already. The client
	// is closed.
	LossPeerBehind Loss = "PeerBehind"
)

// Losses returns every Loss, so that metrics start at zero.
func Losses() []Loss { return slices.Clone(lossList) }

var lossList = []Loss{
	LossMalformedMessage, LossUnknownType, LossUnknownConnection, LossMalformedRecord, LossNoPayload, LossFilter,
	LossLateCompletion, LossMigration, LossServerGone, LossClientResult, LossUnexpected, LossNoMeaning, LossDuplicate, LossPeerBehind,
}

// counters count what a Backend has done since its start.
type counters struct {
	opened              atomic.Uint64
	refused             *counts.Counts[Refusal]
	ended               *counts.Counts[End]
	lost                *counts.Counts[Loss]
	migrated, recovered atomic.Uint64
	bytesIn, bytesOut   atomic.Uint64
	messagesIn          atomic.Uint64
	panics              atomic.Uint64
	// lastTicks is what the last servers ping said, and cursors are those of messages to clients.
	lastTicks atomic.Int64
	cursors   *aspnetprotocol.Cursors
}

func newCounters(node string) *counters {
	return &counters{refused: counts.New(refusalList), ended: counts.New(endList), lost: counts.New(lossList),
		cursors: aspnetprotocol.NewCursors(node)}
}

func (c *counters) refuse(r Refusal) { c.refused.Add(r, 1) }
func (c *counters) end(e End)        { c.ended.Add(e, 1) }
func (c *counters) lose(l Loss)      { c.lost.Add(l, 1) }
