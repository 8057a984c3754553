package hubgate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"

	"github.com/tinylib/msgp/msgp"
)

const (
	jsonType   = "application/json"
	packedType = "application/x-msgpack"
)

// call is what the body of a webhook says.
type call struct {
	InvocationID string
	Arguments    []json.RawMessage
	Error        string

	packed bool // the client speaks MessagePack
}

// readCall reads a body. Without a call it returns the refusal.
func readCall(contentType string, body []byte) (c *call, refusal string, status int) {
	switch kind, _, _ := mime.ParseMediaType(contentType); kind {
	case jsonType:
		c = new(call)
		if json.Unmarshal(body, c) != nil {
			return nil, "the body is not JSON", http.StatusBadRequest
		}
		return c, "", 0
	case packedType:
		c, err := unpack(body)
		if err != nil {
			return nil, "the body is not a MessagePack call", http.StatusBadRequest
		}
		return c, "", 0
	}
	return nil, "only JSON and MessagePack are read here", http.StatusUnsupportedMediaType
}

var errNoCall = errors.New("no call")

// unpack reads a record of a MessagePack client: an array of type, headers, invocation id, target, arguments and more. Type 1
// is a call, 4 one whose result is a stream.
func unpack(body []byte) (*call, error) {
	if rest, err := msgp.Skip(body); err != nil || len(rest) > 0 {
		return nil, errNoCall // it has an end, and is not nested too deeply
	}
	parts, rest, err := msgp.ReadArrayHeaderBytes(body)
	if err != nil || parts < 5 {
		return nil, errNoCall
	}
	kind, rest, err := msgp.ReadIntBytes(rest)
	if err != nil || kind != 1 && kind != 4 {
		return nil, errNoCall
	}
	if rest, err = msgp.Skip(rest); err != nil { // headers
		return nil, err
	}
	c := &call{packed: true}
	if msgp.IsNil(rest) {
		rest = rest[1:]
	} else if c.InvocationID, rest, err = msgp.ReadStringBytes(rest); err != nil {
		return nil, err
	}
	if _, rest, err = msgp.ReadStringBytes(rest); err != nil { // the target, which a header names too
		return nil, err
	}
	count, rest, err := msgp.ReadArrayHeaderBytes(rest)
	if err != nil {
		return nil, err
	}
	for range count {
		next, err := msgp.Skip(rest)
		if err != nil {
			return nil, err
		}
		var text bytes.Buffer
		if _, err := msgp.UnmarshalAsJSON(&text, rest[:len(rest)-len(next)]); err != nil {
			return nil, err
		}
		rest = next
		if !json.Valid(text.Bytes()) { // such as a float that is no number
			return nil, errNoCall
		}
		c.Arguments = append(c.Arguments, text.Bytes())
	}
	return c, nil
}

// answer answers the event. Without an invocation id nobody reads the result.
func (c *call) answer(rw http.ResponseWriter, result any, err error) {
	var told ErrorForClient
	if err != nil && (!errors.As(err, &told) || c.InvocationID == "") {
		http.Error(rw, "the application failed", http.StatusInternalServerError)
		return
	}
	if c.InvocationID == "" {
		return
	}
	kind, write := jsonType, c.completion
	if c.packed {
		kind, write = packedType, c.packedCompletion
	}
	body, err := write(result, err != nil, told.Error())
	if err != nil {
		http.Error(rw, "the result is no JSON", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", kind)
	_, _ = rw.Write(body)
}

func (c *call) completion(result any, failed bool, text string) ([]byte, error) {
	completion := map[string]any{"type": 3, "invocationId": c.InvocationID}
	if failed {
		completion["error"] = text
	} else {
		completion["result"] = result
	}
	return json.Marshal(completion)
}

// The kinds of results of a MessagePack completion.
const (
	resultError = 1
	resultValue = 3
)

// packedCompletion writes what encoding/json makes of the result, as MessagePack.
func (c *call) packedCompletion(result any, failed bool, text string) ([]byte, error) {
	b := msgp.AppendArrayHeader(nil, 5)
	b = msgp.AppendInt(b, 3)
	b = msgp.AppendMapHeader(b, 0)
	b = msgp.AppendString(b, c.InvocationID)
	if failed {
		return msgp.AppendString(msgp.AppendInt(b, resultError), text), nil
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	return appendPacked(msgp.AppendInt(b, resultValue), value)
}

// appendPacked writes a value that encoding/json has decoded.
func appendPacked(b []byte, value any) (_ []byte, err error) {
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return msgp.AppendInt64(b, i), nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("a number in the result: %w", err)
		}
		return msgp.AppendFloat64(b, f), nil
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(v)))
		for _, one := range v {
			if b, err = appendPacked(b, one); err != nil {
				return nil, err
			}
		}
		return b, nil
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(v)))
		for name, one := range v {
			if b, err = appendPacked(msgp.AppendString(b, name), one); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return msgp.AppendIntf(b, value) // nil, a bool or a string
}
