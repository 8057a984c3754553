package transport

import (
	"net/url"
	"strings"
)

// CutPair takes an item of a query or a form apart. The key is decoded, the value is not.
func CutPair(pair string) (key, value string) {
	key, value, _ = strings.Cut(pair, "=")
	return Unescape(key), value
}

// Unescape decodes a key or value; what cannot be decoded stays as it is.
func Unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}
