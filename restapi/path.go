package restapi

import (
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

// literals are the fixed segments of the contract's paths.
var literals = [...]string{
	"api", "hubs", "v1", "health", "users", "groups", "connections", ":send", ":closeConnections", ":generateToken",
}

// routePath returns the path by which the router finds the request's operation:
// as it came in, but the literals as the contract has them, whatever their
// letter case and escapes were (R16). Ids stay untouched: if the URL has a
// RawPath they are escaped and the generated code decodes them, else they were
// decoded by net/url and hold no slash.
func routePath(u *url.URL) string {
	if u.RawPath != "" {
		return canonicalPath(u.RawPath, true)
	}
	return canonicalPath(u.Path, false)
}

// canonicalPath replaces the segments where the contract has literals. It
// returns path itself if there is nothing to replace.
func canonicalPath(path string, escaped bool) string {
	var b strings.Builder
	copied := 0 // path[:copied] is in b
	// Literals come first (/api/hubs or /api/v1/hubs), then ids and literals in turn.
	head := 2
	for start, n := 0, 0; start <= len(path); n++ {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		if n > 0 && (n <= head || (n-head)%2 == 0) {
			segment := path[start:end]
			canonical := canonicalLiteral(segment, escaped)
			if canonical != segment {
				b.WriteString(path[copied:start])
				b.WriteString(canonical)
				copied = end
			}
			if n == 2 && canonical == "v1" {
				head = 3
			}
		}
		start = end + 1
	}
	if copied == 0 {
		return path
	}
	b.WriteString(path[copied:])
	return b.String()
}

// canonicalLiteral returns the literal that the segment means, or the segment.
func canonicalLiteral(segment string, escaped bool) string {
	decoded := segment
	if escaped && strings.IndexByte(segment, '%') >= 0 {
		var err error
		if decoded, err = url.PathUnescape(segment); err != nil {
			return segment
		}
	}
	for _, literal := range literals {
		if auth.EqualFoldASCII(decoded, literal) {
			return literal
		}
	}
	return segment
}
