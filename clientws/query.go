package clientws

import (
	"strings"

	"github.com/hubgate/hubgate/internal/transport"
)

// query is what the gateway itself reads from a request's query. Keys may have
// any letter case (C08). The last value of a repeated key counts, so that an
// item that the application put on its URL never hides the client's own (C15).
// The hub is the exception: the URL that the application's answer gave to the
// client begins with it, and the items of the page's own URL follow.
type query struct {
	raw string

	hub  string
	hubs int // how many values there are (C09)

	id    string
	hasID bool

	application string

	version    string // of negotiate, as written
	hasVersion bool
	// stateful: the client asks for stateful reconnect. It does if any of the values says so: clients
	// repeat the item that the application's URL has.
	stateful bool
}

func parseQuery(raw string) query {
	q := query{raw: raw}
	for pair := range strings.SplitSeq(raw, "&") {
		key, value := transport.CutPair(pair)
		switch {
		case strings.EqualFold(key, "hub"):
			if q.hubs++; q.hubs == 1 {
				q.hub = transport.Unescape(value)
			}
		case strings.EqualFold(key, "id"):
			q.id, q.hasID = transport.Unescape(value), true
		case strings.EqualFold(key, "application"):
			q.application = transport.Unescape(value)
		case strings.EqualFold(key, "negotiateVersion"):
			q.version, q.hasVersion = transport.Unescape(value), true
		case strings.EqualFold(key, "useStatefulReconnect"):
			q.stateful = q.stateful || strings.EqualFold(strings.TrimSpace(transport.Unescape(value)), "true")
		}
	}
	q.hasID = q.hasID && q.id != ""
	return q
}

// kept is the query as the application may see it: in the client's own
// spelling and order, without the token (C14) and without the connection token.
// An item called id that is the application's own stays (C06).
func (q *query) kept() string {
	var kept strings.Builder
	for pair := range strings.SplitSeq(q.raw, "&") {
		key, value := transport.CutPair(pair)
		if pair == "" || strings.EqualFold(key, "access_token") ||
			strings.EqualFold(key, "id") && transport.Unescape(value) == q.id {
			continue
		}
		if kept.Len() > 0 {
			kept.WriteByte('&')
		}
		kept.WriteString(pair)
	}
	return kept.String()
}
