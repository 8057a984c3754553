package restapi

import (
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

// literals are the fixed segments of the contract's paths.
var literals = [...]string{
	"api", "hubs", "v1", "health", "users", "groups", "connections", ":send", ":closeConnections", ":generateToken",
	":execute", ":invoke", ":refresh", "streams", ":complete", "auth", "accessKey",
}

// routePath returns the path by which the router finds the request's operation:
// as it came in, but the literals as the contract has them, whatever their
// letter case and escapes were (R16), and without a slash at the end. Ids stay
// untouched: if the URL has a RawPath they are escaped and the generated code
// decodes them, else they were decoded by net/url and hold no slash.
func routePath(u *url.URL) string {
	if u.RawPath != "" {
		return canonicalPath(u.RawPath, true)
	}
	return canonicalPath(u.Path, false)
}

// IsHealth reports whether a URL is that of a health check, as the router finds it. Other paths may end with
// the same word: it can be a hub, a user or a group.
func IsHealth(u *url.URL) bool {
	path := routePath(u)
	return path == "/api/health" || path == "/api/v1/health"
}

// canonicalPath replaces the segments where the contract has literals. The
// result is path itself, or a piece of it, if there is nothing to replace.
func canonicalPath(path string, escaped bool) string {
	var b strings.Builder
	copied := 0 // path[:copied] is in b
	// Literals come first (/api/hubs or /api/v1/hubs), then ids and literals in turn.
	head, last := 2, ""
	for start, n := 0, 0; start <= len(path); n++ {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		isLiteral := n > 0 && (n <= head || (n-head)%2 == 0)
		if start == len(path) && n > 1 && path[start-2] != '/' && (isLiteral || isLast(last)) {
			path = path[:start-1] // The slash in front of nothing.
			break
		}
		if isLiteral {
			segment := path[start:end]
			last = canonicalLiteral(segment, escaped)
			if last != segment {
				b.WriteString(path[copied:start])
				b.WriteString(last)
				copied = end
			}
			if n == 2 && last == "v1" || n == head && last == "auth" {
				head = n + 1
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

// isLast reports whether a literal ends paths. Behind any other one, nothing is
// an id that is empty, and taking it off would address the segment before:
// DELETE /api/hubs/chat/users/ann/groups/ must not take ann out of all groups.
func isLast(literal string) bool {
	return strings.HasPrefix(literal, ":") || literal == "health" || literal == "accessKey"
}

const (
	hubsPrefix   = "/api/hubs/"
	hubsV1Prefix = "/api/v1/hubs/"
)

// otherSpelling returns a canonical path as the other version of the API has it,
// "" if there is none. The emulator takes each operation under both prefixes.
func otherSpelling(path string) string {
	if rest, ok := strings.CutPrefix(path, hubsV1Prefix); ok {
		return hubsPrefix + rest
	}
	rest, ok := strings.CutPrefix(path, hubsPrefix)
	// What looks like an action is no id of v1: the real id was left out.
	if !ok || strings.HasPrefix(rest[strings.LastIndexByte(rest, '/')+1:], ":") {
		return ""
	}
	return hubsV1Prefix + rest
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
