package hubprotocol

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// timestampExt is the type of MessagePack's timestamp extension, -1.
const timestampExt = 0xff

// AppendMessagePackAsJSON appends one MessagePack value as JSON. Binary becomes a
// base64 string, a timestamp a string in UTC of the form 2006-01-02T15:04:05.999999999Z,
// any other extension the array [type,"base64"]; NaN and infinities, for which JSON has
// no words, become null, and text that is not UTF-8 gets U+FFFD. Keys of maps that are
// no strings become strings: numbers, booleans and nil as JSON writes them, binary and
// timestamps as above. An error wraps ErrMalformed: the value is cut short, followed by
// something, has more than MaxDepth containers open, or has a key that is a container
// or another extension; dst is then returned as it was.
func AppendMessagePackAsJSON(dst, mp []byte) ([]byte, error) {
	converted, end := appendPackedValue(dst, mp, 0, 0)
	if end != len(mp) {
		return dst, recordError(textNotPacked)
	}
	return converted, nil
}

// appendPackedValue converts the value at b[i] and returns the index behind it, or -1.
func appendPackedValue(dst, b []byte, i, depth int) ([]byte, int) {
	kind, start, n := packToken(b, i)
	switch kind {
	case packInvalid:
		return dst, -1
	case packArray, packMap:
		if depth == MaxDepth {
			return dst, -1
		}
		if kind == packMap {
			return appendPackedMap(dst, b, start, n, depth+1)
		}
		return appendPackedArray(dst, b, start, n, depth+1)
	}
	end := start + int(n)
	return appendPackedScalar(dst, kind, b[i], b[start:end]), end
}

func appendPackedScalar(dst []byte, kind packKind, first byte, content []byte) []byte {
	switch kind {
	case packFalse:
		return append(dst, "false"...)
	case packTrue:
		return append(dst, "true"...)
	case packUint:
		if len(content) == 0 {
			return strconv.AppendUint(dst, uint64(first), 10)
		}
		return strconv.AppendUint(dst, uint64(packInteger(first, content)), 10)
	case packInt:
		return strconv.AppendInt(dst, packInteger(first, content), 10)
	case packFloat:
		if len(content) == 4 {
			f := math.Float32frombits(binary.BigEndian.Uint32(content))
			return appendJSONFloat(dst, float64(f), 32)
		}
		return appendJSONFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(content)), 64)
	case packString:
		return jsontext.AppendString(dst, content)
	case packBinary:
		return appendBase64(dst, content)
	case packExt:
		return appendExtension(dst, content)
	}
	return append(dst, "null"...)
}

func appendPackedArray(dst, b []byte, i int, n uint64, depth int) ([]byte, int) {
	dst = append(dst, '[')
	for k := uint64(0); k < n; k++ {
		if k > 0 {
			dst = append(dst, ',')
		}
		if dst, i = appendPackedValue(dst, b, i, depth); i < 0 {
			return dst, -1
		}
	}
	return append(dst, ']'), i
}

func appendPackedMap(dst, b []byte, i int, n uint64, depth int) ([]byte, int) {
	dst = append(dst, '{')
	for k := uint64(0); k < n; k++ {
		if k > 0 {
			dst = append(dst, ',')
		}
		if dst, i = appendPackedKey(dst, b, i); i < 0 {
			return dst, -1
		}
		dst = append(dst, ':')
		if dst, i = appendPackedValue(dst, b, i, depth); i < 0 {
			return dst, -1
		}
	}
	return append(dst, '}'), i
}

// appendPackedKey converts a key of a map: whatever is not a JSON string yet gets quotes.
func appendPackedKey(dst, b []byte, i int) ([]byte, int) {
	kind, start, n := packToken(b, i)
	if kind == packInvalid || kind == packArray || kind == packMap {
		return dst, -1
	}
	end := start + int(n)
	at := len(dst)
	dst = appendPackedScalar(append(dst, '"'), kind, b[i], b[start:end])
	switch dst[at+1] {
	case '"': // it has quotes of its own
		return append(dst[:at], dst[at+1:]...), end
	case '[': // an extension that is no timestamp
		return dst, -1
	}
	return append(dst, '"'), end
}

// appendJSONFloat writes the shortest text that reads back as the same number, with
// an exponent where JavaScript writes one.
func appendJSONFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

func appendBase64(dst, content []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, content)
	return append(dst, '"')
}

// appendExtension gets the type byte and the data of an extension.
func appendExtension(dst, content []byte) []byte {
	if content[0] == timestampExt {
		if t, ok := timestamp(content[1:]); ok {
			dst = append(dst, '"')
			dst = t.AppendFormat(dst, time.RFC3339Nano)
			return append(dst, '"')
		}
	}
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(int8(content[0])), 10)
	dst = append(dst, ',')
	return append(appendBase64(dst, content[1:]), ']')
}

// timestamp reads the three sizes of the extension. Not ok is what is no timestamp, or
// one before year 0 or after year 9999, for which ISO 8601 has no agreed form.
func timestamp(data []byte) (t time.Time, ok bool) {
	const firstSecond, lastSecond = -62167219200, 253402300799
	var seconds, nanos int64
	switch len(data) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(data))
	case 8:
		v := binary.BigEndian.Uint64(data)
		seconds, nanos = int64(v&(1<<34-1)), int64(v>>34)
	case 12:
		nanos = int64(binary.BigEndian.Uint32(data))
		seconds = int64(binary.BigEndian.Uint64(data[4:]))
	default:
		return time.Time{}, false
	}
	if seconds < firstSecond || seconds > lastSecond || nanos > 999_999_999 {
		return time.Time{}, false
	}
	return time.Unix(seconds, nanos).UTC(), true
}
