package clientws

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSameAsSelfHosted compares answers with those of ASP.NET Core's own server:
// status, headers and, where clients show it, the body.
func TestSameAsSelfHosted(t *testing.T) {
	const (
		noCache = "cache-control: no-cache, no-store; pragma: no-cache; expires: Thu, 01 Jan 1970 00:00:00 GMT"
		plain   = "content-type: text/plain"
		binary  = "content-type: application/octet-stream"
		unknown = "No Connection with that ID"
		events  = "text/event-stream"
	)
	f := newFixture(t)
	token := f.user("u")
	poll := f.negotiate(token)
	stream := f.openEvents(token, nil)

	// In this order: each row continues where the one before stopped.
	rows := []struct {
		name, method, query, accept, body string
		status                            int
		headers, answer                   string
	}{
		{"GET without id (plain)", "GET", "hub=chat", "", "", 400, plain + "; " + noCache, "Connection ID required"},
		{"GET without id, Accept event-stream", "GET", "hub=chat", events, "", 400, plain, "Connection ID required"},
		{"GET unknown id", "GET", "hub=chat&id=x", "", "", 404, plain + "; " + noCache, unknown},
		{"POST unknown id", "POST", "hub=chat&id=x", "", "", 404, plain, unknown},
		{"POST without id", "POST", "hub=chat", "", "", 400, plain, "Connection ID required"},
		{"DELETE unknown id", "DELETE", "hub=chat&id=x", "", "", 404, plain, unknown},
		{"PUT", "PUT", "hub=chat", "", "", 405, plain, "Use GET, POST or DELETE."},
		{"LP: by connectionId instead of token", "GET", "hub=chat&id=" + poll.ConnectionID, "", "", 404, plain + "; " + noCache, unknown},
		{"LP: POST before first poll", "POST", poll.query(), "", jsonHandshake, 200, plain, ""},
		{"LP: first poll", "GET", poll.query(), "", "", 200, binary + "; " + noCache, ""},
		{"LP: poll gets handshake", "GET", poll.query(), "", "", 200, binary + "; " + noCache, "{}\x1e"},
		{"LP: by connectionId of a live connection", "POST", "hub=chat&id=" + poll.ConnectionID, "", "", 404, plain, unknown},
		{"LP: post ping", "POST", poll.query(), "", `{"type":6}` + "\x1e", 200, plain, ""},
		{"LP: empty post", "POST", poll.query(), "", "", 200, plain, ""},
		{"LP: delete", "DELETE", poll.query(), "", "", 202, plain, ""},
		{"LP: delete again", "DELETE", poll.query(), "", "", 404, plain, unknown},
		{"LP: poll after delete", "GET", poll.query(), "", "", 404, plain + "; " + noCache, unknown},
		{"LP: post after delete", "POST", poll.query(), "", "", 404, plain, unknown},
		{"SSE: post handshake", "POST", stream.n.query(), "", jsonHandshake, 200, plain, ""},
		{"SSE: second get while open", "GET", stream.n.query(), events, "", 409, plain, "The connection has a transport already."},
		{"SSE: GET plain while SSE open", "GET", stream.n.query(), "", "", 400, plain + "; " + noCache, "Cannot change transports mid-connection"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := request{method: row.method, query: row.query, token: token, body: row.body}
			if row.accept != "" {
				r.header = map[string]string{"Accept": row.accept}
			}
			res := f.do(r)
			require.Equal(t, row.status, res.status)
			require.Equal(t, row.answer, res.body)
			for header := range strings.SplitSeq(row.headers, "; ") {
				name, value, _ := strings.Cut(header, ": ")
				require.Equal(t, value, res.header.Get(name), name)
			}
		})
	}
	stream.wantEvent("{}\x1e")
	stream.close()
}
