package clientaspnet

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The HTTP server waits for the body of a request before it begins the answer. So a GET that announces
// one and does not bring it is refused, and holds no connection.
func TestBodyOfAGet(t *testing.T) {
	for _, row := range []struct {
		name, header, transport string
		status                  int
		after                   time.Duration
	}{
		{"event stream", "Content-Length: 5", "serverSentEvents", 413, 0},
		{"poll", "Content-Length: 5", "longPolling", 413, 0},
		{"an end that does not come", "Transfer-Encoding: chunked", "serverSentEvents", 408, 15 * time.Second},
	} {
		inBubble(t, row.name, func(t *testing.T, f *fixture) {
			c := f.negotiate(f.user("u"))
			conn, err := f.network.Dial(context.Background(), "tcp", "")
			require.NoError(t, err)
			defer conn.Close()
			begin := time.Now()
			_, err = fmt.Fprintf(conn, "GET /aspnetclient/connect?%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n",
				c.query(row.transport, ""), c.token, row.header)
			require.NoError(t, err)
			_ = conn.SetReadDeadline(begin.Add(time.Minute))
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, row.status, res.StatusCode)
			require.Equal(t, row.after, time.Since(begin).Round(time.Second))
			known, _ := f.gw.Lookup(c.ConnectionID)
			require.Nil(t, known)
		})
	}
}
