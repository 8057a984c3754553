package hubserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"sync"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
)

// maxActive is how many calls and streams of one client may be under way, and how many
// uploads, whatever their size.
const maxActive = 4096

// call is one call of a method by the client.
type call struct {
	id        string // empty if no answer is wanted
	protocol  string
	method    *method
	arguments []byte
	uploads   []*upload
	ctx       context.Context
	cancel    context.CancelCauseFunc
}

// calls are the calls of one client: those that wait, run and stream.
type calls struct {
	session *session
	// handlers are all goroutines that may run code of the application's for the client.
	handlers sync.WaitGroup

	mu        sync.Mutex
	connected bool // OnConnected has succeeded
	ended     bool
	waiting   []*call
	running   int
	pending   int // bytes that wait
	active    map[string]*call
	uploads   map[string]*upload
}

// begin runs OnConnected, and then the calls that have come meanwhile.
func (c *calls) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.handlers.Go(c.connect)
	}
}

func (c *calls) connect() {
	s := c.session
	hub := s.pool.hub
	err := hub.around(newContext(s.ctx, s), Event{Kind: EventConnected}, func(ctx *Context) error {
		if hub.handlers.connected == nil {
			return nil
		}
		return hub.handlers.connected(ctx)
	})
	if err != nil {
		s.pool.log.Warn("client refused", "connection", s.id, "error", err)
		s.end(ending{cause: err, text: clientText("Connection closed with an error.", err)})
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connected = true
	c.startLocked()
}

// finish waits for all handlers and runs OnDisconnected. The session has ended.
func (c *calls) finish(cause error) {
	c.mu.Lock()
	c.ended = true
	c.waiting = nil
	c.mu.Unlock()
	c.handlers.Wait()
	s := c.session
	if !c.connected {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), disconnectedTime)
	defer cancel()
	hub := s.pool.hub
	err := hub.around(newContext(ctx, s), Event{Kind: EventDisconnected, Cause: cause}, func(ctx *Context) error {
		if hub.handlers.disconnected != nil {
			hub.handlers.disconnected(ctx, cause)
		}
		return nil
	})
	if err != nil {
		s.pool.log.Error("OnDisconnected failed", "connection", s.id, "error", err)
	}
}

// invoked takes a call, which runs when it is its turn.
func (c *calls) invoked(protocol string, m *hubprotocol.Message) {
	method := c.session.pool.hub.method(m.Target)
	if text := refusal(method, m); text != "" {
		c.session.pool.log.Debug("call refused", "connection", c.session.id, "method", m.Target, "why", text)
		c.fail(protocol, m.InvocationID, text)
		return
	}
	one := &call{id: m.InvocationID, protocol: protocol, method: method, arguments: bytes.Clone(m.Arguments)}
	one.ctx, one.cancel = context.WithCancelCause(c.session.ctx)
	c.mu.Lock()
	text := c.acceptLocked(one, m.StreamIDs)
	over := c.pending > c.session.pool.hub.maxPending() || len(c.waiting) > maxActive
	c.startLocked()
	c.mu.Unlock()
	if text != "" {
		c.forget(one)
		c.fail(protocol, m.InvocationID, text)
	}
	if over {
		c.flooded()
	}
}

// refusal says why a call cannot even wait for its turn, in words for the client.
func refusal(method *method, m *hubprotocol.Message) string {
	streaming := m.Type == hubprotocol.StreamInvocation
	switch {
	case method == nil:
		return "Unknown hub method '" + m.Target + "'"
	case streaming && method.yields == yieldsValue:
		return "The client attempted to invoke the non-streaming '" + m.Target + "' method with a streaming invocation."
	case !streaming && method.yields != yieldsValue:
		return "The client attempted to invoke the streaming '" + m.Target + "' method with a non-streaming invocation."
	case len(m.StreamIDs) != method.streams:
		return failedText(m.Target)
	}
	return ""
}

func failedText(target string) string {
	return "Failed to invoke '" + target + "' due to an error on the server."
}

// acceptLocked puts a call into the queue, and says why not, in words for the client.
func (c *calls) acceptLocked(one *call, streamIDs []string) string {
	switch {
	case c.ended:
		return ""
	case one.id != "" && c.active[one.id] != nil:
		return "Invocation ID '" + one.id + "' is already in use."
	case len(c.active) >= maxActive || len(c.uploads)+len(streamIDs) > maxActive:
		return "Too many calls are under way."
	}
	for _, id := range streamIDs {
		if c.uploads[id] != nil {
			return "Stream ID '" + id + "' is already in use."
		}
		if c.uploads == nil {
			c.uploads = make(map[string]*upload)
		}
		u := &upload{calls: c, id: id, call: one, more: make(chan struct{}, 1)}
		c.uploads[id] = u
		one.uploads = append(one.uploads, u)
	}
	if one.id != "" {
		if c.active == nil {
			c.active = make(map[string]*call)
		}
		c.active[one.id] = one
	}
	c.waiting = append(c.waiting, one)
	c.pending += len(one.arguments)
	return ""
}

// startLocked runs the calls whose turn it is.
func (c *calls) startLocked() {
	for c.connected && !c.ended && len(c.waiting) > 0 && c.running < c.session.pool.hub.parallel() {
		one := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		c.pending -= len(one.arguments)
		c.running++
		c.handlers.Go(func() { c.run(one) })
	}
}

// next gives the turn of a call to another.
func (c *calls) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.startLocked()
}

// run calls the method, with the middleware around it, and answers.
func (c *calls) run(one *call) {
	release := sync.OnceFunc(c.next)
	defer release()
	defer c.forget(one)
	var value reflect.Value
	streams := one.method.yields != yieldsValue
	event := Event{Kind: EventInvocation, Method: one.method.name, Streaming: streams}
	err := c.session.pool.hub.around(newContext(one.ctx, c.session), event, func(ctx *Context) error {
		result, err := c.perform(ctx, one, release)
		if err == nil {
			value = result
		}
		return err
	})
	c.free(one)
	switch {
	case err != nil:
		c.failed(one, err)
	case one.id == "":
	case streams || !value.IsValid():
		c.answer(one, hubprotocol.AppendCompletion(nil, one.protocol, one.id))
	default:
		c.result(one, value.Interface())
	}
}

// perform calls the method, and sends the stream if it returns one. release gives up the
// call's turn.
func (c *calls) perform(ctx *Context, one *call, release func()) (reflect.Value, error) {
	in, err := c.bind(ctx, one)
	if err != nil {
		return reflect.Value{}, &bindError{err}
	}
	value, err := one.method.call(in)
	if err == nil && one.method.yields != yieldsValue {
		release()
		err = c.stream(ctx, one, value)
	}
	return value, err
}

// bindError says that the arguments of a call do not fit the method.
type bindError struct{ err error }

func (e *bindError) Error() string { return "arguments do not fit: " + e.err.Error() }

func (e *bindError) Unwrap() error { return e.err }

// bind decodes the arguments and starts the pumps of the uploads.
func (c *calls) bind(ctx *Context, one *call) ([]reflect.Value, error) {
	arguments, err := values.Split(one.protocol, one.arguments)
	if err != nil {
		return nil, err
	}
	in, err := one.method.bind(arguments)
	if err != nil {
		return nil, err
	}
	in[0] = reflect.ValueOf(ctx)
	next := 0
	for i, t := range one.method.params {
		if one.method.uploads[i] {
			u := one.uploads[next]
			next++
			items := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, t.Elem()), 0)
			in[i+1] = items.Convert(t)
			c.handlers.Go(func() { u.pump(items) })
		}
	}
	return in, nil
}

// stream sends the items of a stream until it ends.
func (c *calls) stream(ctx *Context, one *call, stream reflect.Value) error {
	var failure error
	err := guard(func() error {
		return one.method.each(stream, ctx.Done(), func(item any) bool {
			var record []byte
			if record, failure = values.AppendStreamItem(nil, one.protocol, one.id, item); failure == nil {
				failure = c.session.send(ctx, record)
			}
			return failure == nil && ctx.Err() == nil
		})
	})
	return errors.Join(err, failure)
}

func (c *calls) result(one *call, value any) {
	var raw []byte
	err := guard(func() (err error) {
		raw, err = values.Append(nil, one.protocol, value)
		return err
	})
	if err != nil {
		c.failed(one, fmt.Errorf("result: %w", err))
		return
	}
	c.answer(one, hubprotocol.AppendCompletionResult(nil, one.protocol, one.id, raw))
}

// failed answers a call that has returned an error.
func (c *calls) failed(one *call, err error) {
	log := c.session.pool.log.With("connection", c.session.id, "method", one.method.name)
	text := "An unexpected error occurred invoking '" + one.method.name + "' on the server."
	if told, ok := errors.AsType[Error](err); ok {
		text = string(told)
	} else if _, ok := errors.AsType[*bindError](err); ok {
		log.Warn("call cannot be bound", "error", err)
		text = failedText(one.method.name)
	} else if one.ctx.Err() != nil {
		log.Debug("call was cancelled", "error", err)
		if one.id != "" && one.method.yields != yieldsValue {
			// Who cancels a stream expects its end, and no error.
			c.answer(one, hubprotocol.AppendCompletion(nil, one.protocol, one.id))
			return
		}
	} else {
		log.Error("call failed", "error", err)
	}
	c.fail(one.protocol, one.id, text)
}

// answer sends a record when there is room. A client that is gone needs none.
func (c *calls) answer(one *call, record []byte) {
	_ = c.session.send(c.session.ctx, record)
}

// fail answers at once: it is called by the reader too, which must not wait.
func (c *calls) fail(protocol, id, text string) {
	if id != "" {
		c.session.deliver(hubprotocol.AppendCompletionError(nil, protocol, id, text), dataInvocation)
	}
}

// free gives up the ids of a call that has returned. That comes before its answer: who has the
// answer may use them again.
func (c *calls) free(one *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.id != "" && c.active[one.id] == one {
		delete(c.active, one.id)
	}
	for _, u := range one.uploads {
		u.forgetLocked()
	}
}

// forget ends a call.
func (c *calls) forget(one *call) {
	c.free(one)
	one.cancel(nil)
}

// cancelled ends the context of a call. One that waits for its turn still gets it.
func (c *calls) cancelled(id string) {
	c.mu.Lock()
	one := c.active[id]
	c.mu.Unlock()
	if one != nil {
		one.cancel(context.Canceled)
	}
}

func (c *calls) flooded() {
	c.session.end(ending{cause: ErrClientFlood, reconnect: true, text: "Connection closed with an error. The client sends faster than the hub can handle."})
}

// guard turns a panic of the application into an error. Its code also runs where its values are
// written and read.
func guard(function func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return function()
}

// clientText is what a client is told of an error.
func clientText(general string, err error) string {
	if told, ok := errors.AsType[Error](err); ok {
		return general + " " + string(told)
	}
	return general
}
