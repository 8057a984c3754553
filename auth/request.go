package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// BearerToken returns the token of the Authorization header. The scheme may
// have any letter case; another scheme or an empty token gives false.
func BearerToken(h http.Header) (token string, ok bool) {
	scheme, token, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.TrimSpace(token)
	return token, token != ""
}

// ClientToken returns the token of a client's request: the Authorization header
// if it holds one (C12), else the last access_token of the query, whose name
// may have any letter case. The query counts only on requests that browsers
// cannot put a header on: WebSocket upgrades and Server-Sent Events (C11).
// REST callers use BearerToken alone (R10).
func ClientToken(r *http.Request) (token string, ok bool) {
	if token, ok = BearerToken(r.Header); ok {
		return token, true
	}
	if !headerless(r.Header) {
		return "", false
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(unescapeQuery(key), "access_token") {
			continue
		}
		token = unescapeQuery(value)
	}
	return token, token != ""
}

// headerless reports whether a browser sends such a request without letting
// the page set its headers.
func headerless(h http.Header) bool {
	return strings.Contains(strings.ToLower(h.Get("Upgrade")), "websocket") ||
		strings.Contains(strings.ToLower(h.Get("Accept")), "text/event-stream")
}

// unescapeQuery decodes a key or value of a query; what cannot be decoded stays.
func unescapeQuery(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
