package transport

import (
	"bytes"
	"net/http"
	"time"

	"github.com/hubgate/hubgate/gateway"
)

// BeginEvents begins an answer of Server-Sent Events.
func BeginEvents(w http.ResponseWriter) {
	header := w.Header()
	NoStore(header)
	header.Del("Expires")
	header.Set("Content-Type", "text/event-stream")
	header.Set("Content-Encoding", "identity")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	// A read deadline would end the request as if the client had gone.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
}

// AppendEvent appends one event that carries the records joined: a `data: `
// line for each of their lines, then an empty one. Some clients accept no other
// field, and the space is not optional for them (C43, C44).
func AppendEvent(dst []byte, records []gateway.OutRecord) []byte {
	dst = append(dst, "data: "...)
	afterCR := false
	for _, r := range records {
		for b := r.Bytes; len(b) > 0; {
			if afterCR && b[0] == '\n' {
				b = b[1:] // CR LF is one line end, also across records
			}
			afterCR = false
			// A lone CR ends a line for browsers, so it must not get through either.
			end := bytes.IndexAny(b, "\r\n")
			if end < 0 {
				dst = append(dst, b...)
				break
			}
			dst = append(dst, b[:end]...)
			dst = append(dst, "\r\ndata: "...)
			afterCR = b[end] == '\r'
			b = b[end+1:]
		}
	}
	return append(dst, "\r\n\r\n"...)
}
