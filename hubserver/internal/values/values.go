// Package values gives the values of calls and results their encoding in a hub protocol: that of
// encoding/json, in MessagePack in the same structure.
package values

import (
	"encoding/json"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// Append appends one value in the encoding of the protocol.
func Append(dst []byte, protocol string, value any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		encoded, err := json.Marshal(value)
		return append(dst, encoded...), err
	}
	return appendPacked(dst, value)
}

// AppendArguments appends an array of values.
func AppendArguments(dst []byte, protocol string, values []any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		if len(values) == 0 {
			return append(dst, "[]"...), nil
		}
		return Append(dst, protocol, values)
	}
	dst = msgp.AppendArrayHeader(dst, uint32(len(values)))
	for _, value := range values {
		var err error
		if dst, err = appendPacked(dst, value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Decode reads a raw value of the protocol. No bytes leave the value as it is.
func Decode(protocol string, raw []byte, to any) error {
	if len(raw) == 0 {
		return nil
	}
	if protocol != hubprotocol.JSON {
		var err error
		if raw, err = hubprotocol.AppendMessagePackAsJSON(nil, raw); err != nil {
			return err
		}
	}
	return json.Unmarshal(raw, to)
}

// Split returns the values of a raw array as JSON.
func Split(protocol string, raw []byte) ([]json.RawMessage, error) {
	var values []json.RawMessage
	err := Decode(protocol, raw, &values)
	return values, err
}

// AppendStreamItem appends the framed record of one item.
func AppendStreamItem(dst []byte, protocol, invocationID string, value any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		id, err := json.Marshal(invocationID)
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, `{"type":2,"invocationId":`...), id...)
		if dst, err = Append(append(dst, `,"item":`...), protocol, value); err != nil {
			return dst, err
		}
		return append(dst, '}', hubprotocol.RecordSeparator), nil
	}
	body := append(msgp.AppendArrayHeader(nil, 4), byte(hubprotocol.StreamItem))
	body = msgp.AppendString(msgp.AppendMapHeader(body, 0), invocationID)
	body, err := appendPacked(body, value)
	if err != nil {
		return dst, err
	}
	return AppendFramed(dst, protocol, body), nil
}

// AppendFramed appends a record with the framing of the protocol.
func AppendFramed(dst []byte, protocol string, record []byte) []byte {
	if protocol == hubprotocol.JSON {
		return append(append(dst, record...), hubprotocol.RecordSeparator)
	}
	// MessagePack and hub servers prefix lengths alike.
	return serviceprotocol.AppendFrame(dst, record)
}
