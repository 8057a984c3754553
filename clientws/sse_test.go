package clientws

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

// eventClient is a Server-Sent Events client.
type eventClient struct {
	t      *testing.T
	f      *fixture
	n      negotiated
	token  string
	header http.Header
	body   io.Closer
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// openEvents opens a stream and reads its preamble. No handshake yet.
func (f *fixture) openEvents(token string, header map[string]string) *eventClient {
	f.t.Helper()
	return f.openEventsOf(f.negotiate(token), token, header)
}

func (f *fixture) openEventsOf(n negotiated, token string, header map[string]string) *eventClient {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := request{method: "GET", query: n.query() + "&access_token=" + token, header: map[string]string{"Accept": "text/event-stream"}}
	for k, v := range header {
		r.header[k] = v
	}
	res, err := f.begin(ctx, r)
	require.NoError(f.t, err)
	require.Equal(f.t, 200, res.StatusCode)
	c := &eventClient{f.t, f, n, token, res.Header, res.Body, bufio.NewReader(res.Body), cancel}
	f.t.Cleanup(c.close)
	c.wantRaw(":\r\n")
	return c
}

func (c *eventClient) close() {
	c.cancel()
	_ = c.body.Close()
}

func (c *eventClient) wantRaw(text string) {
	c.t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c.lines, got)
	require.NoError(c.t, err)
	require.Equal(c.t, text, string(got))
}

func (c *eventClient) wantEvent(record string) {
	c.t.Helper()
	c.wantRaw("data: " + record + "\r\n\r\n")
}

func (c *eventClient) wantEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.lines)
	require.NoError(c.t, err)
	require.Empty(c.t, rest)
}

func (c *eventClient) post(body string) response {
	c.t.Helper()
	return c.f.do(request{method: "POST", query: c.n.query(), token: c.token, body: body})
}

func (c *eventClient) shake() {
	c.t.Helper()
	require.Equal(c.t, 200, c.post(jsonHandshake).status)
	c.wantEvent("{}\x1e")
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")

	t.Run("C42 headers and preamble arrive before any data", func(t *testing.T) {
		c := f.openEvents(token, nil)
		require.Equal(t, "text/event-stream", c.header.Get("Content-Type"))
		require.Equal(t, "no-cache, no-store", c.header.Get("Cache-Control"))
		require.Equal(t, "no-cache", c.header.Get("Pragma"))
		require.Equal(t, "identity", c.header.Get("Content-Encoding"))
		require.Equal(t, "no", c.header.Get("X-Accel-Buffering"))
		require.Empty(t, c.header.Get("Content-Length"))
		c.close()
	})

	t.Run("C11 C13 C45 token in the query for GET, in the header for POST", func(t *testing.T) {
		c := f.openEvents(token, nil)
		res := c.post(jsonHandshake + `{"type":1,"target":"first","arguments":[]}` + "\x1e")
		require.Equal(t, 200, res.status)
		require.Equal(t, "text/plain", res.header.Get("Content-Type"))
		require.Empty(t, res.body)
		c.wantEvent("{}\x1e")
		require.Equal(t, 200, c.post(`{"type":1,"target":"second","arguments":[]}`+"\x1e"+`{"type":1,"target":"third","arguments":[]}`+"\x1e").status)
		// A POST is answered when its records were taken.
		id := c.n.ConnectionID
		require.Equal(t, []string{"opened " + id, "record " + id + " first", "record " + id + " second", "record " + id + " third"},
			eventsOf(f.backend.Events(), id))
		f.send("hello")
		c.wantEvent(messageRecord("hello"))
		c.close()
	})

	t.Run("C46 Accept decides, and the transport stays", func(t *testing.T) {
		c := f.openEvents(token, map[string]string{"Accept": "text/html, Text/Event-Stream;q=0.9"})
		res := f.do(request{method: "GET", query: c.n.query(), token: token})
		require.Equal(t, 400, res.status)
		require.Equal(t, "Cannot change transports mid-connection", res.body)
		_, res = f.tryDial(c.n.query(), http.Header{"Authorization": {"Bearer " + token}})
		require.Equal(t, 400, res.status)

		t.Run("C49 a second stream gets 409", func(t *testing.T) {
			res := f.do(request{method: "GET", query: c.n.query(), token: token, header: map[string]string{"Accept": "text/event-stream"}})
			require.Equal(t, 409, res.status)
		})
		t.Run("DELETE is for long polling", func(t *testing.T) {
			res := f.do(request{method: "DELETE", query: c.n.query(), token: token})
			require.Equal(t, 400, res.status)
			require.Equal(t, "Cannot terminate this connection using the DELETE endpoint.", res.body)
		})
		t.Run("another user's token gets 403", func(t *testing.T) {
			for method, body := range map[string]string{"GET": "", "POST": jsonHandshake, "DELETE": ""} {
				res := f.do(request{method: method, query: c.n.query(), token: f.user("v"), body: body})
				require.Equal(t, 403, res.status, method)
			}
			require.EqualValues(t, 3, f.h.Refused()[transport.RefusedUser])
			require.Empty(t, eventsOf(f.backend.Events(), c.n.ConnectionID))
		})
		c.close()
	})

	t.Run("C47 MessagePack is refused on this transport", func(t *testing.T) {
		c := f.openEvents(token, nil)
		require.Equal(t, 200, c.post(messagePackHandshake).status)
		c.wantEvent(`{"error":"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."}` + "\x1e")
		c.wantEnd()
	})

	t.Run("C48 the client drops the GET", func(t *testing.T) {
		c := f.openEvents(token, nil)
		c.shake()
		c.close()
		f.waitFor(t, "closed "+c.n.ConnectionID+" Normal")
		res := c.post(`{"type":7}` + "\x1e")
		require.Equal(t, 404, res.status)
		require.Equal(t, "No Connection with that ID", res.body)
	})

	t.Run("C50 a POST over the limit gets 413 and the connection goes on", func(t *testing.T) {
		c := f.openEvents(token, nil)
		c.shake()
		big := strings.Repeat("x", 1<<20+1)
		require.Equal(t, 413, c.post(big).status)
		chunked := f.do(request{method: "POST", query: c.n.query(), token: token, reader: io.MultiReader(strings.NewReader(big))})
		require.Equal(t, 413, chunked.status)
		require.Equal(t, 200, c.post(`{"type":1,"target":"after","arguments":[]}`+"\x1e").status)
		f.send("still here")
		c.wantEvent(messageRecord("still here"))
		c.close()
	})

	t.Run("the service ends it: Close record, then the stream's end", func(t *testing.T) {
		c := f.openEvents(token, nil)
		c.shake()
		f.live(c.n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
		c.wantEvent(`{"type":7,"error":"bye"}` + "\x1e")
		c.wantEnd()
		require.Equal(t, 404, c.post(`{"type":6}`+"\x1e").status)
	})

	t.Run("D5 POST before the GET waits for it", func(t *testing.T) {
		n := f.negotiate(token)
		for _, part := range []string{jsonHandshake[:10], jsonHandshake[10:], `{"type":1,"target":"early","arguments":[]}` + "\x1e"} {
			require.Equal(t, 200, f.do(request{method: "POST", query: n.query(), token: token, body: part}).status)
		}
		c := f.openEventsOf(n, token, nil)
		c.wantEvent("{}\x1e")
		f.waitFor(t, "record "+n.ConnectionID+" early")
		c.close()
	})

	t.Run("version 0 works by the public id, version 1 does not", func(t *testing.T) {
		c := f.openEventsOf(f.negotiateVersion(token, ""), token, nil)
		c.shake()
		c.close()
		c = f.openEvents(token, nil)
		res := f.do(request{method: "POST", query: "hub=chat&id=" + c.n.ConnectionID, token: token, body: jsonHandshake})
		require.Equal(t, 404, res.status)
		c.close()
	})
}

// eventsOf picks what the application was told about one connection.
func eventsOf(events []string, id string) (mine []string) {
	for _, e := range events {
		if strings.Contains(e, id) {
			mine = append(mine, e)
		}
	}
	return mine
}

func TestEventClocks(t *testing.T) {
	t.Run("C41 C42 a stream that takes no byte is given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openEvents(f.user("u"), nil)
			c.shake()
			// More than all buffers between server and client.
			f.send(strings.Repeat("x", 200<<10))
			time.Sleep(30 * time.Second)
			synctest.Wait()
			require.Contains(t, strings.Join(f.backend.Events(), "\n"), "closed "+c.n.ConnectionID+" SlowClient")
		})
	})

	t.Run("a stream is cut at once when the client is over its bound", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t, func(f *fixture, _ *Options) { f.core.OutboxMaxBytes = 100 << 10 })
			c := f.openEvents(f.user("u"), nil)
			c.shake()
			began := time.Now()
			for range 8 {
				f.send(strings.Repeat("x", 60<<10))
				synctest.Wait()
			}
			require.Contains(t, strings.Join(f.backend.Events(), "\n"), "closed "+c.n.ConnectionID+" SlowClient")
			require.Zero(t, time.Since(began))
			_, err := io.Copy(io.Discard, c.lines)
			require.Error(t, err, "the answer is broken off")
		})
	})

	t.Run("a ghost to which nobody sends ends by the pings that it does not take", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openEvents(f.user("u"), nil)
			c.shake()
			// It never pings and reads no more, and its connection stays open.
			time.Sleep(15*time.Second + f.limits.SendTimeout + 3*time.Second)
			synctest.Wait()
			require.Contains(t, strings.Join(f.backend.Events(), "\n"), "closed "+c.n.ConnectionID+" SlowClient")
			require.Zero(t, f.gw.Connections("chat"))
		})
	})

	t.Run("C68 pings are events", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openEvents(f.user("u"), nil)
			c.shake()
			c.wantEvent(`{"type":6}` + "\x1e")
			c.close()
		})
	})
}
