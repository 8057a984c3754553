package gateway

import (
	"bytes"
	"strings"

	"github.com/hubgate/hubgate/hubprotocol"
)

// A client may be asked for a result: it gets an Invocation with an id, and answers with a Completion that
// has the same id. Whoever asks tells the connection first (Conn.Await). The reader gives such an answer to
// those who wait for it and to nobody else: the application does not hear of it, and is not waited for, so
// that it may ask the very client that waits for the application.

// Answer is what a client has answered.
type Answer struct {
	// Protocol is the hub protocol of the client, Frame its Completion with the framing of that protocol. It
	// is parsed only if the gateway speaks with the client (GatewaySpeaks).
	Protocol string
	Frame    []byte
}

// Answered is told once what came of an invocation: the answer, or a *NoAnswer. It must not block.
type Answered func(Answer, error)

// NoAnswer says why a client will not answer. It is an error.
type NoAnswer struct {
	Reason NoAnswerReason
	Text   string
}

// Error returns the text, a sentence for the caller.
func (n *NoAnswer) Error() string { return n.Text }

// NoAnswerReason is a closed list.
type NoAnswerReason string

const (
	// NoConnection: there is no such connection.
	NoConnection NoAnswerReason = "NoConnection"
	// ConnectionEnded: the connection has ended before the client answered.
	ConnectionEnded NoAnswerReason = "Ended"
	// ConnectionMoved: another node has the connection now, which does not know who waits.
	ConnectionMoved NoAnswerReason = "Moved"
	// ConnectionLost: the node that has the connection is gone.
	ConnectionLost NoAnswerReason = "NodeGone"
	// NotConvertible: the message has no form for the protocol of the client.
	NotConvertible NoAnswerReason = "NoPayload"
	// Unable: clients of this protocol do not answer.
	Unable NoAnswerReason = "Unable"
	// InvocationInUse: somebody waits for an answer with the same id.
	InvocationInUse NoAnswerReason = "IdInUse"
	// TooManyInvocations: too many answers are waited for.
	TooManyInvocations NoAnswerReason = "TooMany"
)

// maxAwaited is how many answers of one client may be waited for.
const maxAwaited = 1000

// endedBefore is why a client that has left does not answer.
func endedBefore(cause Cause) *NoAnswer {
	if cause.Reason == CloseMoved {
		return &NoAnswer{ConnectionMoved, "Another node has taken the connection over."}
	}
	return &NoAnswer{ConnectionEnded, strings.TrimSpace("The connection was closed before the client answered. " + cause.Text)}
}

// Await has answered called with the client's answer to the invocation of this id, or when it is clear that
// there will be none. It returns a *NoAnswer if that is clear at once, and then calls nobody. The invocation is
// sent afterwards. Whoever gives up calls Forget.
func (c *Conn) Await(id string, answered Answered) error {
	if p := c.Protocol(); !hubprotocol.Supported(p) && p != hubprotocol.BlazorPack {
		return &NoAnswer{Unable, "The client speaks a protocol without results."}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.life.cause != nil:
		return endedBefore(*c.life.cause)
	case c.awaited[id] != nil:
		return &NoAnswer{InvocationInUse, "The invocation id is in use."}
	case len(c.awaited) >= maxAwaited:
		return &NoAnswer{TooManyInvocations, "Too many answers of the client are waited for."}
	}
	if c.awaited == nil {
		c.awaited = make(map[string]Answered)
	}
	c.awaited[id] = answered
	return nil
}

// Forget says that nobody waits for an answer any more. Answered may be on its way.
func (c *Conn) Forget(id string) { c.takeAwaited(id) }

func (c *Conn) takeAwaited(id string) Answered {
	c.mu.Lock()
	defer c.mu.Unlock()
	answered := c.awaited[id]
	if delete(c.awaited, id); len(c.awaited) == 0 {
		c.awaited = nil
	}
	return answered
}

// answers gives a Completion of the client to those who wait for it, and reports whether it is one that the
// application has not asked for. Called by the reader.
func (c *Conn) answers(record *hubprotocol.Peeked, frame []byte) bool {
	if !record.HasID {
		return false
	}
	id := record.ID()
	answered := c.takeAwaited(id)
	if answered == nil && !isInvocationID(id) {
		return false
	}
	answer := Answer{c.Protocol(), bytes.Clone(frame)}
	if answered == nil {
		c.g.invocations.late(c.id.ID, id, answer)
		return true
	}
	answered(answer, nil)
	return true
}
