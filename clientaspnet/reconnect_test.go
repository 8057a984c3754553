package clientaspnet

import (
	"context"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

func (c *testClient) cursorItem() string { return "&messageId=" + url.QueryEscape(c.cursor) }

// transports of a test, by the names that clients give them.
type anyTransport interface {
	want(text string)
	cut()
}

// open brings a transport by connect or reconnect. For polls nothing waits between requests.
func (c *testClient) open(way, command string) anyTransport {
	c.t.Helper()
	more := ""
	if command == "reconnect" {
		more = c.cursorItem()
	}
	switch way {
	case "webSockets":
		ws := c.dial(command, more)
		if command == "connect" {
			ws.wantInit()
		}
		return ws
	case "serverSentEvents":
		s := c.events(command, more)
		if command == "connect" {
			s.wantInit()
		}
		return s
	}
	res := c.do("POST", command, way, more, "")
	require.Equal(c.t, 200, res.status, res.body)
	c.saw(res.body)
	p := &polls{c: c}
	if command == "connect" {
		require.Equal(c.t, `{"C":"0","S":1,"M":[]}`, res.body)
	} else {
		p.add(res.body)
	}
	return p
}

// polls is a client's longPolling with expectations.
type polls struct {
	c    *testClient
	have []string
}

func (p *polls) add(frame string) {
	for _, m := range parse[struct{ M []struct{ A []string } }](p.c.t, frame).M {
		p.have = append(p.have, m.A...)
	}
}

func (p *polls) want(text string) {
	p.c.t.Helper()
	for len(p.have) == 0 {
		res := p.c.do("POST", "poll", "longPolling", "", "messageId="+url.QueryEscape(p.c.cursor))
		require.Equal(p.c.t, 200, res.status)
		p.c.saw(res.body)
		p.add(res.body)
	}
	require.Equal(p.c.t, text, p.have[0])
	p.have = p.have[1:]
}

func (p *polls) cut() {}

var ways = []string{"webSockets", "serverSentEvents", "longPolling"}

// A connection survives its transport: whatever the client had and comes back with, it misses nothing,
// gets nothing twice, and the application is told once.
func TestReconnect(t *testing.T) {
	for _, from := range ways {
		for _, to := range ways {
			inBubble(t, "C111 from "+from+" to "+to, func(t *testing.T, f *fixture) {
				c := f.negotiate(f.user("u"))
				one := c.open(from, "connect")
				f.broadcast("a")
				one.want("a")
				one.cut()
				synctest.Wait()
				f.broadcast("b")
				f.broadcast("c")
				time.Sleep(20 * time.Second)
				two := c.open(to, "reconnect")
				two.want("b")
				two.want("c")
				f.broadcast("d")
				two.want("d")
				synctest.Wait()
				require.Equal(t, []string{"opened " + c.ConnectionID, "returned " + c.ConnectionID}, mustTold(f, c.ConnectionID))
				require.Equal(t, 200, c.say(to, call0).status)
				require.Len(t, mustTold(f, "call "+c.ConnectionID+" "+call0), 1)
				require.Equal(t, 200, c.do("POST", "abort", to, "", "").status)
				f.wait("closed "+c.ConnectionID+" Normal", 1)
			})
		}
	}

	inBubble(t, "C111 memberships stay", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		_, err := f.gw.Do(t.Context(), &gateway.Command{Hub: testHub, Verb: gateway.VerbJoin, Group: "g:hg-Chat.room",
			Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{c.ConnectionID}}})
		require.NoError(t, err)
		ws.cut()
		synctest.Wait()
		again := c.dial("reconnect", c.cursorItem())
		_, err = f.gw.Do(t.Context(), &gateway.Command{Hub: testHub, Verb: gateway.VerbSend,
			Target: gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g:hg-Chat.room"}}, Frames: f.frames(`{"C":"0","M":[` + message("a") + `]}`)})
		require.NoError(t, err)
		again.want("a")
	})

	inBubble(t, "C111 while the old transport is still there", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		again := c.dial("reconnect", c.cursorItem())
		_, _, err := ws.ReadMessage()
		require.Error(t, err, "it is ended")
		f.broadcast("a")
		again.want("a")
		require.Empty(t, mustTold(f, "closed"))
	})

	inBubble(t, "C111 what was written and not read comes again", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		f.broadcast("a")
		ws.want("a")
		cursor := c.cursorItem()
		f.broadcast("b")
		ws.want("b") // says the test; the client comes back without it
		ws.cut()
		c.dial("reconnect", cursor).want("b")
	})

	inBubble(t, "C111 a client that said goodbye may come back", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		require.NoError(t, ws.WriteControl(8, nil, time.Now().Add(time.Minute)))
		ws.wantClose(1000)
		synctest.Wait()
		require.Empty(t, mustTold(f, "closed"))
		f.broadcast("a")
		c.dial("reconnect", c.cursorItem()).want("a")
	})

	inBubble(t, "C111 the window ends", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		ws.cut()
		began := time.Now()
		f.wait("closed "+c.ConnectionID+" DisconnectTimeout", 1)
		about(t, 30*time.Second, time.Since(began))
		c.dial("reconnect", c.cursorItem()).wantError(goneText)
	})

	inBubble(t, "C112 an abort while the client is away", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		ws.cut()
		synctest.Wait()
		require.Equal(t, 200, c.do("POST", "abort", "webSockets", "", "").status)
		f.wait("closed "+c.ConnectionID+" Normal", 1)
		c.dial("reconnect", c.cursorItem()).wantError(goneText)
	})

	inBubble(t, "C116 messages that are kept no more", func(t *testing.T, f *fixture) {
		c, ws := f.connected("u")
		f.broadcast("first")
		ws.want("first")
		cursor := c.cursorItem()
		for range 500 {
			f.broadcast("x")
			ws.want("x")
		}
		ws.cut()
		synctest.Wait()
		c.dial("reconnect", cursor).wantError(missedText)
		f.wait("closed "+c.ConnectionID+" MissedMessages", 1)
	})
}

// A client without a connection is let in and told, because it would try again if it was refused.
func TestReconnectOfNothing(t *testing.T) {
	f := newFixture(t)
	forged := func() *testClient {
		c := f.negotiate(f.user("u"))
		c.ConnectionToken = "AAAA" + c.ConnectionToken[4:]
		return c
	}
	unknown := func() *testClient { return f.negotiate(f.user("u")) }
	ended := func() *testClient {
		c, ws := f.connected("u")
		require.Equal(t, 200, c.do("POST", "abort", "webSockets", "", "").status)
		ws.wantClose(1000)
		f.wait("closed "+c.ConnectionID, 1)
		return c
	}
	for name, make := range map[string]func() *testClient{"forged": forged, "unknown": unknown, "ended": ended} {
		t.Run("C116 "+name, func(t *testing.T) {
			c := make()
			c.dial("reconnect", "&messageId=0").wantError(goneText)
			s := c.events("reconnect", "&messageId=0")
			require.Equal(t, `{"C":"0","E":"`+goneText+`","M":[]}`, s.next())
			s.wantEnd()
			res := c.do("POST", "reconnect", "longPolling", "", "messageId=0")
			require.Equal(t, 200, res.status)
			require.Equal(t, `{"C":"0","E":"`+goneText+`","M":[]}`, res.body)
			require.Empty(t, mustTold(f, "returned"))
		})
	}
}

// A connection outlives its token. A client that comes back for one that is no more has no better token, and
// would try again for half a minute if it was refused.
func TestReconnectOfNothingWithAnOldToken(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(_ *fixture, o *Options) {
		o.Verifier = auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{testKey} }, Now: func() time.Time { return now }})
	})
	c := f.negotiate(f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Minute}))
	now = now.Add(time.Hour)
	c.dial("reconnect", "&messageId=0").wantError(goneText)
	s := c.events("reconnect", "&messageId=0")
	require.Equal(t, goneText, parse[struct{ E string }](t, s.next()).E)
	s.wantEnd()
	require.Equal(t, goneText, parse[struct{ E string }](t, c.do("POST", "reconnect", "longPolling", "", "messageId=0").body).E)
	require.EqualValues(t, 3, f.h.Refused()[transport.Refusal(auth.TokenExpired)])
	require.Equal(t, 401, c.do("POST", "poll", "longPolling", "", "messageId=0").status)
	require.Equal(t, 401, c.do("POST", "connect", "longPolling", "", "").status)
	require.Equal(t, 400, c.do("POST", "reconnect", "carrierPigeons", "", "").status)
	c.token += "x"
	require.Equal(t, 401, c.do("POST", "reconnect", "longPolling", "", "").status, "the signature")
	known, ended := f.gw.Lookup(c.ConnectionID)
	require.Nil(t, known)
	require.False(t, ended)
}

// A client that hears nothing on one transport tries the next one, with the same connection token.
func TestFallback(t *testing.T) {
	for _, from := range ways[:2] {
		for _, to := range ways {
			inBubble(t, "C106 from "+from+" to "+to, func(t *testing.T, f *fixture) {
				c := f.negotiate(f.user("u"))
				c.open(from, "connect")
				f.broadcast("a")
				time.Sleep(5 * time.Second)
				next := c.open(to, "connect")
				c.start(to)
				next.want("a")
				f.broadcast("b")
				next.want("b")
				synctest.Wait()
				require.Equal(t, []string{"opened " + c.ConnectionID}, mustTold(f, c.ConnectionID), "one OpenConnection, no reconnect")
				require.Equal(t, map[string]int{gatewayName[from]: 1}, f.counts.opened)
			})
		}
	}

	inBubble(t, "C106 with the first transport lost", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		c.open("webSockets", "connect").cut()
		synctest.Wait()
		c.open("longPolling", "connect")
		require.Equal(t, []string{"opened " + c.ConnectionID}, mustTold(f, c.ConnectionID))
	})

	inBubble(t, "an upgrade that never reaches us", func(t *testing.T, f *fixture) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 400, c.do("GET", "connect", "webSockets", "", "").status)
		c.open("serverSentEvents", "connect")
	})
}

var gatewayName = map[string]string{"webSockets": gateway.WebSockets, "serverSentEvents": gateway.ServerSentEvents, "longPolling": gateway.LongPolling}

// A poll that a client has given up may come late, and take what the client needs. The client says by its
// cursor that it has not had it.
func TestLostAnswers(t *testing.T) {
	connect := func(t *testing.T, f *fixture) (*testClient, request) {
		c := f.negotiate(f.user("u"))
		c.open("longPolling", "connect")
		return c, c.request("POST", "poll", "longPolling", "", "messageId=0")
	}

	inBubble(t, "C111 what went to another poll comes again", func(t *testing.T, f *fixture) {
		c, poll := connect(t, f)
		lost := f.async(poll)
		f.broadcast("a")
		require.Contains(t, (<-lost).body, message("a"))
		f.broadcast("b")
		began := time.Now()
		res := f.do(poll)
		require.Less(t, time.Since(began), time.Second)
		c.saw(res.body)
		require.Equal(t, []string{"a", "b"}, texts(t, res.body))
		f.broadcast("c")
		c.open("webSockets", "reconnect").want("c")
		require.Len(t, mustTold(f, "returned"), 1, "not by polling")
	})

	inBubble(t, "C108 an empty answer does not take the client behind what it has not had", func(t *testing.T, f *fixture) {
		_, poll := connect(t, f)
		f.broadcast("a")
		<-f.async(poll)
		one := f.async(poll)
		for range 3 {
			other := f.async(poll)
			// A poll may be cut while it is answered, when another one begins anew.
			if res := <-one; res.status == 200 && len(texts(t, res.body)) == 0 {
				require.Equal(t, "0", parse[struct{ C string }](t, res.body).C)
			}
			one = other
		}
		<-one
		require.Equal(t, []string{"a"}, texts(t, f.do(poll).body))
	})

	inBubble(t, "a poll that was given up while it waits for its end changes nothing", func(t *testing.T, f *fixture) {
		c, poll := connect(t, f)
		f.broadcast("a")
		c.saw(f.do(poll).body)
		before := f.live(c.ConnectionID).Transport()
		ctx, cancel := context.WithCancel(t.Context())
		late := f.asyncUntil(ctx, poll)
		synctest.Wait()
		cancel()
		<-late
		time.Sleep(time.Second)
		require.Same(t, before, f.live(c.ConnectionID).Transport())
	})
}
