package hubprotocol

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// AppendJSONAsMessagePack appends one JSON value as MessagePack. Integers within int64
// or uint64 stay integers, all other numbers become float64 (infinite, if they are too
// large); members keep their order, and equal ones all stay; half a surrogate pair
// becomes U+FFFD. An error wraps ErrMalformed: the value is not well-formed, not UTF-8,
// or has more than MaxDepth containers open; dst is then returned as it was.
func AppendJSONAsMessagePack(dst, json []byte) ([]byte, error) {
	if !utf8.Valid(json) {
		return dst, recordError(textNotUTF8)
	}
	converted, end := appendJSONValue(dst, json, 0, 0)
	if end < 0 || jsontext.SkipSpace(json, end) != len(json) {
		return dst, recordError(textNotJSON)
	}
	return converted, nil
}

// appendJSONValue converts the value at or behind b[i] and returns the index behind
// it, or -1.
func appendJSONValue(dst, b []byte, i, depth int) ([]byte, int) {
	if i = jsontext.SkipSpace(b, i); i >= len(b) {
		return dst, -1
	}
	switch b[i] {
	case '{', '[':
		if depth == MaxDepth {
			return dst, -1
		}
		return appendJSONContainer(dst, b, i, depth+1)
	case '"':
		return appendJSONText(dst, b, i)
	case 't':
		return msgp.AppendBool(dst, true), jsontext.ScanLiteral(b, i, "true")
	case 'f':
		return msgp.AppendBool(dst, false), jsontext.ScanLiteral(b, i, "false")
	case 'n':
		return msgp.AppendNil(dst), jsontext.ScanLiteral(b, i, "null")
	}
	if b[i] != '-' && !jsontext.IsDigit(b[i]) {
		return dst, -1
	}
	end, integer := jsontext.ScanNumber(b, i)
	if end < 0 {
		return dst, -1
	}
	return appendJSONNumber(dst, b[i:end], integer), end
}

func appendJSONContainer(dst, b []byte, i, depth int) ([]byte, int) {
	object := b[i] == '{'
	closing := b[i] + 2 // ']' and '}' stand two places behind '[' and '{'
	at := len(dst)
	dst = append(dst, 0)
	if i = jsontext.SkipSpace(b, i+1); i < len(b) && b[i] == closing {
		return closeContainer(dst, at, 0, object), i + 1
	}
	for count := uint32(1); ; count++ {
		if object {
			key := jsontext.SkipSpace(b, i)
			if i = jsontext.ScanKey(b, i); i < 0 {
				return dst, -1
			}
			dst, _ = appendJSONText(dst, b, key)
		}
		if dst, i = appendJSONValue(dst, b, i, depth); i < 0 {
			return dst, -1
		}
		if i = jsontext.SkipSpace(b, i); i >= len(b) {
			return dst, -1
		}
		if b[i] == closing {
			return closeContainer(dst, at, count, object), i + 1
		}
		if b[i] != ',' {
			return dst, -1
		}
		i++
	}
}

// closeContainer writes the header for which one byte was reserved at index at.
func closeContainer(dst []byte, at int, count uint32, object bool) []byte {
	var room [maxPrefix]byte
	var header []byte
	if object {
		header = msgp.AppendMapHeader(room[:0], count)
	} else {
		header = msgp.AppendArrayHeader(room[:0], count)
	}
	dst = widen(dst, at, len(header))
	copy(dst[at:], header)
	return dst
}

// appendJSONText converts the string whose opening quote is b[i].
func appendJSONText(dst, b []byte, i int) ([]byte, int) {
	end, escaped := jsontext.ScanString(b, i)
	if end < 0 {
		return dst, -1
	}
	raw := b[i+1 : end-1]
	if !escaped {
		return msgp.AppendStringFromBytes(dst, raw), end
	}
	at := len(dst)
	dst, _ = jsontext.AppendUnescaped(append(dst, 0), raw)
	return closeString(dst, at), end
}

// closeString writes the header of a string for which one byte was reserved at index at.
func closeString(dst []byte, at int) []byte {
	var header [maxPrefix]byte
	size, n := len(dst)-at-1, 0
	switch {
	case size < 32:
		header[0], n = 0xa0|byte(size), 1
	case size <= math.MaxUint8:
		header[0], header[1], n = 0xd9, byte(size), 2
	case size <= math.MaxUint16:
		header[0], n = 0xda, 3
		binary.BigEndian.PutUint16(header[1:], uint16(size))
	default:
		header[0], n = 0xdb, 5
		binary.BigEndian.PutUint32(header[1:], uint32(size))
	}
	dst = widen(dst, at, n)
	copy(dst[at:], header[:n])
	return dst
}

func appendJSONNumber(dst, raw []byte, integer bool) []byte {
	if integer {
		if raw[0] != '-' {
			if n, ok := parseDigits(raw); ok {
				return msgp.AppendUint64(dst, n)
			}
		} else if n, ok := parseInteger(raw); ok {
			return msgp.AppendInt64(dst, n)
		}
	}
	// The only error left is a value out of range, for which ParseFloat returns an
	// infinity: what JSON.parse makes of it, too.
	f, _ := strconv.ParseFloat(string(raw), 64)
	return msgp.AppendFloat64(dst, f)
}
