package hubservertest

import (
	"encoding/json"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/hubserver/internal/values"
)

// handshakeAnswer returns the error that an answer to a handshake has.
func handshakeAnswer(record []byte) error {
	var answer struct{ Error string }
	if err := json.Unmarshal(record, &answer); err != nil {
		return fmt.Errorf("answer to the handshake: %w", err)
	}
	if answer.Error != "" {
		return &ClosedError{Text: answer.Error}
	}
	return nil
}

// appendCall appends the framed record of a call: an Invocation or a StreamInvocation. Without an
// id no answer is wanted.
func appendCall(dst []byte, protocol string, kind hubprotocol.Type, id, method string, arguments []any, streamIDs []string) ([]byte, error) {
	raw, err := values.AppendArguments(nil, protocol, arguments)
	if err != nil {
		return dst, fmt.Errorf("arguments of %q: %w", method, err)
	}
	if protocol == hubprotocol.JSON {
		record, err := json.Marshal(struct {
			Type         hubprotocol.Type `json:"type"`
			InvocationID string           `json:"invocationId,omitempty"`
			Target       string           `json:"target"`
			Arguments    json.RawMessage  `json:"arguments"`
			StreamIDs    []string         `json:"streamIds,omitempty"`
		}{kind, id, method, raw, streamIDs})
		return values.AppendFramed(dst, protocol, record), err
	}
	record := append(msgp.AppendArrayHeader(nil, 6), byte(kind))
	record = msgp.AppendMapHeader(record, 0)
	if id == "" {
		record = msgp.AppendNil(record)
	} else {
		record = msgp.AppendString(record, id)
	}
	record = append(msgp.AppendString(record, method), raw...)
	record = msgp.AppendArrayHeader(record, uint32(len(streamIDs)))
	for _, id := range streamIDs {
		record = msgp.AppendString(record, id)
	}
	return values.AppendFramed(dst, protocol, record), nil
}

// appendCancel appends the framed record that ends a stream of the hub.
func appendCancel(dst []byte, protocol, id string) []byte {
	if protocol == hubprotocol.JSON {
		return values.AppendFramed(dst, protocol, []byte(`{"type":5,"invocationId":"`+id+`"}`))
	}
	record := append(msgp.AppendArrayHeader(nil, 3), byte(hubprotocol.CancelInvocation))
	return values.AppendFramed(dst, protocol, msgp.AppendString(msgp.AppendMapHeader(record, 0), id))
}
