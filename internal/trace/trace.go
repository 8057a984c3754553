// Package trace is the ids under which logs and those who watch show what belongs together: a
// request of an application, an event of a client.
package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
)

// Header is where a caller gives an id of its own, and where it is told the id in any case. Its
// spelling is that of http.Header's keys.
const Header = "X-Request-Id"

// tracingHeader is where Azure's management library gives the tracing id of a message, a number.
const tracingHeader = "X-Asrs-Message-Tracing-Id"

// parentHeader is W3C Trace Context.
const parentHeader = "Traceparent"

// maxID bounds the ids that callers choose, in bytes.
const maxID = 128

// New returns an id, and the W3C traceparent header with it, which says sampled: receivers that
// follow their caller's decision would otherwise record nothing.
func New() (id, parent string) {
	var raw [24]byte // 16 of the trace, 8 of the span; neither may be all zero
	binary.BigEndian.PutUint64(raw[0:], rand.Uint64())
	binary.BigEndian.PutUint64(raw[8:], rand.Uint64()|1)
	binary.BigEndian.PutUint64(raw[16:], rand.Uint64()|1)
	parent = traceparent(raw[:16], raw[16:], 1)
	return parent[3 : 3+32], parent
}

// traceparent is the text of W3C Trace Context, version 00.
func traceparent(traceID, spanID []byte, flags byte) string {
	text := append(make([]byte, 0, len("00-")+2*(16+8)+len("---00")), "00-"...)
	text = append(hex.AppendEncode(text, traceID), '-')
	text = append(hex.AppendEncode(text, spanID), '-')
	return string(hex.AppendEncode(text, []byte{flags}))
}

// Of returns the id that a request brings: its X-Request-Id, or else its X-ASRS-Message-Tracing-Id, or else the trace
// of its traceparent, "" if none is one that may stand in a log. It allocates nothing.
func Of(header http.Header) string {
	for _, name := range [...]string{Header, tracingHeader} {
		if values := header[name]; len(values) == 1 && valid(values[0]) {
			return values[0]
		}
	}
	if values := header[parentHeader]; len(values) == 1 {
		return ofParent(values[0])
	}
	return ""
}

// ofParent returns the trace of version-trace-parent-flags. Versions after 00 begin alike.
func ofParent(parent string) string {
	const whole, start, end = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), 3, 35
	if len(parent) < whole || parent[2] != '-' || parent[end] != '-' || parent[:2] == "ff" {
		return ""
	}
	id, zeros := parent[start:end], true
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
		zeros = zeros && c == '0'
	}
	if zeros {
		return ""
	}
	return id
}

// valid says whether an id is short and made of letters, digits and what ids are made of besides.
func valid(id string) bool {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-' || c == '_' || c == '.' || c == ':' || c == '/' || c == '+' || c == '=' || c == '|':
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxID
}
