package clientws

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

// pollClient is a long-polling client.
type pollClient struct {
	f     *fixture
	n     negotiated
	token string
}

// openPoll negotiates and makes the first poll.
func (f *fixture) openPoll(token string) *pollClient {
	f.t.Helper()
	c := &pollClient{f, f.negotiate(token), token}
	res := c.poll()
	require.Equal(f.t, 200, res.status)
	require.Equal(f.t, "application/octet-stream", res.header.Get("Content-Type"))
	require.Equal(f.t, "0", res.header.Get("Content-Length"))
	return c
}

func (c *pollClient) get() request   { return request{method: "GET", query: c.n.query(), token: c.token} }
func (c *pollClient) poll() response { return c.f.do(c.get()) }

func (c *pollClient) post(body string) response {
	return c.f.do(request{method: "POST", query: c.n.query(), token: c.token, body: body})
}

func (c *pollClient) delete() response {
	return c.f.do(request{method: "DELETE", query: c.n.query(), token: c.token})
}

func (c *pollClient) shake() {
	c.f.t.Helper()
	require.Equal(c.f.t, 200, c.post(jsonHandshake).status)
	c.wantData("{}\x1e")
}

func (c *pollClient) wantData(body string) {
	c.f.t.Helper()
	res := c.poll()
	require.Equal(c.f.t, 200, res.status)
	require.Equal(c.f.t, body, res.body)
	require.Equal(c.f.t, "application/octet-stream", res.header.Get("Content-Type"))
	require.Equal(c.f.t, fmt.Sprint(len(body)), res.header.Get("Content-Length"))
}

func requireDead(t *testing.T, res response) {
	t.Helper()
	require.Equal(t, 404, res.status)
	require.Equal(t, "No Connection with that ID", res.body)
	require.Equal(t, "text/plain", res.header.Get("Content-Type"))
}

func TestLongPolling(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")

	t.Run("C51 the first poll is answered at once and empty", func(t *testing.T) {
		f.openPoll(token).delete()
	})

	t.Run("C53 data waits for the next poll and comes joined", func(t *testing.T) {
		c := f.openPoll(token)
		c.shake()
		for _, text := range []string{"a", "b", "c"} {
			f.send(text)
		}
		f.waitQueued(c.n.ConnectionID, 3)
		c.wantData(messageRecord("a") + messageRecord("b") + messageRecord("c"))
		held := f.async(c.get())
		f.send("d")
		require.Equal(t, messageRecord("d"), (<-held).body)
		c.delete()
	})

	t.Run("C55 C96 the service ends: the Close record, 204, then 404", func(t *testing.T) {
		for _, when := range []string{"between polls", "during a poll"} {
			t.Run(when, func(t *testing.T) {
				c := f.openPoll(token)
				c.shake()
				conn := f.live(c.n.ConnectionID)
				var held <-chan response
				if when == "during a poll" {
					held = f.async(c.get())
				}
				conn.Send([]byte(messageRecord("last")))
				conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
				got := ""
				if held != nil {
					got = (<-held).body
				}
				for end := `{"type":7,"error":"bye"}` + "\x1e"; got != messageRecord("last")+end; {
					res := c.poll()
					require.Equal(t, 200, res.status)
					got += res.body
				}
				requireDead(t, c.post(`{"type":6}`+"\x1e"))
				require.Equal(t, 204, c.poll().status)
				requireDead(t, c.poll())
				f.waitFor(t, "closed "+c.n.ConnectionID+" ClosedByAppServer: bye")
			})
		}
	})

	t.Run("C57 DELETE ends a held poll with 204, later requests get 404", func(t *testing.T) {
		c := f.openPoll(token)
		c.shake()
		before := f.h.Refused()
		held := c.hold()
		res := c.delete()
		require.Equal(t, 202, res.status)
		require.Equal(t, "text/plain", res.header.Get("Content-Type"))
		require.Equal(t, 204, (<-held).status)
		requireDead(t, c.post(`{"type":7}`+"\x1e"))
		requireDead(t, c.delete())
		requireDead(t, c.poll())
		after := f.h.Refused()
		require.Equal(t, before[transport.RefusedEnded]+3, after[transport.RefusedEnded])
		require.Equal(t, before[transport.RefusedUnknownID], after[transport.RefusedUnknownID], "a client that leaves is no stranger")
		f.waitFor(t, "closed "+c.n.ConnectionID+" Normal")
		require.NotContains(t, f.log.String(), "level=ERROR")
		require.NotContains(t, f.log.String(), "level=WARN")
	})

	t.Run("C57 DELETE instead of the farewell poll ends the connection at once", func(t *testing.T) {
		for name, end := range map[string]func(*pollClient){
			"after the client's Close record": func(c *pollClient) { require.Equal(t, 200, c.post(`{"type":7}`+"\x1e").status) },
			"after ours":                      func(c *pollClient) { f.live(c.n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseNormal}) },
			"after our Close record was read": func(c *pollClient) {
				f.live(c.n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseNormal})
				c.wantData(`{"type":7}` + "\x1e")
			},
		} {
			t.Run(name, func(t *testing.T) {
				c := f.openPoll(token)
				c.shake()
				end(c)
				require.Equal(t, 202, c.delete().status)
				_, ended := f.gw.Lookup(c.n.ConnectionID)
				require.True(t, ended)
				require.Equal(t, "closed "+c.n.ConnectionID+" Normal", eventsOf(f.backend.Events(), c.n.ConnectionID)[1])
				requireDead(t, c.delete())
				requireDead(t, c.poll())
			})
		}
	})

	t.Run("C59 unknown ids", func(t *testing.T) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			requireDead(t, f.do(request{method: method, query: "hub=chat&id=unknown", token: token}))
		}
	})

	t.Run("C60 nothing is cached, _= is ignored", func(t *testing.T) {
		c := f.openPoll(token)
		require.Equal(t, 200, c.post(jsonHandshake).status)
		r := c.get()
		r.query += "&_=1700000000000"
		for _, res := range []response{f.do(r), f.do(request{method: "GET", query: "hub=chat&id=unknown", token: token})} {
			require.Equal(t, "no-cache, no-store", res.header.Get("Cache-Control"))
			require.Equal(t, "no-cache", res.header.Get("Pragma"))
			require.Equal(t, "Thu, 01 Jan 1970 00:00:00 GMT", res.header.Get("Expires"))
		}
		c.delete()
	})

	t.Run("C61 binary bodies are intact", func(t *testing.T) {
		c := f.openPoll(token)
		require.Equal(t, 200, c.post(messagePackHandshake).status)
		c.wantData("{}\x1e")
		bytes := make([]byte, 256)
		for i := range bytes {
			bytes[i] = byte(i)
		}
		f.live(c.n.ConnectionID).Send(bytes)
		c.wantData(string(bytes))
		invocation, err := hubprotocol.AppendInvocation(nil, hubprotocol.MessagePack, "", "bin\x00ary", append([]byte{0x91, 0xc5, 0x01, 0x00}, bytes...))
		require.NoError(t, err)
		require.Equal(t, 200, c.post(string(invocation)).status)
		f.waitFor(t, "bin\x00ary")
		c.delete()
	})

	t.Run("another user's token gets 403", func(t *testing.T) {
		c := f.openPoll(token)
		thief := &pollClient{f, c.n, f.user("v")}
		for _, res := range []response{thief.poll(), thief.post(jsonHandshake), thief.delete()} {
			require.Equal(t, 403, res.status)
		}
		c.shake()
		c.delete()
	})

	t.Run("SSE on a long-polling connection", func(t *testing.T) {
		c := f.openPoll(token)
		r := c.get()
		r.header = map[string]string{"Accept": "text/event-stream"}
		res := f.do(r)
		require.Equal(t, 400, res.status)
		require.Equal(t, "Cannot change transports mid-connection", res.body)
		c.delete()
	})

	t.Run("D5 POST before the first poll is kept", func(t *testing.T) {
		c := &pollClient{f, f.negotiateVersion(token, ""), token}
		require.Equal(t, 200, c.post(jsonHandshake).status)
		require.Equal(t, 413, c.post(strings.Repeat("x", 1<<20)).status, "one limit for all that waits")
		require.Empty(t, c.poll().body)
		c.wantData("{}\x1e")
		c.delete()
	})
}

// waitQueued waits until a connection has n deliveries waiting.
func (f *fixture) waitQueued(_ string, n uint64) {
	f.t.Helper()
	for end := deadline(); ; {
		if hubs := f.gw.Stats().Hubs; len(hubs) > 0 && hubs[0].Queued >= n {
			return
		}
		require.True(f.t, time.Now().Before(end))
	}
}

// hold starts a poll and waits until the server holds it.
func (c *pollClient) hold() <-chan response {
	c.f.t.Helper()
	l := c.f.live(c.n.ConnectionID).Transport().(*longPoll)
	newest := l.polls.Newest
	before := newest() // held, or answered and about to leave
	answered := c.f.async(c.get())
	for end := deadline(); ; {
		if now := newest(); now != nil && now != before {
			return answered
		}
		require.True(c.f.t, time.Now().Before(end))
	}
}

func TestOverlappingPolls(t *testing.T) {
	t.Run("C56 the older of two polls gets 204, nothing is lost or doubled", func(t *testing.T) {
		f := newFixture(t)
		c := f.openPoll(f.user("u"))
		c.shake()
		older := c.hold()
		newer := f.async(c.get())
		require.Equal(t, 204, (<-older).status)
		f.send("x")
		require.Equal(t, messageRecord("x"), (<-newer).body)
		c.delete()
	})

	t.Run("C56 under load", func(t *testing.T) {
		f := newFixture(t)
		c := f.openPoll(f.user("u"))
		c.shake()
		const messages = 300
		var (
			mu   sync.Mutex
			seen = make(map[string]int)
			wg   sync.WaitGroup
		)
		done := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					res := c.poll()
					mu.Lock()
					for record := range strings.SplitSeq(strings.TrimSuffix(res.body, "\x1e"), "\x1e") {
						if seen[record]++; len(seen) > messages && record != "" {
							break
						}
					}
					received := len(seen)
					if _, empty := seen[""]; empty {
						received--
					}
					if received == messages {
						select {
						case <-done:
						default:
							close(done)
							c.delete()
						}
					}
					mu.Unlock()
				}
			})
		}
		for i := range messages {
			f.send(fmt.Sprint("m", i))
		}
		wg.Wait()
		for i := range messages {
			require.Equal(t, 1, seen[strings.TrimSuffix(messageRecord(fmt.Sprint("m", i)), "\x1e")], i)
		}
	})
}

func TestPostsAreSerialised(t *testing.T) {
	t.Run("C45 requests that overlap are fed in the order they came", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			c.shake()
			body, feed := io.Pipe()
			first := f.async(request{method: "POST", query: c.n.query(), token: c.token, reader: body})
			_, err := feed.Write([]byte(`{"type":1,"target":"first",`))
			require.NoError(t, err)
			synctest.Wait()
			second := f.async(request{method: "POST", query: c.n.query(), token: c.token, body: `{"type":1,"target":"second","arguments":[]}` + "\x1e"})
			synctest.Wait()
			require.Empty(t, second)
			_, err = feed.Write([]byte(`"arguments":[]}` + "\x1e"))
			require.NoError(t, err)
			require.NoError(t, feed.Close())
			require.Equal(t, 200, (<-first).status)
			require.Equal(t, 200, (<-second).status)
			id := c.n.ConnectionID
			require.Equal(t, []string{"opened " + id, "record " + id + " first", "record " + id + " second"}, f.backend.Events())
			c.delete()
		})
	})
}
