// Package hubprotocol speaks the client side of the SignalR wire: the handshake,
// the framing and records of the JSON and MessagePack hub protocols, and the
// conversion of payloads between the two. It knows no socket and no hub, keeps no
// state, and every function in it may be called concurrently.
package hubprotocol

import (
	"errors"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Names of hub protocols as they stand in a handshake request, in lower case.
const (
	JSON        = "json"
	MessagePack = "messagepack"
	// BlazorPack has the framing and record layout of MessagePack (C80).
	BlazorPack = "blazorpack"
)

// RecordSeparator ends a handshake record and every record of the JSON protocol.
const RecordSeparator = 0x1e

// MaxDepth is how many arrays and objects may be open at once in anything this
// package reads or converts, the record itself included. It is the limit of
// System.Text.Json.
const MaxDepth = jsontext.MaxDepth

// Errors that callers tell apart with errors.Is. The texts of the errors that wrap
// ErrMalformed are sentences that may be shown to the client.
var (
	// ErrTooLarge says that a record is, or is announced to be, over the caller's limit (C73, C81).
	ErrTooLarge = errors.New("record too large")
	// ErrMalformed says that bytes break the protocol; the connection they came from is to be closed.
	ErrMalformed = errors.New("malformed record")
	// ErrProtocol says that the named hub protocol cannot be written by this package.
	ErrProtocol = errors.New("unknown hub protocol")
)

// Binary reports whether the protocol's transfer format is Binary: all but JSON are.
// It decides the WebSocket opcode (C29, C30).
func Binary(protocol string) bool { return protocol != JSON }

// Supported reports whether the gateway itself can answer a client that speaks the
// protocol (C63). The name is expected in lower case, as ParseHandshake returns it.
func Supported(protocol string) bool { return protocol == JSON || protocol == MessagePack }

// Type is the record type, the same number in every hub protocol.
type Type uint8

// Record types. Any other value is a record type of a future version, to be ignored (C75).
const (
	Invocation Type = iota + 1
	StreamItem
	Completion
	StreamInvocation
	CancelInvocation
	Ping
	Close
	Ack
	Sequence
)

var typeNames = [...]string{
	"unknown", "invocation", "streamItem", "completion", "streamInvocation",
	"cancelInvocation", "ping", "close", "ack", "sequence",
}

// Known reports whether t is one of the record types above.
func (t Type) Known() bool { return t >= Invocation && t <= Sequence }

// String returns a name from a closed list, fit for a metric label.
func (t Type) String() string {
	if !t.Known() {
		return typeNames[0]
	}
	return typeNames[t]
}
