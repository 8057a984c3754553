package hubservertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
)

// wantPatience is how long Want waits.
const wantPatience = 30 * time.Second

// noResult is what clients answer if they have no handler for a call that wants a result.
const noResult = "Client didn't provide a result."

// Message is what the hub has sent to a client.
type Message struct {
	Target string
	// Arguments are the arguments as JSON, whatever the protocol of the client is.
	Arguments []json.RawMessage
}

// String returns the message in the form target(arguments...).
func (m Message) String() string {
	texts := make([]string, len(m.Arguments))
	for i, argument := range m.Arguments {
		texts[i] = string(argument)
	}
	return m.Target + "(" + strings.Join(texts, ", ") + ")"
}

// Scan decodes the arguments into as many pointers.
func (m Message) Scan(to ...any) error {
	if len(to) != len(m.Arguments) {
		return fmt.Errorf("%s has %d arguments, not %d", m, len(m.Arguments), len(to))
	}
	for i, argument := range m.Arguments {
		if err := json.Unmarshal(argument, to[i]); err != nil {
			return fmt.Errorf("%s, argument %d: %w", m, i+1, err)
		}
	}
	return nil
}

// inbox is what a client has received and nobody has looked at. It is guarded by Client.mu.
type inbox struct {
	messages []Message
	more     chan struct{} // closed and renewed when a message comes
	handlers map[string]*handler
	queue    []delivery
	busy     bool // somebody empties the queue
}

// delivery is a message for a handler.
type delivery struct {
	handler *handler
	message Message
	id      string // of the hub's call; empty if it wants no result
}

func newInbox() inbox {
	return inbox{more: make(chan struct{}), handlers: make(map[string]*handler)}
}

// On sets the function that handles messages with a target, in place of Receive, Want and
// Messages. It panics if the function has none of these types:
//
//	func(arguments...)
//	func(arguments...) error
//	func(arguments...) T
//	func(arguments...) (T, error)
//
// The hub gets the result if it has called the client with hubserver.Invoke. Messages are handled
// one after the other, those that have come before On too. The letter case of the target does not
// matter. A message with other arguments fails the test.
func (c *Client) On(target string, function any) {
	h, err := newHandler(function)
	if err != nil {
		panic(fmt.Sprintf("hubservertest: handler of %q: %v", target, err))
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	key := strings.ToLower(target)
	c.state.inbox.handlers[key] = h
	kept := c.state.inbox.messages[:0]
	for _, m := range c.state.inbox.messages {
		if strings.ToLower(m.Target) == key {
			c.deliverLocked(delivery{h, m, ""})
		} else {
			kept = append(kept, m)
		}
	}
	c.state.inbox.messages = kept
}

// invoked takes a message of the hub.
func (c *Client) invoked(record *hubprotocol.Message) error {
	arguments, err := values.Split(c.protocol, record.Arguments)
	if err != nil {
		return err
	}
	m := Message{record.Target, cloned(arguments)}
	c.state.mu.Lock()
	h := c.state.inbox.handlers[strings.ToLower(m.Target)]
	switch {
	case h != nil:
		c.deliverLocked(delivery{h, m, record.InvocationID})
	case record.HasID:
		go c.answer(record.InvocationID, nil, errors.New(noResult))
	default:
		c.state.inbox.messages = append(c.state.inbox.messages, m)
		close(c.state.inbox.more)
		c.state.inbox.more = make(chan struct{})
	}
	c.state.mu.Unlock()
	return nil
}

func cloned(values []json.RawMessage) []json.RawMessage {
	clone := make([]json.RawMessage, len(values))
	for i, value := range values {
		clone[i] = append(json.RawMessage(nil), value...)
	}
	return clone
}

// deliverLocked queues a message for its handler.
func (c *Client) deliverLocked(d delivery) {
	c.state.inbox.queue = append(c.state.inbox.queue, d)
	if !c.state.inbox.busy {
		c.state.inbox.busy = true
		go c.handle()
	}
}

// handle runs handlers until nothing waits for them.
func (c *Client) handle() {
	for {
		c.state.mu.Lock()
		if len(c.state.inbox.queue) == 0 {
			c.state.inbox.busy = false
			c.state.mu.Unlock()
			return
		}
		d := c.state.inbox.queue[0]
		c.state.inbox.queue = c.state.inbox.queue[1:]
		c.state.mu.Unlock()
		result, err := d.handler.call(d.message)
		var unfit *unfitError
		if errors.As(err, &unfit) {
			c.t.Errorf("hubservertest: %v", err)
		}
		if d.id != "" {
			c.answer(d.id, result, err)
		}
	}
}

// answer gives the hub the result of its call.
func (c *Client) answer(id string, result any, err error) {
	var raw []byte
	if err == nil && result != nil {
		raw, err = values.Append(nil, c.protocol, result)
	}
	record := hubprotocol.AppendCompletionResult(nil, c.protocol, id, raw)
	if err != nil {
		record = hubprotocol.AppendCompletionError(nil, c.protocol, id, err.Error())
	}
	// Of a connection that is lost the reader tells.
	_ = c.write(context.Background(), record)
}

// Receive waits for the next message that has no handler. When the connection has ended and all
// messages were received it returns the error that Err returns; if ctx ends, the cause of ctx.
func (c *Client) Receive(ctx context.Context) (Message, error) {
	for {
		c.state.mu.Lock()
		if len(c.state.inbox.messages) > 0 {
			m := c.state.inbox.messages[0]
			c.state.inbox.messages = c.state.inbox.messages[1:]
			c.state.mu.Unlock()
			return m, nil
		}
		more, err := c.state.inbox.more, c.state.err
		c.state.mu.Unlock()
		if err != nil {
			return Message{}, err
		}
		select {
		case <-more:
		case <-c.done:
		case <-ctx.Done():
			return Message{}, context.Cause(ctx)
		}
	}
}

// Messages returns the messages without a handler that have come and were not received, without
// waiting. In a bubble of testing/synctest call synctest.Wait before it.
func (c *Client) Messages() []Message {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	messages := c.state.inbox.messages
	c.state.inbox.messages = nil
	return messages
}

// Want waits for the next message without a handler, and fails the test unless it has this target
// and these arguments. Arguments are compared by what they are on the wire. Want waits for 30
// seconds at most; Receive has no such bound.
func (c *Client) Want(target string, arguments ...any) {
	c.t.Helper()
	raw, err := values.AppendArguments(nil, c.protocol, arguments)
	if err != nil {
		c.t.Fatalf("hubservertest: arguments of %q: %v", target, err)
	}
	split, err := values.Split(c.protocol, raw)
	if err != nil {
		c.t.Fatalf("hubservertest: arguments of %q: %v", target, err)
	}
	want := Message{target, split}
	ctx, cancel := context.WithTimeout(c.t.Context(), wantPatience)
	defer cancel()
	got, err := c.Receive(ctx)
	if err != nil {
		c.t.Fatalf("hubservertest: no message %s: %v", want, err)
	}
	if !same(got, want) {
		c.t.Fatalf("hubservertest: received %s instead of %s", got, want)
	}
}

// same compares two messages; the order of members in objects does not matter.
func same(a, b Message) bool {
	if a.Target != b.Target || len(a.Arguments) != len(b.Arguments) {
		return false
	}
	for i := range a.Arguments {
		var left, right any
		if json.Unmarshal(a.Arguments[i], &left) != nil || json.Unmarshal(b.Arguments[i], &right) != nil || !reflect.DeepEqual(left, right) {
			return false
		}
	}
	return true
}
