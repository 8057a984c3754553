package clientaspnet

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// inBubble runs a test whose clock is its own.
func inBubble(t *testing.T, name string, test func(t *testing.T, f *fixture), change ...func(*fixture, *Options)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newPipeFixture(t, change...)) })
	})
}

// about is a time that the sweeper, who comes once a second, may be late for.
func about(t *testing.T, want, got time.Duration) {
	t.Helper()
	require.InDelta(t, want.Seconds(), got.Seconds(), 1.1)
}

func TestKeepAlive(t *testing.T) {
	inBubble(t, "C109 by WebSocket", func(t *testing.T, f *fixture) {
		_, ws := f.connected("u")
		// Clients warn of a slow connection after 13.3 s.
		for range 12 {
			began := time.Now()
			require.Equal(t, "{}", ws.next())
			require.LessOrEqual(t, time.Since(began), 11*time.Second)
		}
		f.broadcast("a")
		ws.want("a")
	})

	inBubble(t, "C109 by WebSocket, while its peer is asked for a sign of life", func(t *testing.T, f *fixture) {
		_, ws := f.connected("u")
		asked := 0
		ws.SetPingHandler(func(string) error { asked++; return ws.WriteControl(10, nil, time.Now().Add(time.Second)) })
		// The keep-alives are then at another time than the question.
		time.Sleep(5 * time.Second)
		f.broadcast("a")
		ws.want("a")
		for range 12 {
			began := time.Now()
			require.Equal(t, "{}", ws.next())
			require.LessOrEqual(t, time.Since(began), 11*time.Second)
		}
		require.Positive(t, asked)
	})

	inBubble(t, "C109 by event stream", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		s := c.events("connect", "")
		s.wantInit()
		began := time.Now()
		for i := range 7 {
			require.Equal(t, "{}", s.next())
			about(t, time.Duration(i+1)*10*time.Second, time.Since(began))
		}
		f.broadcast("a")
		s.want("a")
	})

	inBubble(t, "C109 by poll: a space before the answer", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		began := time.Now()
		res, err := f.begin(t.Context(), c.request("POST", "poll", "longPolling", "", "messageId=0"))
		require.NoError(t, err)
		defer res.Body.Close()
		one := make([]byte, 1)
		for i := range 7 {
			_, err := io.ReadFull(res.Body, one)
			require.NoError(t, err)
			require.Equal(t, " ", string(one))
			require.Equal(t, time.Duration(i+1)*10*time.Second, time.Since(began))
		}
		f.broadcast("a")
		rest, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, `[`+message("a")+`]`, messages(t, string(rest)))
	})

	inBubble(t, "the period is asked for anew", func(t *testing.T, f *fixture) {
		_, ws := f.connected("u")
		f.change(func(l *Limits) { l.KeepAlive = 3 * time.Second })
		began := time.Now()
		ws.next()
		about(t, 3*time.Second, time.Since(began))
	})
}

func TestPollClocks(t *testing.T) {
	inBubble(t, "C110 a poll without data ends after 110 s", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		f.broadcast("a")
		c.saw(c.do("POST", "poll", "longPolling", "", "messageId=0").body)
		last := c.cursor
		for range 3 {
			began := time.Now()
			res := c.do("POST", "poll", "longPolling", "", "messageId="+last)
			require.Equal(t, 110*time.Second, time.Since(began))
			require.JSONEq(t, `{"C":"`+last+`","M":[]}`, res.body)
		}
		require.Empty(t, mustTold(f, "closed"))
	})

	inBubble(t, "a client that stops polling has the disconnect window", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		time.Sleep(29 * time.Second)
		held := f.async(c.request("POST", "poll", "longPolling", "", "messageId=0"))
		time.Sleep(100 * time.Second)
		require.Empty(t, mustTold(f, "closed"))
		<-held
		began := time.Now()
		f.wait("closed "+c.ConnectionID+" DisconnectTimeout", 1)
		about(t, 30*time.Second, time.Since(began))
	})

	inBubble(t, "a poll whose client has gone takes nothing", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		ctx, cancel := context.WithCancel(t.Context())
		gone := f.asyncUntil(ctx, c.request("POST", "poll", "longPolling", "", "messageId=0"))
		synctest.Wait()
		cancel()
		<-gone
		synctest.Wait()
		f.broadcast("a")
		require.Equal(t, `[`+message("a")+`]`, messages(t, c.do("POST", "poll", "longPolling", "", "messageId=0").body))
	})
}

func TestJoinedFrames(t *testing.T) {
	inBubble(t, "C105 frames that wait are joined, answers to calls come alone", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		f.broadcast("a")
		f.broadcast("b")
		f.answer(c.ConnectionID, `{"I":"0","R":1}`)
		f.answer(c.ConnectionID, `{"I":"1","R":2}`)
		f.broadcast("c")
		synctest.Wait()
		var got []string
		for range 4 {
			res := c.do("POST", "poll", "longPolling", "", "messageId="+url.QueryEscape(c.cursor))
			require.Equal(t, 200, res.status)
			c.saw(res.body)
			if m := messages(t, res.body); m != "" {
				res.body = m
			}
			got = append(got, res.body)
		}
		require.Equal(t, []string{`[` + message("a") + `,` + message("b") + `]`, `{"I":"0","R":1}`, `{"I":"1","R":2}`, `[` + message("c") + `]`}, got)
	})
}

func TestHalfABatch(t *testing.T) {
	inBubble(t, "a connection that ends with half of a batch answered", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		f.broadcast("a")
		f.answer(c.ConnectionID, `{"I":"0","R":1}`)
		synctest.Wait()
		res := c.do("POST", "poll", "longPolling", "", "messageId=0")
		c.saw(res.body)
		require.Equal(t, `[`+message("a")+`]`, messages(t, res.body))
		l := f.live(c.ConnectionID).Transport().(*pollTransport)
		synctest.Wait() // the poll has left
		var taken bool
		l.polls.IfNone(func() { taken = l.taken })
		require.True(t, taken, "the answer to the call was taken with it")
		f.wait("closed "+c.ConnectionID+" DisconnectTimeout", 1) // and the books balance
	})

	inBubble(t, "a client that comes back with half of a batch answered", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		f.broadcast("a")
		f.answer(c.ConnectionID, `{"I":"0","R":1}`)
		f.broadcast("b")
		synctest.Wait()
		c.saw(c.do("POST", "poll", "longPolling", "", "messageId=0").body)
		ws := c.dial("reconnect", c.cursorItem())
		require.Equal(t, `{"I":"0","R":1}`, ws.next())
		ws.want("b")
	})
}

func mustTold(f *fixture, text string) []string {
	events, _ := f.app.told(text)
	return events
}

func TestNegotiatedTokenExpires(t *testing.T) {
	inBubble(t, "after 30 s nothing can be made of it", func(t *testing.T, f *fixture) {
		c, late := f.negotiate(f.user("u")), f.negotiate(f.user("u"))
		time.Sleep(30 * time.Second)
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		time.Sleep(2 * time.Second)
		require.Equal(t, 404, late.do("POST", "connect", "longPolling", "", "").status)
	})
}

func TestSlowClients(t *testing.T) {
	inBubble(t, "a message that takes too long", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		_, err := ws.NetConn().Write([]byte{0x01, 0x84, 0, 0, 0, 0, '{', '"', 'H', '"'})
		require.NoError(t, err)
		for {
			if text := ws.next(); text != "{}" {
				require.Equal(t, "A message took too long to arrive.", parse[struct{ E string }](t, text).E)
				break
			}
		}
		f.wait("closed "+c.ConnectionID+" BadRequest", 1)
	}, func(f *fixture, _ *Options) { f.limits.MessageBytes = 4096 })

	inBubble(t, "a body that takes too long", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		c.events("connect", "").wantInit()
		body, w := io.Pipe()
		defer w.Close()
		r := c.request("POST", "send", "serverSentEvents", "", "")
		r.reader = body
		began := time.Now()
		res := f.do(r)
		require.Equal(t, http.StatusRequestTimeout, res.status)
		about(t, 15*time.Second, time.Since(began))
	})

	inBubble(t, "a WebSocket that takes no byte is lost, and the client may come back", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u") // reads nothing from here on
		_ = ws
		f.broadcast("a")
		time.Sleep(12 * time.Second)
		again := c.dial("reconnect", "&messageId=0")
		require.Contains(t, again.next(), message("a"))
		require.Empty(t, mustTold(f, "closed"))
		require.Len(t, mustTold(f, "returned"), 1)
	})
}

func TestUnfinishedMessages(t *testing.T) {
	inBubble(t, "they have a bound together", func(t *testing.T, f *fixture) {
		for range 2 {
			_, ws := f.connected("u")
			_, err := ws.NetConn().Write(append([]byte{0x01, 0xfe, 0x23, 0x28, 0, 0, 0, 0}, make([]byte, 9000)...))
			require.NoError(t, err)
			go func() { _, _, _ = ws.ReadMessage() }()
		}
		f.wait("Throttled", 1)
		require.Len(t, mustTold(f, "closed"), 1)
		c, small := f.connected("u")
		write := func(b ...byte) {
			_, err := small.NetConn().Write(b)
			require.NoError(t, err)
		}
		write(append([]byte{0x01, 0xfe, 0x1f, 0x40, 0, 0, 0, 0}, make([]byte, 6500)...)...) // over the bound, with the larger one
		f.wait("Throttled", 2)
		synctest.Wait()
		require.Empty(t, mustTold(f, "closed "+c.ConnectionID), "the largest is given up")
	}, func(f *fixture, _ *Options) { f.limits.MessageBytes, f.core.UnfinishedBytes = 10_000, 15_000 })
}

func TestDraining(t *testing.T) {
	inBubble(t, "C120 who polls is asked to connect again, others see the end of their transport", func(t *testing.T, f *fixture) {
		token := f.user("u")
		_, ws := f.connected("u")
		s := f.negotiate(token).events("connect", "")
		s.wantInit()
		c := f.negotiate(token)
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		held := f.async(c.request("POST", "poll", "longPolling", "", "messageId=0"))
		synctest.Wait()
		drained := make(chan error, 1)
		go func() { drained <- f.gw.Drain(context.Background()) }()
		require.JSONEq(t, `{"C":"0","T":1,"M":[]}`, (<-held).body)
		ws.wantClose(1000)
		s.wantEnd()
		require.NoError(t, <-drained)
		require.Equal(t, 503, f.do(request{path: "negotiate", token: token}).status)
		require.Equal(t, goneText, parse[struct{ E string }](t, c.do("POST", "reconnect", "longPolling", "&messageId=0", "").body).E)
		require.EqualValues(t, 3, f.gw.Stats().Closed[gateway.CloseServiceReload])
	})
}
