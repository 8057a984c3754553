package hubprotocol

import (
	"strings"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// The encoders below append one framed record and never write null members or headers
// (C70). BlazorPack is written as MessagePack; for any other protocol nothing is
// appended. Text that is not UTF-8 is written with U+FFFD in place of what is wrong.

// AppendInvocation appends an Invocation. An empty invocationID means that no answer
// is wanted. Arguments are one array in the encoding of the protocol; none stands for
// an empty array. The error says that they are no such array or nested too deep, that
// the target is empty (ErrTargetEmpty), or that the protocol is not known (ErrProtocol);
// dst is then returned as it was.
func AppendInvocation(dst []byte, protocol, invocationID, target string, arguments []byte) ([]byte, error) {
	if target == "" {
		return dst, ErrTargetEmpty
	}
	switch {
	case protocol == JSON:
		if len(arguments) == 0 {
			break
		}
		start := jsontext.SkipSpace(arguments, 0)
		end := jsontext.ScanValue(arguments, start, 1)
		if end < 0 || jsontext.SkipSpace(arguments, end) != len(arguments) || !utf8.Valid(arguments) {
			return dst, recordError(textNotJSON)
		}
		if arguments[start] != '[' {
			return dst, ErrArgumentsNotArray
		}
		arguments = arguments[start:end]
	case packed(protocol):
		if len(arguments) == 0 {
			break
		}
		if packSkip(arguments, 0, 1) != len(arguments) {
			return dst, recordError(textNotPacked)
		}
		if kind, _, _ := packToken(arguments, 0); kind != packArray {
			return dst, ErrArgumentsNotArray
		}
	default:
		return dst, ErrProtocol
	}
	return appendInvocation(dst, protocol, invocationID, target, arguments), nil
}

// textNotPacked is textNotJSON for the other encoding.
const textNotPacked = "Error reading MessagePack."

func packed(protocol string) bool { return protocol == MessagePack || protocol == BlazorPack }

// appendInvocation is AppendInvocation for arguments that are known to be an array.
func appendInvocation(dst []byte, protocol, invocationID, target string, arguments []byte) []byte {
	if protocol != JSON {
		dst, at := openRecord(dst, 6, Invocation)
		dst = append(dst, packedNoHeaders)
		if invocationID == "" {
			dst = msgp.AppendNil(dst)
		} else {
			dst = appendPackedString(dst, invocationID)
		}
		dst = appendPackedString(dst, target)
		if len(arguments) == 0 {
			dst = msgp.AppendArrayHeader(dst, 0)
		}
		dst = append(dst, arguments...)
		return closeFrame(msgp.AppendArrayHeader(dst, 0), at)
	}
	dst = append(dst, `{"type":1`...)
	if invocationID != "" {
		dst = append(dst, `,"invocationId":`...)
		dst = jsontext.AppendString(dst, invocationID)
	}
	dst = append(dst, `,"target":`...)
	dst = jsontext.AppendString(dst, target)
	dst = append(dst, `,"arguments":`...)
	if len(arguments) == 0 {
		dst = append(dst, '[', ']')
	}
	dst = append(dst, arguments...)
	return append(dst, '}', RecordSeparator)
}

// AppendPing appends a Ping.
func AppendPing(dst []byte, protocol string) []byte {
	switch {
	case protocol == JSON:
		return append(dst, "{\"type\":6}\x1e"...)
	case packed(protocol):
		return append(dst, 2, 0x91, byte(Ping))
	}
	return dst
}

// AppendClose appends a Close, in MessagePack with three elements (C74). Without
// allowReconnect clients with automatic reconnect stay closed (C77).
func AppendClose(dst []byte, protocol, errText string, allowReconnect bool) []byte {
	switch {
	case protocol == JSON:
		dst = append(dst, `{"type":7`...)
		if errText != "" {
			dst = append(dst, `,"error":`...)
			dst = jsontext.AppendString(dst, errText)
		}
		if allowReconnect {
			dst = append(dst, `,"allowReconnect":true`...)
		}
		return append(dst, '}', RecordSeparator)
	case packed(protocol):
		dst, at := openRecord(dst, 3, Close)
		if errText == "" {
			dst = msgp.AppendNil(dst)
		} else {
			dst = appendPackedString(dst, errText)
		}
		return closeFrame(msgp.AppendBool(dst, allowReconnect), at)
	}
	return dst
}

// AppendCompletion appends a Completion without a result.
func AppendCompletion(dst []byte, protocol, invocationID string) []byte {
	switch {
	case protocol == JSON:
		return append(appendJSONHead(dst, Completion, invocationID), '}', RecordSeparator)
	case packed(protocol):
		dst, at := openCompletion(dst, 4, invocationID, completionVoid)
		return closeFrame(dst, at)
	}
	return dst
}

// AppendCompletionError appends a Completion with an error, which may be empty.
func AppendCompletionError(dst []byte, protocol, invocationID, errText string) []byte {
	switch {
	case protocol == JSON:
		dst = append(appendJSONHead(dst, Completion, invocationID), `,"error":`...)
		return append(jsontext.AppendString(dst, errText), '}', RecordSeparator)
	case packed(protocol):
		dst, at := openCompletion(dst, 5, invocationID, completionError)
		return closeFrame(appendPackedString(dst, errText), at)
	}
	return dst
}

// AppendCompletionResult appends a Completion with a result: one well-formed value in
// the encoding of the protocol, which is not checked. No bytes stand for null.
func AppendCompletionResult(dst []byte, protocol, invocationID string, result []byte) []byte {
	switch {
	case protocol == JSON:
		dst = append(appendJSONHead(dst, Completion, invocationID), `,"result":`...)
		if len(result) == 0 {
			dst = append(dst, "null"...)
		}
		return append(append(dst, result...), '}', RecordSeparator)
	case packed(protocol):
		dst, at := openCompletion(dst, 5, invocationID, completionResult)
		if len(result) == 0 {
			dst = msgp.AppendNil(dst)
		}
		return closeFrame(append(dst, result...), at)
	}
	return dst
}

// appendStreamItem is AppendCompletionResult for a StreamItem.
func appendStreamItem(dst []byte, protocol, invocationID string, item []byte) []byte {
	if protocol == JSON {
		dst = append(appendJSONHead(dst, StreamItem, invocationID), `,"item":`...)
		return append(append(dst, item...), '}', RecordSeparator)
	}
	dst, at := openRecord(dst, 4, StreamItem)
	dst = appendPackedString(append(dst, packedNoHeaders), invocationID)
	return closeFrame(append(dst, item...), at)
}

// packedNoHeaders is the empty map that stands for no headers.
const packedNoHeaders = 0x80

func openRecord(dst []byte, elements uint32, t Type) ([]byte, int) {
	dst, at := openFrame(dst)
	return append(msgp.AppendArrayHeader(dst, elements), byte(t)), at
}

func openCompletion(dst []byte, elements uint32, invocationID string, kind byte) ([]byte, int) {
	dst, at := openRecord(dst, elements, Completion)
	dst = appendPackedString(append(dst, packedNoHeaders), invocationID)
	return append(dst, kind), at
}

func appendPackedString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return msgp.AppendString(dst, s)
}

func appendJSONHead(dst []byte, t Type, invocationID string) []byte {
	dst = append(dst, `{"type":`...)
	dst = append(dst, '0'+byte(t))
	dst = append(dst, `,"invocationId":`...)
	return jsontext.AppendString(dst, invocationID)
}
