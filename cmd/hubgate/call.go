package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hubgate/hubgate/hubprotocol"
)

// callCommand is a client that calls one method of a hub and prints what comes back.
type callCommand struct {
	destination
	lifetime
	clientIdentity
	message
	way
	Stream  bool          `help:"Call a method that streams: print each item as one line."`
	NoWait  bool          `help:"Do not ask for a result, as send of a client does."`
	Timeout time.Duration `help:"How long to wait for the result, or for the next item of a stream." default:"30s"`
}

// callID is the invocation id of the one call of a client.
const callID = "1"

// Run prints the result, or each item of a stream, as one line of JSON on
// standard output. Messages to the client that come before it go to standard
// error. An error of the hub is the command's.
func (c *callCommand) Run(env *environment) error {
	if c.Timeout <= 0 {
		return usage(errors.New("--timeout must be above 0"))
	}
	record, err := c.record()
	if err != nil {
		return err
	}
	cs, token, err := c.sign(c.target, c.lifetime)
	if err != nil {
		return err
	}
	client, err := c.connect(env.ctx, cs, c.Hub, token, c.way)
	if err != nil {
		return err
	}
	defer client.close()
	if err := client.write(string(record)); err != nil || c.NoWait {
		return err
	}
	late := errors.New("no result within " + c.Timeout.String())
	ctx, cancel := context.WithCancelCause(env.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(c.Timeout, func() { cancel(late); client.stop() })
	defer timer.Stop()
	for {
		record, err := client.next()
		done := false
		if errors.Is(err, io.EOF) {
			err = closedByGateway("without a reason")
		}
		if err == nil {
			timer.Reset(c.Timeout)
			done, err = c.take(env, record)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil || done:
			return err
		}
	}
}

// record is the invocation to send.
func (c *callCommand) record() ([]byte, error) {
	arguments, err := c.arguments()
	if err != nil {
		return nil, err
	}
	record := struct {
		Type         hubprotocol.Type  `json:"type"`
		InvocationID string            `json:"invocationId,omitempty"`
		Target       string            `json:"target"`
		Arguments    []json.RawMessage `json:"arguments"`
	}{hubprotocol.Invocation, callID, c.Method, arguments}
	if c.Stream {
		record.Type = hubprotocol.StreamInvocation
	}
	if c.NoWait {
		record.InvocationID = ""
	}
	return json.Marshal(record)
}

// take looks at one record that came and reports whether the call is over.
func (c *callCommand) take(env *environment, record []byte) (done bool, err error) {
	var r struct {
		Type         hubprotocol.Type
		InvocationID string
		Item, Result json.RawMessage
		Error        *string
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return false, fmt.Errorf("not a record: %w", err)
	}
	switch {
	case r.Type == hubprotocol.StreamItem && r.InvocationID == callID:
		_, err = fmt.Fprintf(env.stdout, "%s\n", r.Item)
		return false, err
	case r.Type == hubprotocol.Completion && r.InvocationID == callID:
		if r.Error != nil {
			return true, errors.New(*r.Error)
		}
		if r.Result != nil {
			_, err = fmt.Fprintf(env.stdout, "%s\n", r.Result)
		}
		return true, err
	case r.Type == hubprotocol.Close:
		reason := "without a reason"
		if r.Error != nil {
			reason = *r.Error
		}
		return true, closedByGateway(reason)
	case r.Type != hubprotocol.Ping:
		_, err = fmt.Fprintf(env.stderr, "%s\n", record)
	}
	return false, err
}
