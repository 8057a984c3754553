package hubprotocol

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Errors of the bodies of REST sends that are told apart; all others wrap ErrMalformed.
// Each is a sentence for the caller (R17, R18).
var (
	ErrTargetMissing     = errors.New("the message has no target")
	ErrTargetEmpty       = errors.New("the target of the message is empty")
	ErrArgumentsNotArray = errors.New("the arguments of the message are not an array")
)

// Limits of an octet-stream body.
const (
	maxPayloads     = 16
	maxProtocolName = 64 // bytes
)

var byteOrderMark = []byte("\uFEFF")

// ParseJSONBody reads the application/json form of a message. The letter case of the
// names target and arguments does not matter, other members (rawBytes, rawOnly) are
// ignored, and of equal ones the last counts. Arguments are the raw array, sharing
// body's memory; absent or null they are `[]`.
func ParseJSONBody(body []byte) (target string, arguments []byte, err error) {
	body = bytes.TrimPrefix(body, byteOrderMark)
	if !utf8.Valid(body) {
		return "", nil, recordError("The message is not UTF-8.")
	}
	walk, text := openObject(body)
	if text != "" {
		return "", nil, recordError(text)
	}
	arguments = []byte("[]")
	hasTarget := false
	for walk.next() {
		name := walk.name
		if walk.escaped {
			name, _ = jsontext.AppendUnescaped(nil, name)
		}
		switch {
		case isNull(walk.value):
			// The same as absent, also when it follows a member with the same name.
			if equalFold(name, "target") {
				hasTarget = false
			} else if equalFold(name, "arguments") {
				arguments = []byte("[]")
			}
		case equalFold(name, "target"):
			if target, text = stringMember("target", walk.value); text != "" {
				return "", nil, recordError(text)
			}
			hasTarget = true
		case equalFold(name, "arguments"):
			if walk.value[0] != '[' {
				return "", nil, ErrArgumentsNotArray
			}
			arguments = walk.value
		}
	}
	if walk.bad {
		return "", nil, recordError(textNotJSON)
	}
	return checkedTarget(hasTarget, target, arguments)
}

// ParseMessagePackBody reads the application/x-msgpack form of a message, a map, by
// the rules of ParseJSONBody.
func ParseMessagePackBody(body []byte) (target string, arguments []byte, err error) {
	kind, content, n := packToken(body, 0)
	if kind != packMap {
		return "", nil, recordError("The message is not a MessagePack map.")
	}
	r := packReader{b: body, i: content}
	arguments = []byte{0x90}
	hasTarget := false
	for ; n > 0 && r.text == ""; n-- {
		name := r.str("name")
		kind, _, _ := packToken(body, r.i)
		switch {
		case equalFold(name, "target"):
			target = string(r.utf8("target"))
			hasTarget = kind != packNil
		case equalFold(name, "arguments"):
			arguments = r.value("arguments")
			if kind == packNil {
				arguments = []byte{0x90}
			} else if kind != packArray && r.text == "" {
				return "", nil, ErrArgumentsNotArray
			}
		default:
			r.value("member")
		}
	}
	r.rest(0)
	if r.text != "" {
		return "", nil, recordError(r.text)
	}
	return checkedTarget(hasTarget, target, arguments)
}

func checkedTarget(hasTarget bool, target string, arguments []byte) (string, []byte, error) {
	if !hasTarget {
		return "", nil, ErrTargetMissing
	}
	if target == "" {
		return "", nil, ErrTargetEmpty
	}
	return target, arguments, nil
}

// ParseOctetStreamBody reads the application/octet-stream form of a message: a
// MessagePack map from protocol name to frames, which are returned as they are,
// sharing body's memory, under names in lower case. There are 1 to 16 protocols with
// names of 1 to 64 bytes. Frames of the protocols of this package have to be complete.
func ParseOctetStreamBody(body []byte) (map[string][]byte, error) {
	kind, content, n := packToken(body, 0)
	switch {
	case kind != packMap:
		return nil, recordError("The body is not a MessagePack map.")
	case n == 0:
		return nil, recordError("The body has no payload.")
	case n > maxPayloads:
		return nil, recordError("The body has payloads of too many protocols.")
	}
	r := packReader{b: body, i: content}
	payloads := make(map[string][]byte, n)
	for ; n > 0; n-- {
		name := r.utf8("protocol")
		payload := r.binary("payload")
		if r.text != "" {
			return nil, recordError(r.text)
		}
		if len(name) == 0 || len(name) > maxProtocolName {
			return nil, recordError("A protocol's name has to have 1 to 64 bytes.")
		}
		protocol := lowerASCII(string(name))
		if _, twice := payloads[protocol]; twice {
			return nil, recordError("The body has two payloads of one protocol.")
		}
		if !wholeFrames(protocol, payload) {
			return nil, recordError("The payload of a protocol is not made of complete records.")
		}
		payloads[protocol] = payload
	}
	if r.rest(0); r.text != "" {
		return nil, recordError(r.text)
	}
	return payloads, nil
}

// wholeFrames reports whether the payload has at least one record and only whole ones.
// Of protocols with unknown framing only emptiness is known.
func wholeFrames(protocol string, payload []byte) bool {
	if protocol != JSON && !packed(protocol) {
		return len(payload) > 0
	}
	for rest := payload; len(rest) > 0; {
		frame, _, next, err := Cut(protocol, rest, len(rest))
		if err != nil || frame == nil {
			return false
		}
		rest = next
	}
	return len(payload) > 0
}

func isNull(value []byte) bool { return value[0] == 'n' }

// equalFold compares with a name in lower case, folding ASCII letters only.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
