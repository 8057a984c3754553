package clientws

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

func TestHTTP2(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewUnstartedServer(f.h)
	server.Listener = transport.Listener(server.Listener, func() time.Duration { return 10 * time.Second })
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	token := f.user("u")
	do := func(method, query, accept, body string) *http.Response {
		req, err := http.NewRequest(method, server.URL+"/client/?"+query, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", accept)
		res, err := server.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, 2, res.ProtoMajor)
		return res
	}

	t.Run("C42 C45 Server-Sent Events", func(t *testing.T) {
		n := f.negotiate(token)
		stream := do("GET", n.query(), "text/event-stream", "")
		lines := bufio.NewReader(stream.Body)
		require.Equal(t, 200, do("POST", n.query(), "", jsonHandshake).StatusCode)
		for range 100 {
			f.live(n.ConnectionID).Send([]byte(messageRecord(strings.Repeat("x", 10_000))))
		}
		f.live(n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
		var got strings.Builder
		_, err := lines.WriteTo(&got)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(got.String(), ":\r\ndata: {}\x1e"))
		require.True(t, strings.HasSuffix(got.String(), `{"type":7}`+"\x1e\r\n\r\n"))
		require.Equal(t, 102, strings.Count(got.String(), "\x1e"))
	})

	t.Run("C51 C57 long polling", func(t *testing.T) {
		n := f.negotiate(token)
		require.Equal(t, 200, do("GET", n.query(), "", "").StatusCode)
		require.Equal(t, 200, do("POST", n.query(), "", jsonHandshake).StatusCode)
		res := do("GET", n.query(), "", "")
		answer := make([]byte, 3)
		_, err := res.Body.Read(answer)
		require.Equal(t, "{}\x1e", string(answer), err)
		require.Equal(t, 202, do("DELETE", n.query(), "", "").StatusCode)
		require.Equal(t, 404, do("GET", n.query(), "", "").StatusCode)
	})
}
