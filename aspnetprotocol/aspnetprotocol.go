// Package aspnetprotocol is the wire of ASP.NET SignalR clients, the older generation: the frames that
// go to them, what they say, connectionData, and the answer to negotiate. A frame is one JSON object.
// How a transport carries frames is no affair of this package: it does no I/O.
//
// Frames with messages carry a cursor, by which a client that comes back says what it has had. Frames
// are shared by receivers and must not be changed.
//
// Functions may be called concurrently.
package aspnetprotocol

import (
	"errors"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Name is the name by which the gateway knows the protocol.
const Name = "aspnet"

// NoCursor is the cursor of a client that has had nothing yet.
const NoCursor = "0"

// ReconnectText is the payload that tells a hub server that its client has come back. No client can
// say it, since it is no JSON (ParseCall).
const ReconnectText = "asrs:reconnect"

// Frames that are always the same.
var (
	// Init is the first frame of a connection.
	Init = []byte(`{"C":"0","S":1,"M":[]}`)
	// KeepAlive is the frame without a meaning.
	KeepAlive = []byte(`{}`)
	// Reconnect asks the client to connect again.
	Reconnect = []byte(`{"C":"0","T":1,"M":[]}`)
)

// Limits of what is read. A text over one of them is ErrMalformed, and nothing is kept of it.
const (
	// MaxMembers is how many members the object of a frame or of a call may have.
	MaxMembers = 32
	// MaxCallID is the length of the longest id of a call, in bytes.
	MaxCallID = 128
	// MaxConnectionData is the length of the longest connectionData, in bytes.
	MaxConnectionData = 32 << 10
	// MaxHubs is how many hubs a client may declare.
	MaxHubs = 128
	// MaxHubName is the length of the longest name of a hub, in bytes.
	MaxHubName = 128
	// MaxDepth is how many arrays and objects may be open at once.
	MaxDepth = jsontext.MaxDepth
)

// ErrMalformed is the one error of this package.
var ErrMalformed = errors.New("not a valid message of ASP.NET SignalR")

// AppendError appends the frame that tells the client an error. The client stops then.
func AppendError(dst []byte, cursor, text string) []byte {
	dst = jsontext.AppendString(append(dst, `{"C":`...), cursor)
	dst = jsontext.AppendString(append(dst, `,"E":`...), text)
	return append(dst, `,"M":[]}`...)
}

// AppendEmpty appends the frame without messages that ends a poll.
func AppendEmpty(dst []byte, cursor string) []byte {
	return append(jsontext.AppendString(append(dst, `{"C":`...), cursor), `,"M":[]}`...)
}

// AppendHubError appends the answer that says that a call failed.
func AppendHubError(dst []byte, id, text string) []byte {
	dst = jsontext.AppendString(append(dst, `{"I":`...), id)
	dst = jsontext.AppendString(append(dst, `,"E":`...), text)
	return append(dst, '}')
}
