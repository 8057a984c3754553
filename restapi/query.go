package restapi

import (
	"errors"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/auth"
)

// queryNames are the names of the contract's query parameters.
var queryNames = [...]string{"api-version", "application", "excluded", "reason", "ttl", "userId", "minutesToExpire",
	"filter", "completed", "error", "maxpagesize", "top", "continuationToken", "expireTime"}

var errQueryEscape = errors.New("the query has an invalid escape")

// query is a raw query made ready for the generated code.
type query struct {
	// raw has the names of parameters as the contract writes them (R20), and no
	// semicolon: net/url drops pairs with one, other servers take it as a character.
	raw string
	// versions are the decoded values of api-version.
	version  string
	versions int
	// application is the first value of that name, decoded.
	application  string
	applications int
	err          error
}

// canonicalQuery looks at every pair of the query once. The result's raw is the
// argument itself if there is nothing to change.
func canonicalQuery(raw string) query {
	q := query{raw: raw}
	same := strings.IndexByte(raw, ';') < 0
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		canonical, ok := canonicalName(name)
		same = same && canonical == name
		decoded := value
		if strings.ContainsAny(value, "%+") {
			var err error
			decoded, err = url.QueryUnescape(value)
			ok = ok && err == nil
		}
		if !ok {
			q.err = errQueryEscape
			return q
		}
		q.note(canonical, decoded)
	}
	if !same {
		q.raw = rewrite(raw)
	}
	return q
}

func (q *query) note(name, value string) {
	switch name {
	case "api-version":
		if q.versions++; q.versions == 1 {
			q.version = value
		}
	case "application":
		if q.applications++; q.applications == 1 {
			q.application = value
		}
	}
}

// canonicalName returns the contract's name for the name of a pair, or the name
// itself if the contract has none; not ok means that it cannot be decoded.
func canonicalName(name string) (canonical string, ok bool) {
	decoded := name
	if strings.ContainsAny(name, "%+") {
		var err error
		if decoded, err = url.QueryUnescape(name); err != nil {
			return name, false
		}
	}
	for _, known := range queryNames {
		if auth.EqualFoldASCII(decoded, known) {
			return known, true
		}
	}
	return name, true
}

func rewrite(raw string) string {
	var b strings.Builder
	for pair := range strings.SplitSeq(raw, "&") {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		name, value, hasValue := strings.Cut(pair, "=")
		name, _ = canonicalName(name)
		b.WriteString(strings.ReplaceAll(name, ";", "%3B"))
		if hasValue {
			b.WriteByte('=')
			b.WriteString(strings.ReplaceAll(value, ";", "%3B"))
		}
	}
	return b.String()
}

// goodVersion reports whether an api-version has the form of one. Which date it
// is does not matter: callers raise it before gateways know it.
func goodVersion(v string) bool {
	date, _ := strings.CutSuffix(v, "-preview")
	if len(date) != len("2022-06-01") {
		return false
	}
	for i := range len(date) {
		if i == 4 || i == 7 {
			if date[i] != '-' {
				return false
			}
		} else if date[i] < '0' || date[i] > '9' {
			return false
		}
	}
	return true
}
