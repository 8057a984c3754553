package hubprotocol

import (
	"bytes"
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// CheckValue checks one value in the encoding of the protocol, JSON or MessagePack, and returns it without
// what may stand around it: white space and a byte order mark of JSON. It shares the value's memory. The
// errors wrap ErrMalformed, or are ErrProtocol.
func CheckValue(protocol string, value []byte) ([]byte, error) {
	switch {
	case protocol == JSON:
		value = bytes.TrimPrefix(value, byteOrderMark)
		start := jsontext.SkipSpace(value, 0)
		end := jsontext.ScanValue(value, start, 1)
		if end < 0 || jsontext.SkipSpace(value, end) != len(value) || !utf8.Valid(value) {
			return nil, recordError(textNotJSON)
		}
		return value[start:end], nil
	case packed(protocol):
		if packSkip(value, 0, 1) != len(value) {
			return nil, recordError(textNotPacked)
		}
		return value, nil
	}
	return nil, ErrProtocol
}

// NewStreamItem returns an item of the stream of an invocation, and behind it the Completion of the stream
// if it is the last one. The item is one value in the encoding of the protocol, JSON or MessagePack; the
// errors are those of CheckValue. It is copied.
func NewStreamItem(protocol, invocationID string, item []byte, last bool) (*Frames, error) {
	item, err := CheckValue(protocol, item)
	if err != nil {
		return nil, err
	}
	frame := appendStreamItem(nil, protocol, invocationID, item)
	if last {
		frame = AppendCompletion(frame, protocol, invocationID)
	}
	return NewFrames(map[string][]byte{protocol: frame})
}

// NewCompletion returns the end of an invocation: without a result, or with an error if errText is not empty.
func NewCompletion(invocationID, errText string) *Frames {
	f := new(Frames)
	if errText == "" {
		f.json.bring(AppendCompletion(nil, JSON, invocationID))
	} else {
		f.json.bring(AppendCompletionError(nil, JSON, invocationID, errText))
	}
	return f
}

// Completed returns the frames of payloads, which ParseOctetStreamBody has read, with the Completion of the
// invocation behind those of the protocols of this package.
func Completed(payloads map[string][]byte, invocationID string) (*Frames, error) {
	for name, frame := range payloads {
		payloads[name] = AppendCompletion(bytes.Clone(frame), name, invocationID)
	}
	return NewFrames(payloads)
}

// NewQuestion is NewInvocation with the id under which the client answers.
func NewQuestion(protocol, invocationID, target string, arguments []byte) (*Frames, error) {
	frame, err := AppendInvocation(nil, protocol, invocationID, target, arguments)
	if err != nil {
		return nil, err
	}
	return NewFrames(map[string][]byte{protocol: frame})
}

// Questions gives the invocations of payloads, which ParseOctetStreamBody has read, the id under which the
// client answers. Each payload is one Invocation of a protocol of this package.
func Questions(payloads map[string][]byte, invocationID string) (*Frames, error) {
	asked := make(map[string][]byte, len(payloads))
	for name, payload := range payloads {
		_, body, rest, err := Cut(name, payload, len(payload))
		if err != nil {
			return nil, err
		}
		m, err := Parse(name, body)
		switch {
		case err != nil:
			return nil, err
		case m.Type != Invocation || len(rest) > 0:
			return nil, recordError("The payload of a protocol is not one invocation.")
		}
		if asked[name], err = AppendInvocation(nil, name, invocationID, m.Target, m.Arguments); err != nil {
			return nil, err
		}
	}
	return NewFrames(asked)
}
