package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/filter"
)

// maxCommands is how many commands one request may have.
const maxCommands = 100

// Execute carries commands out, one after the other, each for the connections that the filter takes (R41).
func (s *server) Execute(ctx context.Context, r ExecuteRequestObject) (ExecuteResponseObject, error) {
	to := at(r.Hub, r.Params.Application).all(nil).filtered(r.Params.Filter)
	if to.err != nil {
		return nil, to.err
	}
	if media := contentType(r.ContentType); media != jsonType && r.ContentType != "" {
		return nil, refused(http.StatusUnsupportedMediaType, ReasonContentType, "The Content-Type of the commands must be "+jsonType+" (in UTF-8).")
	}
	commands, err := readBody(r.ContentType, r.Body, parseCommands)
	if err != nil {
		return nil, err
	}
	for i, cmd := range commands {
		sending := s.sending(ctx, to, cmd.Frames)
		cmd.Hub, cmd.Target, cmd.By, cmd.Trace, cmd.Span = sending.Hub, sending.Target, sending.By, sending.Trace, sending.Span
		_, err := s.Hubs.Do(ctx, cmd)
		if errors.Is(err, gateway.ErrTooManyGroups) {
			continue // of single connections, which is no reason to leave out what follows
		}
		if err != nil && i > 0 {
			f := *asFailure(err)
			f.message = fmt.Sprintf("%s Of %d commands %d had been carried out before.", f.message, len(commands), i)
			return nil, &f
		}
		if err != nil {
			return nil, err
		}
	}
	return Execute202Response{}, nil
}

// filtered leaves out the connections that a filter does not take. White space is no filter.
func (a address) filtered(expression string) address {
	if strings.TrimSpace(expression) == "" || a.err != nil {
		return a
	}
	f, err := filter.Parse(expression)
	if err != nil {
		a.err = invalid(ErrorDetailTargetRequest, err.Error())
	}
	a.target.Filter = f
	return a
}

// commandError is what is wrong with a command, as a sentence for its author.
type commandError struct {
	// at is its place in the array, from 1; 0 if there is no array.
	at    int
	cause error
}

func (e *commandError) Error() string {
	if e.at == 0 {
		return e.cause.Error()
	}
	return fmt.Sprintf("Command %d is not valid: %s", e.at, e.cause)
}

func (e *commandError) Unwrap() error { return e.cause }

// Is makes its text one that the caller is shown.
func (e *commandError) Is(target error) bool { return target == hubprotocol.ErrMalformed }

var (
	errNoArray     = errors.New("The commands are not a JSON array.")
	errTooMany     = fmt.Errorf("There are more than %d commands.", maxCommands)
	errNoType      = errors.New("It has no known type: SendMessage, JoinGroup, LeaveGroup or CloseConnection.")
	errNoMessage   = errors.New("It has no message.")
	errReasonText  = errors.New("Its reason is not a text.")
	errGroupText   = errors.New("Its group is not a text.")
	errNoCommands  = errors.New("There are no commands.")
	errBehindArray = errors.New("Something follows the array.")
)

// parseCommands reads an array of commands. Each is read by itself: nothing is made for those that are too
// many.
func parseCommands(_ string, content []byte) ([]*gateway.Command, error) {
	if _, err := hubprotocol.CheckValue(hubprotocol.JSON, content); err != nil {
		return nil, err // also what is nested too deep
	}
	in := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte("\uFEFF"))))
	if start, err := in.Token(); err != nil || start != json.Delim('[') {
		return nil, &commandError{cause: errNoArray}
	}
	var list []*gateway.Command
	for in.More() {
		var raw json.RawMessage
		switch err := in.Decode(&raw); {
		case err != nil:
			return nil, &commandError{cause: errNoArray}
		case len(list) == maxCommands:
			return nil, &commandError{cause: errTooMany}
		}
		cmd, err := parseCommand(raw)
		if err != nil {
			return nil, &commandError{at: len(list) + 1, cause: err}
		}
		list = append(list, cmd)
	}
	if len(list) == 0 {
		return nil, &commandError{cause: errNoCommands}
	}
	if _, err := in.Token(); err != nil {
		return nil, &commandError{cause: errNoArray}
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, &commandError{cause: errBehindArray}
	}
	return list, nil
}

// commandMembers are the members of a command, read by encoding/json, which does not mind their letter case.
// What they are is looked at by those that have one.
type commandMembers struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
	Group   json.RawMessage `json:"group"`
	Reason  json.RawMessage `json:"reason"`
}

func parseCommand(raw []byte) (*gateway.Command, error) {
	var m commandMembers
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errNoType
	}
	switch {
	case auth.EqualFoldASCII(m.Type, "SendMessage"):
		return sendCommand(m.Message)
	case auth.EqualFoldASCII(m.Type, "JoinGroup"):
		return groupCommand(gateway.VerbJoin, m.Group)
	case auth.EqualFoldASCII(m.Type, "LeaveGroup"):
		return groupCommand(gateway.VerbLeave, m.Group)
	case auth.EqualFoldASCII(m.Type, "CloseConnection"):
		cmd := &gateway.Command{Verb: gateway.VerbClose, Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}}
		if len(m.Reason) > 0 && json.Unmarshal(m.Reason, &cmd.Cause.Text) != nil {
			return nil, errReasonText
		}
		return cmd, nil
	}
	return nil, errNoType
}

func sendCommand(message []byte) (*gateway.Command, error) {
	if len(message) == 0 || string(message) == "null" {
		return nil, errNoMessage
	}
	frames, err := parse(jsonType, message)
	if err != nil {
		return nil, errors.New(invalidText(err))
	}
	return &gateway.Command{Verb: gateway.VerbSend, Frames: frames}, nil
}

func groupCommand(verb gateway.Verb, name []byte) (*gateway.Command, error) {
	cmd := &gateway.Command{Verb: verb}
	if len(name) > 0 && json.Unmarshal(name, &cmd.Group) != nil {
		return nil, errGroupText
	}
	return cmd, checkGroup(cmd.Group)
}
