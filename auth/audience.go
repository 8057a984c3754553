package auth

import (
	"net"
	"net/url"
	"strings"
)

// Where clients and hub servers connect, below the URL of the gateway. These are the paths of the
// audiences of their tokens too. Those of ASP.NET SignalR have paths of their own.
const (
	ClientPath       = "/client"
	ServerPath       = "/server"
	AspNetClientPath = "/aspnetclient"
	AspNetServerPath = "/aspnetserver"
)

// isEndpoint reports whether a path is one of these.
func isEndpoint(path string) bool {
	for _, endpoint := range [...]string{ClientPath, ServerPath, AspNetClientPath, AspNetServerPath} {
		if EqualFoldASCII(path, endpoint) {
			return true
		}
	}
	return false
}

// audience is one value of an aud claim, taken apart as D7 compares it. Senders
// do not agree on escaping: some put a decoded path into it, which need not be
// a valid URL, so it is cut by hand.
type audience struct {
	// text is the claim up to its query, for logs.
	text string
	host string // lower case, without port; "" if text is no absolute URL
	path string // without the trailing slash

	hub, application   string
	hubs, applications int // how many values the query has
}

func parseAudience(text string) audience {
	withoutQuery, query := cutQuery(text)
	a := audience{text: withoutQuery}
	_, rest, absolute := strings.Cut(withoutQuery, "://")
	if !absolute {
		return a
	}
	authority, path, _ := strings.Cut(rest, "/")
	a.host = hostname(authority)
	a.path = strings.TrimSuffix("/"+path, "/")
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case EqualFoldASCII(key, "hub"):
			a.hub = unescapeQuery(value)
			a.hubs++
		case EqualFoldASCII(key, "application") && value != "":
			a.application = unescapeQuery(value)
			a.applications++
		}
	}
	return a
}

// String is the audience for logs, reduced to what is compared.
func (a audience) String() string {
	var b strings.Builder
	b.WriteString(a.text)
	if a.hubs > 0 {
		b.WriteString("?hub=" + a.hub)
	}
	if a.applications > 0 {
		b.WriteString("?application=" + a.application)
	}
	return b.String()
}

func cutQuery(text string) (before, query string) {
	text, _, _ = strings.Cut(text, "#")
	before, query, _ = strings.Cut(text, "?")
	return before, query
}

// hostname returns the host of an authority ("user@host:port") or of a whole
// URL in lower case, without brackets.
func hostname(authority string) string {
	if _, rest, isURL := strings.Cut(authority, "://"); isURL {
		authority, _, _ = strings.Cut(rest, "/")
	}
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if host, _, err := net.SplitHostPort(authority); err == nil {
		authority = host
	}
	return strings.ToLower(strings.Trim(authority, "[]"))
}

// below returns the audience without the base path, if it has that in front.
func (a audience) below(base string) audience {
	if rest, ok := strings.CutPrefix(a.path, base); ok && strings.HasPrefix(rest, "/") {
		a.path = rest
	}
	return a
}

// forEndpoint reports whether the audience is the hub at an endpoint.
func (a audience) forEndpoint(path, hub string) bool {
	return EqualFoldASCII(a.path, path) && a.hubs == 1 && a.hub != "" && EqualFoldASCII(a.hub, hub)
}

// forPath reports whether the audience is the resource at the path, given as
// the request has it (escaped). The audience may be written escaped or decoded.
// A path with an escaped slash is only compared escaped: decoded it would look
// like the path of another resource, a group of a user for instance. The endpoints
// of clients and hub servers are no resources, whatever the request's path is (R7).
func (a audience) forPath(escaped string) bool {
	if a.host == "" || isEndpoint(a.path) {
		return false
	}
	escaped = strings.TrimSuffix(escaped, "/")
	if samePath(a.path, escaped, true) {
		return true
	}
	decoded, err := url.PathUnescape(escaped)
	return err == nil && strings.Count(decoded, "/") == strings.Count(escaped, "/") && samePath(a.path, decoded, false)
}

// forApplication reports whether the audience names no application or this one.
func (a audience) forApplication(application string) bool {
	return a.applications == 0 || a.applications == 1 && EqualFoldASCII(a.application, application)
}

// forHost reports whether the host is in the list; an empty list has every host.
func (a audience) forHost(allowed []string) bool {
	for _, host := range allowed {
		if hostname(host) == a.host {
			return true
		}
	}
	return len(allowed) == 0
}

// samePath compares two paths segment by segment, each decoded first if both
// are escaped: so an escaped slash is no separator. Up to and including the hub
// the letter case is ignored, behind it names are case-sensitive.
func samePath(a, b string, escaped bool) bool {
	ignoreCase, hubNext := true, false
	for more := true; more; {
		var segmentA, segmentB string
		var moreA bool
		segmentA, a, moreA = strings.Cut(a, "/")
		segmentB, b, more = strings.Cut(b, "/")
		if escaped {
			segmentA, segmentB = unescapePath(segmentA), unescapePath(segmentB)
		}
		if moreA != more || segmentA != segmentB && !(ignoreCase && EqualFoldASCII(segmentA, segmentB)) {
			return false
		}
		if hubNext {
			ignoreCase = false
		}
		hubNext = EqualFoldASCII(segmentB, "hubs") || EqualFoldASCII(segmentB, "hub")
	}
	return true
}

// unescapePath decodes a segment; what cannot be decoded stays.
func unescapePath(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

// EqualFoldASCII compares names in paths and audiences: the case of ASCII
// letters alone does not count. With Unicode folding a token for the hub "ſ"
// would open the hub "s".
func EqualFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
