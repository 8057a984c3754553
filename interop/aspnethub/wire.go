package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/hubgate/hubgate/serviceprotocol"
)

// invocation is a call of a client's method.
type invocation struct {
	H string
	M string
	A []any
	S map[string]any `json:",omitempty"`
}

// response answers a call of a hub's method. The members stand in the original's order.
type response struct {
	S map[string]any `json:",omitempty"`
	R any            `json:",omitempty"`
	I *string        // null in the answer to a call without an id
	P *progress      `json:",omitempty"`
	H bool           `json:",omitempty"`
	E string         `json:",omitempty"`
	D any            `json:",omitempty"`
}

// progress tells how far a call is.
type progress struct {
	I string
	D any
}

// progressOf is the response that carries progress: no call has its id.
func progressOf(id string, value any) response {
	prefixed := "P|" + id
	return response{I: &prefixed, P: &progress{I: id, D: value}}
}

// frame has messages for a client: invocations, or responses that go the same way.
type frame struct {
	C string
	M []any
}

// bus is the frame that sends of hubs come in. Its cursor is always the same.
func bus(message any) []byte { return encode(frame{C: "0", M: []any{message}}) }

// encode writes JSON as the original does: "<" stays as it is.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // everything here can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// nested wraps what a client is to get: it travels as a whole message inside another one.
func nested(text []byte) []byte {
	return (&serviceprotocol.ConnectionData{Payload: text}).Append(nil)
}

// toClient carries a response.
func toClient(id string, text []byte) *serviceprotocol.ConnectionData {
	return &serviceprotocol.ConnectionData{ConnectionID: id, Payload: nested(text)}
}

// Prefixes of the keys that sends are addressed to.
const (
	keyHub        = "h-"
	keyConnection = "hc-"
	keyGroup      = "hg-"
	keyUser       = "hu-"
)

// addressed returns the message that carries text to a key, and the hub whose connections it must
// take: "" for those of the application. Ids in except do not get it.
func addressed(key string, except []string, text []byte) (m serviceprotocol.Message, hub string, err error) {
	payloads := serviceprotocol.Payloads{{Protocol: "json", Data: nested(text)}}
	prefix, rest, _ := strings.Cut(key, "-")
	switch prefix + "-" {
	case keyHub:
		return &serviceprotocol.BroadcastData{Excluded: except, Payloads: payloads}, rest, nil
	case keyConnection:
		return toClient(rest[strings.LastIndexByte(rest, '.')+1:], text), "", nil
	case keyGroup:
		return &serviceprotocol.GroupBroadcastData{Group: key, Excluded: except, Payloads: payloads}, "", nil
	case keyUser:
		hub, user, _ := strings.Cut(rest, ".")
		return &serviceprotocol.UserData{User: user, Payloads: payloads}, hub, nil
	}
	return nil, "", fmt.Errorf("Message %s is not supported.", key)
}

// request is a call as clients write it. The id is a number or text.
type request struct {
	H, M string
	A    []json.RawMessage
	I    any
	S    map[string]any
}

func parseRequest(text []byte) (request, error) {
	var r request
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	return r, nil
}

// id is the call's id as the answer carries it, nil for none.
func (r request) id() *string {
	if r.I == nil {
		return nil
	}
	text := fmt.Sprint(r.I)
	return &text
}

// hubException is an error whose text and data the client always gets.
type hubException struct {
	text string
	data any
}

func (e *hubException) Error() string { return e.text }

// failure is the answer to a call that failed. Errors are detailed, as in the original.
func failure(id *string, err error) response {
	r := response{I: id, E: err.Error()}
	var told *hubException
	if errors.As(err, &told) {
		r.H, r.D = true, told.data
	}
	return r
}
