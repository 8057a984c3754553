package hubserver

import (
	"encoding/json"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// protocols are the hub protocols of every hub.
var protocols = [...]string{hubprotocol.JSON, hubprotocol.MessagePack}

// appendValue appends one value in the encoding of the protocol.
func appendValue(dst []byte, protocol string, value any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		encoded, err := json.Marshal(value)
		return append(dst, encoded...), err
	}
	return appendPacked(dst, value)
}

// appendArguments appends an array of values.
func appendArguments(dst []byte, protocol string, values []any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		if len(values) == 0 {
			return append(dst, "[]"...), nil
		}
		return appendValue(dst, protocol, values)
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

// asJSON returns a raw value of the protocol as JSON.
func asJSON(protocol string, raw []byte) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		return raw, nil
	}
	return hubprotocol.AppendMessagePackAsJSON(nil, raw)
}

// decodeValue reads a raw value of the protocol; no bytes leave the value as it is.
func decodeValue(protocol string, raw []byte, to any) error {
	if len(raw) == 0 {
		return nil
	}
	text, err := asJSON(protocol, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// splitArguments returns the values of a raw array as JSON.
func splitArguments(protocol string, raw []byte) ([]json.RawMessage, error) {
	var values []json.RawMessage
	err := decodeValue(protocol, raw, &values)
	return values, err
}

// encodeInvocation returns the call of a client's method in each of the protocols.
func encodeInvocation(protocols []string, invocationID, target string, arguments []any) (serviceprotocol.Payloads, error) {
	payloads := make(serviceprotocol.Payloads, 0, len(protocols))
	for _, protocol := range protocols {
		raw, err := appendArguments(nil, protocol, arguments)
		if err != nil {
			return nil, fmt.Errorf("arguments of %q: %w", target, err)
		}
		record, err := hubprotocol.AppendInvocation(nil, protocol, invocationID, target, raw)
		if err != nil {
			return nil, fmt.Errorf("call of %q: %w", target, err)
		}
		payloads = append(payloads, serviceprotocol.Payload{Protocol: protocol, Data: record})
	}
	return payloads, nil
}

// appendStreamItem appends the framed record of one item.
func appendStreamItem(dst []byte, protocol, invocationID string, value any) ([]byte, error) {
	if protocol == hubprotocol.JSON {
		id, err := json.Marshal(invocationID)
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, `{"type":2,"invocationId":`...), id...)
		if dst, err = appendValue(append(dst, `,"item":`...), protocol, value); err != nil {
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
	// Both protocols prefix lengths alike.
	return serviceprotocol.AppendFrame(dst, body), nil
}
