package upstream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// kind is which of the three events of a client an event is, or what has to be done between them.
type kind uint8

const (
	kindConnected kind = iota
	kindMessage
	kindDisconnected
	// kindBorn is no event: the client is noted, see Life.
	kindBorn
	// kindNoted is no event either: somebody waits for what is before it.
	kindNoted
)

// Categories of events, as they travel in headers and URLs.
const (
	categoryConnections = "connections"
	categoryMessages    = "messages"
)

func (k kind) category() string {
	if k == kindMessage {
		return categoryMessages
	}
	return categoryConnections
}

// event is one POST that waits or is under way.
type event struct {
	template *template
	target   string // of a message
	body     []byte
	protocol string
	// invocation is the id to answer, empty if no answer is expected.
	invocation string
	// stream: the client waits for a stream. An answer without a value does not end it.
	stream bool
	// id names the event for its receiver, see eventID.
	id   string
	kind kind
	// noted is closed by a kindNoted.
	noted chan struct{}
	// kept is there if the event is in the outbox. came is when an invocation came that may have to wait for
	// such events.
	kept *kept
	came time.Time
	// traced is the event's span; nil without a tracer.
	traced *traced
}

// event is the event's name in headers, URLs and patterns.
func (k kind) event(target string) string {
	switch k {
	case kindConnected:
		return "connected"
	case kindDisconnected:
		return "disconnected"
	}
	return target
}

// name is the event's name.
func (e *event) name() string { return e.kind.event(e.target) }

// eventID returns the id of an event of a connection. It begins with the connection's id, so that who checks
// the signature of an event knows whose it is. What happens once to a connection has one id, whoever tells
// it: what may be told twice is known again.
func eventID(connection string, k kind) string {
	if k == kindMessage {
		text := append(make([]byte, 0, len(connection)+1+16), connection...)
		text = append(text, '.')
		var raw [8]byte
		binary.BigEndian.PutUint64(raw[:], rand.Uint64())
		return string(hex.AppendEncode(text, raw[:]))
	}
	return connection + "." + k.event("")
}

// size is what the event counts in a bounded queue.
func (e *event) size() int { return len(e.body) + len(e.target) }

// bodyConnected is the body of every connected event; it is never changed.
var bodyConnected = []byte(`{"type":10}`)

// disconnectedBody returns the body of a disconnected event. The error is left
// out when the connection ended in an ordinary way (R54).
func disconnectedBody(cause gateway.Cause) []byte {
	body, err := json.Marshal(struct {
		Type  int    `json:"type"`
		Error string `json:"error,omitempty"`
	}{11, cause.Text})
	if err != nil {
		panic(err) // a struct of a number and a string always marshals
	}
	return body
}

// newMessage copies what a message event needs of r, which is only valid
// during the call. The body is the record as the client wrote it (R55, R67).
func newMessage(t *template, protocol string, r *gateway.Record) event {
	e := event{kind: kindMessage, template: t, protocol: protocol, target: r.Message.Target, body: bytes.Clone(r.Body), stream: r.Type == hubprotocol.StreamInvocation}
	if answered(r.Message) {
		e.invocation = r.Message.InvocationID
	}
	return e
}
