package hubservertest

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
)

// CallError is the error with which the hub has answered a call.
type CallError struct{ Text string }

// Error returns the text.
func (e *CallError) Error() string { return e.Text }

// call is a call of the client that is not answered yet. What is not constant is guarded by
// Client.mu.
type call struct {
	id     string
	items  [][]byte
	result []byte
	ended  bool
	err    error
	more   chan struct{} // has a value when something has changed
	done   chan struct{} // closed when it has ended
}

func (one *call) wake() {
	select {
	case one.more <- struct{}{}:
	default:
	}
}

func (one *call) finish(result []byte, err error) {
	if !one.ended {
		one.ended, one.result, one.err = true, result, err
		close(one.done)
		one.wake()
	}
}

// Invoke calls a method of the hub and waits until it has ended. A result is ignored. The error is
// a *CallError if the hub has answered with one; otherwise it says why the connection has ended, or
// is the cause of ctx.
//
// An argument of type <-chan T or iter.Seq2[T, error] is a stream to the hub. It ends when the
// channel is closed or the sequence ends; an error of the sequence ends the stream with its text.
func (c *Client) Invoke(ctx context.Context, method string, arguments ...any) error {
	_, err := c.invoke(ctx, method, arguments)
	return err
}

// Invoke calls a method of the hub and returns its result. Everything else is as in Client.Invoke.
func Invoke[T any](ctx context.Context, c *Client, method string, arguments ...any) (T, error) {
	var result T
	raw, err := c.invoke(ctx, method, arguments)
	if err != nil {
		return result, err
	}
	if err := values.Decode(c.protocol, raw, &result); err != nil {
		return result, fmt.Errorf("result of %q: %w", method, err)
	}
	return result, nil
}

func (c *Client) invoke(ctx context.Context, method string, arguments []any) ([]byte, error) {
	one, err := c.begin(ctx, hubprotocol.Invocation, method, arguments)
	if err != nil {
		return nil, err
	}
	defer c.forget(one)
	select {
	case <-one.done:
		return one.result, one.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Stream calls a method of the hub that returns a stream. The call begins when the sequence is
// ranged over, and is cancelled if the loop ends before the stream or if ctx ends. An error is the
// last that the sequence yields; it and the arguments are as in Client.Invoke.
func Stream[T any](ctx context.Context, c *Client, method string, arguments ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		one, err := c.begin(ctx, hubprotocol.StreamInvocation, method, arguments)
		if err != nil {
			yield(none, err)
			return
		}
		defer c.cancel(one)
		for {
			raw, ok, err := c.item(ctx, one)
			if err != nil {
				yield(none, err)
				return
			}
			if !ok {
				return
			}
			var value T
			if err := values.Decode(c.protocol, raw, &value); err != nil {
				yield(none, fmt.Errorf("item of %q: %w", method, err))
				return
			}
			if !yield(value, nil) {
				return
			}
		}
	}
}

// item waits for the next item of a stream. It is not ok when the stream has ended.
func (c *Client) item(ctx context.Context, one *call) (raw []byte, ok bool, err error) {
	for {
		c.state.mu.Lock()
		if len(one.items) > 0 {
			raw = one.items[0]
			one.items = one.items[1:]
			c.state.mu.Unlock()
			return raw, true, nil
		}
		ended, err := one.ended, one.err
		c.state.mu.Unlock()
		if ended {
			return nil, false, err
		}
		select {
		case <-one.more:
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// cancel ends a stream that has not ended by itself.
func (c *Client) cancel(one *call) {
	if c.forget(one) {
		// Of a connection that is lost the reader tells.
		_ = c.write(context.Background(), appendCancel(nil, c.protocol, one.id))
	}
}

// Send calls a method of the hub and does not wait for it. The hub does not answer. Arguments are
// as in Invoke, the error only says that the call could not be sent.
func (c *Client) Send(ctx context.Context, method string, arguments ...any) error {
	plain, uploads, err := c.uploads(arguments)
	if err != nil {
		return fmt.Errorf("send %q: %w", method, err)
	}
	record, err := appendCall(nil, c.protocol, hubprotocol.Invocation, "", method, plain, streamIDs(uploads))
	if err != nil {
		return err
	}
	if err := c.write(ctx, record); err != nil {
		return fmt.Errorf("send %q: %w", method, err)
	}
	for _, one := range uploads {
		go c.upload(one, nil)
	}
	return nil
}

// begin sends a call and notes that it is to be answered.
func (c *Client) begin(ctx context.Context, kind hubprotocol.Type, method string, arguments []any) (*call, error) {
	plain, uploads, err := c.uploads(arguments)
	if err != nil {
		return nil, fmt.Errorf("call %q: %w", method, err)
	}
	one := &call{id: c.newID(), more: make(chan struct{}, 1), done: make(chan struct{})}
	record, err := appendCall(nil, c.protocol, kind, one.id, method, plain, streamIDs(uploads))
	if err != nil {
		return nil, err
	}
	c.state.mu.Lock()
	if err = c.state.err; err == nil {
		c.state.calls[one.id] = one
	}
	c.state.mu.Unlock()
	if err == nil {
		err = c.write(ctx, record)
	}
	if err != nil {
		c.forget(one)
		return nil, fmt.Errorf("call %q: %w", method, err)
	}
	for _, up := range uploads {
		go c.upload(up, one.done)
	}
	return one, nil
}

func (c *Client) newID() string {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.lastID++
	return strconv.Itoa(c.state.lastID)
}

// forget drops a call and reports whether it was still to be answered.
func (c *Client) forget(one *call) bool {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	_, open := c.state.calls[one.id]
	delete(c.state.calls, one.id)
	one.finish(nil, nil)
	return open
}

// answered takes an item or the end of a call. Answers to forgotten calls are dropped.
func (c *Client) answered(m *hubprotocol.Message) error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	one := c.state.calls[m.InvocationID]
	switch {
	case one == nil:
	case m.Type == hubprotocol.StreamItem:
		one.items = append(one.items, bytes.Clone(m.Result))
		one.wake()
	default:
		delete(c.state.calls, one.id)
		var err error
		if m.HasError {
			err = &CallError{m.Error}
		}
		one.finish(bytes.Clone(m.Result), err)
	}
	return nil
}
