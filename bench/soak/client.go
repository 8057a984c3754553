package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/hubgate/hubgate/bench/link"
)

// connection is one stay of a client at the gateway: from the handshake to the end.
type connection struct {
	link link.Link
	// ended is closed when nothing more is read.
	ended chan struct{}

	mu sync.Mutex
	// expected are the sources whose messages this connection gets.
	expected map[string]*expectation
	// left are groups that it has left, with the newest number at that moment.
	left map[string]int
	// calls wait for their completion.
	calls map[string]*call
	next  int
	// faults are what should not have been.
	faults []error
	// stalled holds the reader.
	stalled chan struct{}
	// last is the error of a Close record, or of reading.
	last error
}

// call is an invocation that waits.
type call struct {
	items []int
	echo  string
	done  chan result
}

type result struct {
	value json.RawMessage
	err   error
}

// errCall is an error that the gateway or the hub answered.
type errCall struct{ text string }

func (e errCall) Error() string { return e.text }

const separator = 0x1e

// connect dials and does the handshake of the hub protocol.
func connect(ctx context.Context, d *link.Dialer, t link.Transport, user string, all *source) (*connection, error) {
	l, err := d.Dial(ctx, t, user)
	if err != nil {
		return nil, err
	}
	c := &connection{link: l, ended: make(chan struct{}), expected: map[string]*expectation{}, left: map[string]int{}, calls: map[string]*call{}}
	timer := time.AfterFunc(link.AnswerTime, l.Cut)
	defer timer.Stop()
	if err := l.Send([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
		l.Cut()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	var pending []byte
	for !bytes.Contains(pending, []byte{separator}) {
		data, err := l.Receive()
		if err != nil {
			l.Cut()
			return nil, fmt.Errorf("handshake: %w", err)
		}
		pending = append(pending, data...)
	}
	answer, rest, _ := bytes.Cut(pending, []byte{separator})
	if string(answer) != "{}" {
		l.Cut()
		return nil, fmt.Errorf("handshake: %s", answer)
	}
	c.expected[all.name] = expect(all)
	go c.read(rest)
	return c, nil
}

// read handles records until the link ends.
func (c *connection) read(pending []byte) {
	defer close(c.ended)
	for {
		for {
			record, rest, ok := bytes.Cut(pending, []byte{separator})
			if !ok {
				break
			}
			c.record(record)
			pending = rest
		}
		c.waitWhileStalled()
		data, err := c.link.Receive()
		if err != nil {
			c.end(err)
			return
		}
		pending = append(pending, data...)
	}
}

func (c *connection) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = err
	}
	for id, call := range c.calls {
		call.done <- result{err: c.last}
		delete(c.calls, id)
	}
}

// message is any record of a hub.
type message struct {
	Type         int
	Target       string
	InvocationID string
	Arguments    []json.RawMessage
	Item         json.RawMessage
	Result       json.RawMessage
	Error        *string
}

// Types of hub messages.
const (
	invocation = 1
	streamItem = 2
	completion = 3
	closing    = 7
)

func (c *connection) record(text []byte) {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		c.fault(fmt.Errorf("not a record: %q", text))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m.Type {
	case invocation:
		c.invoked(m)
	case streamItem:
		if call := c.calls[m.InvocationID]; call != nil {
			n, _ := strconv.Atoi(string(m.Item))
			call.items = append(call.items, n)
		}
	case completion:
		call := c.calls[m.InvocationID]
		if call == nil {
			c.faultLocked(fmt.Errorf("a completion that nobody waits for: %s", text))
			return
		}
		delete(c.calls, m.InvocationID)
		r := result{value: m.Result}
		if m.Error != nil {
			r.err = errCall{*m.Error}
		}
		call.done <- r
	case closing:
		if m.Error != nil {
			c.last = errors.New(*m.Error)
		}
	}
}

// invoked checks the number of a message: target "n", arguments source and number. Target "echo"
// is the hub's answer before its completion.
func (c *connection) invoked(m message) {
	if m.Target == "echo" && len(m.Arguments) == 1 {
		var text string
		_ = json.Unmarshal(m.Arguments[0], &text)
		for _, call := range c.calls {
			if call.echo != "" && call.echo == text {
				call.echo = ""
			}
		}
		return
	}
	var name string
	var n int
	if m.Target != "n" || len(m.Arguments) < 2 || json.Unmarshal(m.Arguments[0], &name) != nil || json.Unmarshal(m.Arguments[1], &n) != nil {
		c.faultLocked(fmt.Errorf("unknown message %s", m.Target))
		return
	}
	if e := c.expected[name]; e != nil {
		if err := e.got(n); err != nil {
			c.faultLocked(err)
		}
	} else if newest, left := c.left[name]; left && n > newest {
		c.faultLocked(fmt.Errorf("%s: %d came although the group was left after %d", name, n, newest))
	}
}

func (c *connection) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faultLocked(err)
}

// maxFaults are kept of one connection: one loss leads to more.
const maxFaults = 5

func (c *connection) faultLocked(err error) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, err)
	}
}

func (c *connection) invoke(method string, arguments ...any) (json.RawMessage, error) {
	return c.call(&call{}, invocation, method, arguments...)
}

// errSilent is an invocation without an answer: nothing may lose one.
var errSilent = errors.New("no answer to an invocation")

func (c *connection) call(made *call, kind int, method string, arguments ...any) (json.RawMessage, error) {
	made.done = make(chan result, 1)
	c.mu.Lock()
	if c.last != nil {
		c.mu.Unlock()
		return nil, c.last
	}
	c.next++
	id := strconv.Itoa(c.next)
	c.calls[id] = made
	c.mu.Unlock()
	if arguments == nil {
		arguments = []any{}
	}
	text, err := json.Marshal(map[string]any{"type": kind, "invocationId": id, "target": method, "arguments": arguments})
	if err != nil {
		return nil, err
	}
	if err := c.link.Send(append(text, separator)); err != nil {
		return nil, err
	}
	select {
	case r := <-made.done:
		return r.value, r.err
	case <-time.After(link.AnswerTime):
		return nil, errSilent
	}
}

// stall stops the reader before it reads on.
func (c *connection) stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = make(chan struct{})
}

func (c *connection) waitWhileStalled() {
	c.mu.Lock()
	stalled := c.stalled
	c.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

// cut ends the connection as a broken network does and waits for the reader.
func (c *connection) cut() {
	c.link.Cut()
	c.mu.Lock()
	if c.stalled != nil {
		close(c.stalled)
		c.stalled = nil
	}
	c.mu.Unlock()
	<-c.ended
}

// ping keeps the connection alive.
func (c *connection) ping() { _ = c.link.Send([]byte("{\"type\":6}\x1e")) }

// leave says goodbye and waits for the end.
func (c *connection) leave() {
	_ = c.link.Send([]byte("{\"type\":7}\x1e"))
	select {
	case <-c.ended:
	case <-time.After(link.AnswerTime):
		c.fault(errors.New("the connection does not end after a Close record"))
	}
	c.cut()
}

// over reports whether the connection has ended, and why.
func (c *connection) over() (bool, error) {
	select {
	case <-c.ended:
		c.mu.Lock()
		defer c.mu.Unlock()
		return true, c.last
	default:
		return false, nil
	}
}
