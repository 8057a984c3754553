package clientaspnet

import (
	"errors"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

const call0 = `{"H":"chat","M":"hello","A":["x",1],"I":0}`

func TestWebSocket(t *testing.T) {
	f := newFixture(t)

	t.Run("C103 the first frame", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		ws := c.dial("connect", "")
		ws.wantInit()
		c.start("webSockets")
		require.Equal(t, []string{"opened " + c.ConnectionID}, f.wait(c.ConnectionID, 1))
	})

	t.Run("C107 C118 calls and answers pass as they are", func(t *testing.T) {
		c, ws := f.connected("u")
		call := `{"H":"chat","M":"hello","A":["ä",{"b":[1.50]}],"I":7,"S":{"name":"x"}}`
		ws.say(call)
		require.Equal(t, "call "+c.ConnectionID+" "+call, f.wait("call "+c.ConnectionID, 1)[0])
		for _, answer := range []string{
			`{"I":"7","R":1.50,"S":{"name":"y"}}`, `{"I":"P|7","P":{"I":"7","D":0}}`, `{"I":"7","E":"text","H":true,"D":{"a":1}}`,
		} {
			f.answer(c.ConnectionID, answer)
			require.Equal(t, answer, ws.next())
		}
	})

	t.Run("C108 C115 each frame is a message of its own, with a cursor", func(t *testing.T) {
		_, ws := f.connected("u")
		f.broadcast("a")
		f.broadcast("b")
		ws.want("a")
		first := ws.c.cursor
		ws.want("b")
		require.NotEqual(t, first, ws.c.cursor)
	})

	t.Run("all clients get the same bytes", func(t *testing.T) {
		_, one := f.connected("u")
		_, other := f.connected("v")
		f.broadcast("a")
		require.Equal(t, one.next(), other.next())
	})

	t.Run("a message in pieces", func(t *testing.T) {
		c, ws := f.connected("u")
		w, err := ws.NextWriter(1)
		require.NoError(t, err)
		for i := range len(call0) {
			_, err := w.Write([]byte(call0[i : i+1]))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		f.wait("call "+c.ConnectionID+" "+call0, 1)
		require.NoError(t, ws.WriteMessage(1, []byte(strings.Replace(call0, "x", strings.Repeat("x", 100_000), 1))))
		f.wait("call "+c.ConnectionID, 2)
	})
}

func TestEvents(t *testing.T) {
	f := newFixture(t)

	t.Run("C104 the first frame", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		s := c.events("connect", "")
		require.Equal(t, "text/event-stream", s.header.Get("Content-Type"))
		s.wantInit()
		c.start("serverSentEvents")
	})

	t.Run("C107 C115 C118 each frame is an event", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		s := c.events("connect", "")
		s.wantInit()
		res := c.say("serverSentEvents", call0)
		require.Equal(t, 200, res.status)
		require.Empty(t, res.body)
		f.wait("call "+c.ConnectionID+" "+call0, 1)
		f.answer(c.ConnectionID, `{"I":"0","R":"line\nend"}`)
		require.Equal(t, `{"I":"0","R":"line\nend"}`, s.next())
		f.broadcast("a")
		f.broadcast("b")
		s.want("a")
		s.want("b")
	})

	t.Run("line ends between the tokens of a frame end no line", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		s := c.events("connect", "")
		s.wantInit()
		f.broadcastFrame("{\"C\":\"0\",\r\n\"M\":[\r" + message("a") + "\n]}")
		require.JSONEq(t, `[`+message("a")+`]`, messages(t, s.next()))
	})
}

func TestPolling(t *testing.T) {
	f := newFixture(t)
	connect := func(t *testing.T) *testClient {
		c := f.negotiate(f.user("u"))
		res := c.do("POST", "connect", "longPolling", "", "")
		require.Equal(t, 200, res.status, res.body)
		require.Equal(t, `{"C":"0","S":1,"M":[]}`, res.body)
		require.Equal(t, "application/json; charset=UTF-8", res.header.Get("Content-Type"))
		c.saw(res.body)
		return c
	}
	poll := func(c *testClient) <-chan response {
		return f.async(c.request("POST", "poll", "longPolling", "", "messageId="+url.QueryEscape(c.cursor)))
	}

	t.Run("C105 C106 the first frame at once, start while a poll is held", func(t *testing.T) {
		c := connect(t)
		held := poll(c)
		c.start("longPolling")
		f.broadcast("a")
		res := <-held
		c.saw(res.body)
		require.Equal(t, `[`+message("a")+`]`, messages(t, res.body))
	})

	t.Run("the newer of two polls wins", func(t *testing.T) {
		c := connect(t)
		l := f.live(c.ConnectionID).Transport().(*pollTransport)
		for l.held() != nil { // the first request has been answered, and soon ends
			runtime.Gosched()
		}
		older := poll(c)
		for l.held() == nil {
			runtime.Gosched()
		}
		newer := poll(c)
		res := <-older
		require.Equal(t, 200, res.status)
		require.Equal(t, "[]", messages(t, res.body))
		f.broadcast("a")
		require.Equal(t, `[`+message("a")+`]`, messages(t, (<-newer).body))
	})

	t.Run("polls at once: each that polls behind its cursor gets everything, in order", func(t *testing.T) {
		c := connect(t)
		const polls, messages = 3, 30
		var wg sync.WaitGroup
		for range polls {
			wg.Go(func() {
				mine := *c
				for next := 0; next < messages; {
					res := <-f.async(mine.request("POST", "poll", "longPolling", "", "messageId="+url.QueryEscape(mine.cursor)))
					if res.status != 200 {
						continue // another poll has cut it while it was answered
					}
					mine.saw(res.body)
					for _, text := range texts(t, res.body) {
						if text != strconv.Itoa(next) {
							t.Errorf("%s instead of %d", text, next)
							return
						}
						next++
					}
				}
			})
		}
		for i := range messages {
			f.broadcast(strconv.Itoa(i))
		}
		wg.Wait()
		require.Equal(t, []string{"opened " + c.ConnectionID}, mustTold(f, c.ConnectionID), "to the application it was never away")
	})

	t.Run("a poll of another transport's connection", func(t *testing.T) {
		c, _ := f.connected("u")
		require.Equal(t, 400, c.do("POST", "poll", "longPolling", "", "").status)
	})
}

// held is the poll that is held, for tests.
func (l *pollTransport) held() *transport.Poll { return l.polls.Newest() }

// What the application is told of a client is what it needs to let its SDK handle it.
func TestIdentity(t *testing.T) {
	f := newFixture(t)
	token := f.token(auth.ClientTokenSpec{UserID: "u", Claims: []auth.Claim{{Type: "role", Value: "admin"}}})
	c := f.negotiate(token)
	conn, res := f.tryDial("connect", c.query("webSockets", "&&room=2&ACCESS_TOKEN=x")+"&access_token="+token+"&tid=3",
		map[string][]string{"X-Custom": {"1"}, "Cookie": {"secret"}})
	require.NotNil(t, conn, res.body)
	(&wsClient{conn, t, c}).wantInit()
	id := f.live(c.ConnectionID).Identity()
	require.Equal(t, testHub, id.Hub)
	require.Equal(t, testApp, id.HubName)
	require.Equal(t, "u", id.User)
	require.Equal(t, "127.0.0.1", id.RemoteAddr)
	require.Equal(t, "transport=webSockets&clientProtocol=2.1&asrs_request_id=a%2Bb&room=1&connectionToken="+c.ConnectionID+"&"+chatHub+"&room=2&tid=3", id.Query)
	require.Contains(t, id.Claims, gateway.Claim{Type: "role", Value: "admin"})
	require.Contains(t, id.TokenClaims, gateway.Claim{Type: "asrs.s.apn", Value: testApp})
	require.Contains(t, id.Headers, gateway.Header{Name: "X-Custom", Value: "1"})
	for _, h := range id.Headers {
		require.NotContains(t, []string{"Cookie", "Authorization", "Upgrade"}, h.Name)
	}
	require.Equal(t, map[string]int{gateway.WebSockets: 1}, f.counts.opened)
}

func TestProtocolErrors(t *testing.T) {
	f := newFixture(t)
	c := f.negotiate(f.user("u"))
	stranger := f.negotiateWith(c, f.user("v"))
	elsewhere := f.negotiateWith(c, f.token(auth.ClientTokenSpec{UserID: "u", Application: "Other.App"}))
	forged := *c
	forged.ConnectionToken = c.ConnectionToken[:20] + "AAAA" + c.ConnectionToken[24:]
	missing := *c
	missing.ConnectionToken = ""

	t.Run("C117 texts of the self-hosted server", func(t *testing.T) {
		for _, command := range []string{"connect", "reconnect", "start", "send", "poll", "abort"} {
			for name, row := range map[string]struct {
				c         *testClient
				transport string
				text      string
				status    int
				reason    transport.Refusal
			}{
				"unknown transport":   {c, "carrierPigeons", "Protocol error: Unknown transport.", 400, transport.RefusedUnknownWay},
				"foreverFrame":        {c, "foreverFrame", "Protocol error: Unknown transport.", 400, transport.RefusedUnknownWay},
				"no transport":        {c, "", "Protocol error: Unknown transport.", 400, transport.RefusedUnknownWay},
				"no token":            {&missing, "longPolling", "Protocol error: Missing connection token.", 400, transport.RefusedNoID},
				"unreadable":          {&forged, "longPolling", "The ConnectionId is in the incorrect format.", 400, transport.RefusedToken},
				"another user":        {stranger, "longPolling", "Unrecognized user identity.", 403, transport.RefusedUser},
				"another application": {elsewhere, "longPolling", "Unrecognized user identity.", 403, transport.RefusedUser},
			} {
				if command == "reconnect" && row.reason == transport.RefusedToken {
					continue // a frame says so
				}
				before := f.h.Refused()[row.reason]
				res := row.c.do("POST", command, row.transport, "", "")
				require.Equal(t, row.status, res.status, "%s %s", command, name)
				require.True(t, strings.HasPrefix(res.body, row.text), "%s %s: %s", command, name, res.body)
				require.Equal(t, before+1, f.h.Refused()[row.reason])
			}
		}
		res := c.do("GET", "connect", "webSockets", "", "")
		require.Equal(t, 400, res.status)
		require.Equal(t, "Not a valid web socket request.", res.body)
		require.Equal(t, 400, c.do("GET", "connect", "longPolling", "&callback=x", "").status, "JSONP")
	})

	t.Run("the connection is nobody else's", func(t *testing.T) {
		mine := f.negotiate(f.user("u"))
		ws := mine.connect()
		for _, other := range []*testClient{f.negotiateWith(mine, f.user("v")), f.negotiateWith(mine, f.token(auth.ClientTokenSpec{UserID: "u", Application: "Other.App"}))} {
			for _, command := range []string{"start", "send", "poll", "abort", "reconnect", "connect"} {
				require.Equal(t, 403, other.do("POST", command, "longPolling", "", "data=%7B%7D").status, command)
			}
			_, res := f.tryDial("reconnect", other.query("webSockets", "&messageId=0")+"&access_token="+other.token, nil)
			require.Equal(t, 403, res.status)
		}
		f.broadcast("a")
		ws.want("a")
	})

	t.Run("no connection yet", func(t *testing.T) {
		fresh := f.negotiate(f.user("u"))
		require.Equal(t, 404, fresh.do("GET", "start", "webSockets", "", "").status)
		require.Equal(t, 404, fresh.say("longPolling", call0).status)
		require.Equal(t, 200, fresh.do("POST", "abort", "longPolling", "", "").status)
		require.Equal(t, goneText, parse[struct{ E string }](t, fresh.do("POST", "poll", "longPolling", "", "").body).E)
	})

	t.Run("transports that a token forbids", func(t *testing.T) {
		some := f.negotiate(f.token(auth.ClientTokenSpec{Transports: auth.TransportServerSentEvents}))
		require.Equal(t, 404, some.do("POST", "connect", "longPolling", "", "").status)
		_, res := f.tryDial("connect", some.query("webSockets", "")+"&access_token="+some.token, nil)
		require.Equal(t, 404, res.status)
		some.events("connect", "").wantInit()
	})

	t.Run("what C# sends: values in the query, a body without a content type", func(t *testing.T) {
		sharp := f.negotiate(f.user("u"))
		s := sharp.events("connect", "&noCache=1")
		s.wantInit()
		res := f.do(request{method: "POST", path: "send", query: sharp.query("serverSentEvents", ""), token: sharp.token,
			body: "data=" + url.QueryEscape(`{"H":"Chat","M":"Hello","A":[],"I":"0"}`)})
		require.Equal(t, 200, res.status)
		f.wait(`call `+sharp.ConnectionID+` {"H":"Chat","M":"Hello","A":[],"I":"0"}`, 1)
	})

	t.Run("values in the form, the query first", func(t *testing.T) {
		form := f.negotiate(f.user("u"))
		body := "transport=longPolling&connectionToken=" + url.QueryEscape(form.ConnectionToken) + "&" + chatHub
		res := f.do(request{method: "POST", path: "connect", query: "clientProtocol=2.0", token: form.token, body: body})
		require.Equal(t, 200, res.status, res.body)
		require.Equal(t, "clientProtocol=2.0&connectionToken="+form.ConnectionID+"&transport=longPolling&"+chatHub, f.live(form.ConnectionID).Identity().Query)
		res = f.do(request{method: "POST", path: "send", query: form.query("longPolling", "&data="+url.QueryEscape(call0)), token: form.token, body: "data=%7B%7D"})
		require.Equal(t, 200, res.status)
		f.wait("call "+form.ConnectionID+" "+call0, 1)
	})
}

// What is no call ends the connection that it came on, and no other.
func TestBadMessages(t *testing.T) {
	f := newFixture(t, func(f *fixture, _ *Options) { f.limits.MessageBytes, f.core.UnfinishedBytes = 10_000, 15_000 })
	_, other := f.connected("other")
	large := `{"H":"chat","M":"` + strings.Repeat("x", 20_000) + `"}`
	for name, row := range map[string]struct {
		kind          int
		message, text string
	}{
		"no JSON":                      {1, "hello", notACall},
		"empty":                        {1, "", notACall},
		"an array":                     {1, "[]", notACall},
		"no hub":                       {1, `{"M":"a"}`, notACall},
		"what the gateway itself says": {1, "asrs:reconnect", notACall},
		"deep":                         {1, `{"H":"a","M":"b","A":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, notACall},
		"binary":                       {2, call0, "Messages are text."},
		"too large":                    {1, large, "A message is too large."},
	} {
		t.Run(name, func(t *testing.T) {
			c, ws := f.connected("u")
			require.NoError(t, ws.WriteMessage(row.kind, []byte(row.message)))
			ws.wantError(row.text)
			f.wait("closed "+c.ConnectionID+" BadRequest: "+row.text, 1)
			events, _ := f.app.told("call " + c.ConnectionID)
			require.Empty(t, events)
		})
	}

	t.Run("by POST", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		s := c.events("connect", "")
		s.wantInit()
		res := c.say("serverSentEvents", "[1]")
		require.Equal(t, 400, res.status)
		require.Equal(t, notACall, res.body)
		require.Equal(t, notACall, parse[struct{ E string }](t, s.next()).E)
		s.wantEnd()
		require.EqualValues(t, 1, f.h.Refused()[transport.RefusedCall])
	})

	t.Run("the WebSocket protocol", func(t *testing.T) {
		c, ws := f.connected("u")
		_, err := ws.NetConn().Write([]byte{0x81, 0x02, 'h', 'i'}) // not masked
		require.NoError(t, err)
		require.Equal(t, "The client broke the WebSocket protocol.", parse[struct{ E string }](t, ws.next()).E)
		ws.wantClose(1002)
		f.wait("closed "+c.ConnectionID+" BadRequest", 1)
	})

	f.broadcast("a")
	other.want("a")
}

func TestRefusedByTheApplication(t *testing.T) {
	refusal := error(gateway.Cause{Reason: gateway.CloseNoAvailableServerConnection, Text: "No hub server."})
	f := newFixture(t, func(f *fixture, _ *Options) { f.app.refuse = func(*gateway.Conn) error { return refusal } })

	t.Run("C116 by WebSocket", func(t *testing.T) {
		ws := f.negotiate(f.user("u")).dial("connect", "")
		ws.wantInit() // without it a client's start() would never end
		ws.wantError("No hub server.")
	})
	t.Run("C116 by event stream", func(t *testing.T) {
		s := f.negotiate(f.user("u")).events("connect", "")
		s.wantInit()
		require.Equal(t, "No hub server.", parse[struct{ E string }](t, s.next()).E)
		s.wantEnd()
	})
	t.Run("C116 by poll", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 1, parse[struct{ S int }](t, c.do("POST", "connect", "longPolling", "", "").body).S)
		require.Equal(t, 200, c.do("GET", "start", "longPolling", "", "").status)
		require.Equal(t, "No hub server.", parse[struct{ E string }](t, c.do("POST", "poll", "longPolling", "", "").body).E)
		require.Equal(t, 200, c.do("GET", "start", "longPolling", "", "").status, "which may come behind the poll")
	})
	t.Run("C116 with another error", func(t *testing.T) {
		refusal = errors.New("'nosuch' Hub could not be resolved.")
		ws := f.negotiate(f.user("u")).dial("connect", "")
		ws.wantInit()
		ws.wantError("'nosuch' Hub could not be resolved.")
	})
}

func TestEnds(t *testing.T) {
	f := newFixture(t)

	t.Run("C116 an error stops the client", func(t *testing.T) {
		c, ws := f.connected("u")
		f.live(c.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "Go away."})
		ws.wantError("Go away.")
	})

	t.Run("C116 without a text", func(t *testing.T) {
		c, ws := f.connected("u")
		f.live(c.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
		ws.wantError("The connection was closed: ClosedByAppServer.")
	})

	t.Run("C116 the refusal that comes late waits for the next poll", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		require.Equal(t, 200, c.do("POST", "connect", "longPolling", "", "").status)
		f.broadcast("a")
		f.live(c.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "Unable to authorize request"})
		require.Equal(t, `[`+message("a")+`]`, messages(t, c.do("POST", "poll", "longPolling", "", "messageId=0").body))
		require.Equal(t, "Unable to authorize request", parse[struct{ E string }](t, c.do("POST", "poll", "longPolling", "", "messageId=0").body).E)
		f.wait("closed "+c.ConnectionID, 1)
	})

	for _, way := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		t.Run("C112 abort ends "+way, func(t *testing.T) {
			c := f.negotiate(f.user("u"))
			var end func()
			switch way {
			case "webSockets":
				ws := c.connect()
				end = func() { ws.wantClose(1000) }
			case "serverSentEvents":
				s := c.events("connect", "")
				s.wantInit()
				end = s.wantEnd
			default:
				require.Equal(t, 200, c.do("POST", "connect", way, "", "").status)
				held := f.async(c.request("POST", "poll", way, "", "messageId=0"))
				end = func() { require.Equal(t, "[]", messages(t, (<-held).body)) }
			}
			res := c.do("POST", "abort", way, "", "")
			require.Equal(t, 200, res.status)
			require.Empty(t, res.body)
			end()
			f.wait("closed "+c.ConnectionID+" Normal", 1)
			if way == "longPolling" {
				late := c.do("POST", "poll", way, "", "messageId=0")
				require.JSONEq(t, `{"C":"0","M":[]}`, late.body, "a poll that crosses the abort is no reason to complain")
			}

			require.Equal(t, 200, c.do("POST", "abort", way, "", "").status, "again")
			require.Equal(t, 404, c.say(way, call0).status)
			require.Equal(t, goneText, parse[struct{ E string }](t, c.do("POST", "reconnect", "longPolling", "&messageId=0", "").body).E)
			require.Equal(t, 404, c.do("POST", "connect", "longPolling", "", "").status)
		})
	}

	t.Run("a panic of the application", func(t *testing.T) {
		g := newFixture(t, func(f *fixture, _ *Options) {
			f.app.onCall = func(_ *gateway.Conn, text string) bool {
				if strings.Contains(text, "boom") {
					panic("the test asked for it")
				}
				return true
			}
		})
		const boom = `{"H":"chat","M":"boom","A":[]}`
		_, other := g.connected("other")
		_, ws := g.connected("u")
		ws.say(boom)
		require.Equal(t, "Internal server transient error.", parse[struct{ E string }](t, ws.next()).E)
		ws.wantClose(1011)
		c := g.negotiate(g.user("u"))
		s := c.events("connect", "")
		s.wantInit()
		require.Equal(t, 500, c.say("serverSentEvents", boom).status)
		require.Equal(t, "Internal server transient error.", parse[struct{ E string }](t, s.next()).E)
		s.wantEnd()
		g.broadcast("a")
		other.want("a")
		require.Equal(t, 2, g.counts.panics)
	})
}

// A client that tries another transport may find its connection, which then ends before it gets that.
func TestC116AConnectionThatEndsUnderAFallback(t *testing.T) {
	type answer struct{ first, second string }
	for way, connect := range map[string]func(c *testClient) answer{
		"webSockets": func(c *testClient) answer {
			ws := c.dial("connect", "")
			return answer{ws.next(), ws.next()}
		},
		"serverSentEvents": func(c *testClient) answer {
			s := c.events("connect", "")
			return answer{s.next(), s.next()}
		},
		"longPolling": func(c *testClient) answer {
			first := c.do("POST", "connect", "longPolling", "", "").body
			return answer{first, c.do("POST", "poll", "longPolling", "", "messageId=0").body}
		},
	} {
		t.Run(way, func(t *testing.T) {
			f := newFixture(t)
			c, ws := f.connected("u")
			client := f.live(c.ConnectionID).Transport().(carrier).owner()
			client.connecting.Lock() // which the request needs for what comes next
			again := *c
			again.token = f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Minute})
			got := make(chan answer, 1)
			go func() { got <- connect(&again) }()
			require.Eventually(t, func() bool { return client.tokens.Know(again.token) }, time.Minute, time.Millisecond)
			f.live(c.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
			ws.wantError("bye")
			f.wait("closed "+c.ConnectionID, 1)
			client.connecting.Unlock()
			heard := <-got
			require.JSONEq(t, `{"C":"0","S":1,"M":[]}`, heard.first, "without a beginning start() would neither succeed nor fail")
			require.Equal(t, goneText, parse[struct{ E string }](t, heard.second).E)
		})
	}
}
