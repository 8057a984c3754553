package upstream

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hubgate/hubgate/hubprotocol"
)

// EchoResult returns what an echo answers to a call with these arguments, an array in the protocol:
// the only argument, or the array, as JSON.
func EchoResult(protocol string, arguments []byte) json.RawMessage {
	all := arguments
	if protocol == hubprotocol.MessagePack {
		var err error
		if all, err = hubprotocol.AppendMessagePackAsJSON(nil, arguments); err != nil {
			return json.RawMessage("null")
		}
	}
	var one []json.RawMessage
	if json.Unmarshal(all, &one) == nil && len(one) == 1 {
		return one[0]
	}
	return all
}

// AppendResult appends the Completion with a result that is given as JSON.
func AppendResult(dst []byte, protocol, invocation string, result json.RawMessage) ([]byte, error) {
	encoded := []byte(result)
	if protocol == hubprotocol.MessagePack {
		var err error
		if encoded, err = hubprotocol.AppendJSONAsMessagePack(nil, result); err != nil {
			return dst, err
		}
	}
	return hubprotocol.AppendCompletionResult(dst, protocol, invocation, encoded), nil
}

// Readable is a body as JSON text; one that cannot be read is quoted.
func Readable(protocol string, body []byte) []byte {
	if protocol != hubprotocol.MessagePack {
		return body
	}
	if text, err := hubprotocol.AppendMessagePackAsJSON(nil, body); err == nil {
		return text
	}
	return fmt.Appendf(nil, "%q", body)
}

// echo is the answer of the webhook that the gateway has itself.
func echo(e *event) answer {
	a := answer{result: ResultOK, status: http.StatusNoContent}
	if e.invocation == "" {
		return a
	}
	m, err := hubprotocol.Parse(e.protocol, e.body)
	if err != nil {
		return failure(ResultMalformed, err.Error())
	}
	a.status = http.StatusOK
	if a.frame, err = AppendResult(nil, e.protocol, e.invocation, EchoResult(e.protocol, m.Arguments)); err != nil {
		return failure(ResultMalformed, err.Error())
	}
	return a
}
