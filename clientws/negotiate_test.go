package clientws

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/transport"
)

func decodeJSON[T any](t *testing.T, text string) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &value), text)
	return value
}

const allOffers = `"availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},` +
	`{"transport":"ServerSentEvents","transferFormats":["Text"]},` +
	`{"transport":"LongPolling","transferFormats":["Text","Binary"]}]`

func TestNegotiate(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	post := func(query string) response {
		return f.do(request{method: "POST", path: "/client/negotiate", query: query, token: token})
	}

	t.Run("C01 C02 R46 version 1 has a connectionToken that is not the connectionId", func(t *testing.T) {
		res := post("hub=chat&negotiateVersion=1")
		require.Equal(t, 200, res.status)
		require.Equal(t, "application/json", res.header.Get("Content-Type"))
		n := decodeJSON[negotiated](t, res.body)
		require.Equal(t, 1, n.NegotiateVersion)
		require.NotEmpty(t, n.ConnectionToken)
		require.NotEqual(t, n.ConnectionID, n.ConnectionToken)
		require.Equal(t, `{"negotiateVersion":1,"connectionId":"`+n.ConnectionID+`","connectionToken":"`+n.ConnectionToken+`",`+allOffers+`}`, res.body)
	})

	t.Run("C03 version 0 has no token", func(t *testing.T) {
		for _, query := range []string{"hub=chat", "hub=chat&negotiateVersion=0"} {
			res := post(query)
			n := decodeJSON[negotiated](t, res.body)
			require.Equal(t, `{"negotiateVersion":0,"connectionId":"`+n.ConnectionID+`",`+allOffers+`}`, res.body)
		}
	})

	t.Run("C04 ids and tokens need no escaping and never repeat", func(t *testing.T) {
		plain := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
		seen := make(map[string]bool)
		for range 200 {
			n := f.negotiate(token)
			require.Regexp(t, plain, n.ConnectionID)
			require.Regexp(t, plain, n.ConnectionToken)
			require.False(t, seen[n.ConnectionID] || seen[n.ConnectionToken])
			seen[n.ConnectionID], seen[n.ConnectionToken] = true, true
			require.Equal(t, "n1", auth.NodeOf(n.ConnectionID))
		}
	})

	t.Run("C05 versions", func(t *testing.T) {
		for query, want := range map[string]string{
			"negotiateVersion=7":                    `{"negotiateVersion":1,`,
			"negotiateVersion=%201":                 `{"negotiateVersion":1,`,
			"NEGOTIATEVERSION=1":                    `{"negotiateVersion":1,`,
			"negotiateVersion=x":                    `{"error":"The client requested a non-integer protocol version."}`,
			"negotiateVersion=":                     `{"error":"The client requested a non-integer protocol version."}`,
			"negotiateVersion=99999999999999999999": `{"error":"The client requested a non-integer protocol version."}`,
			"negotiateVersion=-1":                   `{"error":"The client requested version '-1', but the server does not support this version."}`,
		} {
			res := post("hub=chat&" + query)
			require.Equal(t, 200, res.status, query)
			require.Truef(t, strings.HasPrefix(res.body, want), "%s: %s", query, res.body)
		}
	})

	t.Run("C07 paths", func(t *testing.T) {
		for path, want := range map[string]int{
			"/client/negotiate": 200, "/client/negotiate/": 200, "/Client/Negotiate": 200,
			"/client/negotiate/x": 404, "/client/x": 404, "/clients": 404, "/client//": 404,
		} {
			res := f.do(request{method: "POST", path: path, query: "hub=chat&negotiateVersion=1", token: token})
			require.Equal(t, want, res.status, path)
		}
		for _, path := range []string{"/client", "/client/"} {
			res := f.do(request{method: "GET", path: path, query: "hub=chat", token: token})
			require.Equal(t, "Connection ID required", res.body, path)
		}
	})

	t.Run("C08 keys in any letter case", func(t *testing.T) {
		for _, key := range []string{"Hub", "HUB", "%68ub"} {
			require.Equal(t, 200, post(key+"=chat").status, key)
		}
	})

	t.Run("C09 a page's own item called hub stands behind the hub of the token", func(t *testing.T) {
		for _, query := range []string{"hub=chat&hub=chat", "hub=chat&asrs.op=%2F&HUB=other", "hub=chat&hub=1%20other"} {
			require.Equal(t, 200, post(query).status, query)
		}
		ws := f.dial("hub=chat&hub=mine&access_token=" + token)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		conns := f.gw.Connections("chat")
		require.Equal(t, 1, conns)
	})

	t.Run("C09 R47 hub names", func(t *testing.T) {
		for query, want := range map[string]string{
			"negotiateVersion=1":              "The query must name a hub",
			"hub=":                            "The query must name a hub",
			"hub=other&hub=chat":              "The query names several hubs, and the token is not for the first of them",
			"hub=1chat":                       "The hub's name is invalid: a letter, then",
			"hub=my-hub":                      "The hub's name is invalid: a letter, then",
			"hub=ch%00at":                     "The hub's name is invalid: a letter, then",
			"hub=" + strings.Repeat("h", 129): "The hub's name is invalid: a letter, then",
		} {
			res := post(query)
			require.Equal(t, 400, res.status, query)
			require.Contains(t, res.body, want, query)
		}
	})

	t.Run("C16 C17 stateful reconnect is granted to those who ask, and to nobody else", func(t *testing.T) {
		for query, granted := range map[string]bool{
			"useStatefulReconnect=true": true, "useStatefulReconnect=true&useStatefulReconnect=True": true, "": false, "useStatefulReconnect=false": false,
		} {
			res := post("hub=chat&negotiateVersion=1&" + query)
			require.Equal(t, 200, res.status)
			require.Equal(t, granted, strings.Contains(res.body, `,"useStatefulReconnect":true,`), query)
		}
	})

	t.Run("C18 asrs.s.htt restricts the offer and the transports", func(t *testing.T) {
		for mask, names := range map[auth.TransportMask][]string{
			1: {"WebSockets"}, 2: {"ServerSentEvents"}, 4: {"LongPolling"},
			3: {"WebSockets", "ServerSentEvents"}, 5: {"WebSockets", "LongPolling"},
		} {
			n := f.negotiate(f.token(auth.ClientTokenSpec{Transports: mask}))
			var got []string
			for _, offer := range n.AvailableTransports {
				got = append(got, offer.Transport)
			}
			require.Equal(t, names, got)
		}
		onlySSE := f.token(auth.ClientTokenSpec{Transports: auth.TransportServerSentEvents})
		n := f.negotiate(onlySSE)
		res := f.do(request{method: "GET", query: n.query(), token: onlySSE})
		require.Equal(t, 404, res.status)
		require.Equal(t, "LongPolling transport not supported by this end point type", res.body)
		_, res = f.tryDial(n.query()+"&access_token="+onlySSE, nil)
		require.Equal(t, 404, res.status)
		require.Equal(t, "WebSockets transport not supported by this end point type", res.body)
		onlyWS := f.token(auth.ClientTokenSpec{Transports: auth.TransportWebSockets})
		res = f.do(request{method: "GET", query: f.negotiate(onlyWS).query(), token: onlyWS, header: map[string]string{"Accept": "text/event-stream"}})
		require.Equal(t, "ServerSentEvents transport not supported by this end point type", res.body)
	})

	t.Run("C19 GET is refused", func(t *testing.T) {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
			res := f.do(request{method: method, path: "/client/negotiate", token: token})
			require.Equal(t, 405, res.status, method)
			require.Equal(t, "text/plain", res.header.Get("Content-Type"))
			require.Equal(t, "POST, OPTIONS", res.header.Get("Allow"))
		}
	})

	t.Run("URI too long", func(t *testing.T) {
		res := post("hub=chat&x=" + strings.Repeat("x", 13<<10))
		require.Equal(t, 414, res.status)
	})
}

func TestNegotiateTokens(t *testing.T) {
	f := newFixture(t)
	other, err := auth.SignClient("another key, which is as long as it needs", "http://localhost", "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	otherHub, err := auth.SignClient(testKey, "http://localhost", "other", auth.ClientTokenSpec{})
	require.NoError(t, err)
	rest, err := auth.SignREST(testKey, "http://localhost/api/hubs/chat/:send", time.Hour)
	require.NoError(t, err)
	cases := map[string]struct {
		token, text, challenge string
		status                 int
	}{
		"C10 C22 no token":        {"", "The request has no bearer token.", `Bearer`, 401},
		"C10 garbage":             {"garbage", "The token is malformed.", `Bearer error="invalid_token", error_description="The token is malformed"`, 401},
		"C10 wrong signature":     {other, "The signature key was not found.", `Bearer error="invalid_token", error_description="The signature key was not found"`, 401},
		"C10 wrong hub":           {otherHub, "The audience is invalid.", `Bearer error="invalid_token", error_description="The audience is invalid"`, 401},
		"C10 a REST token":        {rest, "The audience is invalid.", `Bearer error="invalid_token", error_description="The audience is invalid"`, 401},
		"C10 expired":             {f.token(auth.ClientTokenSpec{Lifetime: -time.Hour}), "The token is expired.", `Bearer error="invalid_token", error_description="The token is expired"`, 401},
		"token over 4096 letters": {strings.Repeat("x", 4097), "The token is too long.", "", 413},
	}
	requests := map[string]request{
		"negotiate":    {method: "POST", path: "/client/negotiate"},
		"poll":         {method: "GET", query: "hub=chat&id=x"},
		"post":         {method: "POST", query: "hub=chat&id=x"},
		"delete":       {method: "DELETE", query: "hub=chat&id=x"},
		"event stream": {method: "GET", query: "hub=chat&id=x", header: map[string]string{"Accept": "text/event-stream"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for kind, r := range requests {
				r.token = c.token
				res := f.do(r)
				require.Equal(t, c.status, res.status, kind)
				require.Equal(t, c.text, res.body, kind)
				require.Equal(t, c.challenge, res.header.Get("WWW-Authenticate"), kind)
				require.Equal(t, "text/plain", res.header.Get("Content-Type"), kind)
			}
			_, res := f.tryDial("hub=chat&access_token="+escape(c.token), nil)
			require.Equal(t, c.status, res.status)
		})
	}
	require.EqualValues(t, 6, f.h.Refused()[transport.Refusal(auth.TokenExpired)])

	t.Run("C12 the header wins over the query", func(t *testing.T) {
		good := f.user("u")
		require.Equal(t, 200, f.do(request{method: "POST", path: "/client/negotiate", query: "hub=chat&access_token=garbage", token: good}).status)
		require.Equal(t, 401, f.do(request{method: "POST", path: "/client/negotiate", query: "hub=chat&access_token=" + good, token: "garbage"}).status)
	})
}

func TestSecretsStayOut(t *testing.T) {
	t.Run("C14 no token in a log or in the query that the application sees", func(t *testing.T) {
		f := newFixture(t)
		token := f.user("u")
		n := f.negotiate(token)
		ws := f.dial("hub=chat&a=1&Access_Token=" + token + "&id=" + n.ConnectionToken + "&b=%2Fx")
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		require.Equal(t, "hub=chat&a=1&b=%2Fx", f.live(n.ConnectionID).Identity().Query)
		// Refusals of all kinds with a good, a bad and a foreign token in all places.
		for _, bad := range []string{token, token[:len(token)-4] + "AAAA", "garbage-token"} {
			f.do(request{method: "GET", query: "hub=chat&access_token=" + bad})
			f.do(request{method: "GET", query: "hub=other&access_token=" + bad, token: bad})
			f.do(request{method: "POST", query: "hub=chat&id=" + n.ConnectionToken, token: bad})
			f.tryDial(n.query()+"&access_token="+bad, nil)
		}
		log := f.log.String()
		require.Contains(t, log, "refused")
		for _, part := range append(strings.Split(token, "."), "garbage-token", n.ConnectionToken) {
			require.NotContains(t, log, part)
		}
	})
}

func TestIDs(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	auth := http.Header{"Authorization": {"Bearer " + token}}

	t.Run("C15 the last id counts and the application's own is kept", func(t *testing.T) {
		n := f.negotiate(token)
		ws, res := f.tryDial("hub=chat&id=mine&asrs.op=%2Fchat&asrs_request_id=a%2Bb%3D&id="+n.ConnectionToken, auth)
		require.NotNil(t, ws, "%v", res)
		t.Run("C06 the query is kept as it was", func(t *testing.T) {
			require.Equal(t, "hub=chat&id=mine&asrs.op=%2Fchat&asrs_request_id=a%2Bb%3D", f.live(n.ConnectionID).Identity().Query)
		})
	})

	t.Run("C03 id=connectionId connects in version 0", func(t *testing.T) {
		n := f.negotiateVersion(token, "")
		ws, _ := f.tryDial(n.query(), auth)
		require.NotNil(t, ws)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		_, res := f.tryDial(n.query(), auth)
		require.Equal(t, 409, res.status)
		res = f.do(request{method: "POST", query: n.query(), token: f.user("somebody else")})
		require.Equal(t, 403, res.status)
		require.NoError(t, ws.Close())
	})

	t.Run("another user's id opens nothing", func(t *testing.T) {
		for _, n := range []negotiated{f.negotiate(token), f.negotiateVersion(token, "")} {
			res := f.do(request{method: "GET", query: n.query(), token: f.user("somebody else")})
			require.Equal(t, 404, res.status)
			require.Equal(t, 200, f.do(request{method: "GET", query: n.query(), token: token}).status)
		}
	})
}

func TestNegotiatedIDExpires(t *testing.T) {
	t.Run("C20 R50 D1 an unused id is good for 15 s and is then forgotten", func(t *testing.T) {
		for name, version := range map[string]string{"version 0": "", "version 1": "negotiateVersion=1"} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newPipeFixture(t)
					token := f.user("u")
					late, inTime := f.negotiateVersion(token, version), f.negotiateVersion(token, version)
					require.Equal(t, 200, f.do(request{method: "POST", query: late.query(), token: token, body: "x"}).status)
					time.Sleep(15 * time.Second)
					require.Equal(t, 200, f.do(request{method: "GET", query: inTime.query(), token: token}).status)
					time.Sleep(2 * time.Second)
					require.Equal(t, 404, f.do(request{method: "GET", query: late.query(), token: token}).status)
					f.h.pending.mu.Lock()
					defer f.h.pending.mu.Unlock()
					require.Zero(t, len(f.h.pending.byID)+f.h.pending.order.Len()+f.h.pending.bytes)
				})
			})
		}
	})

	t.Run("C20 memory is freed though nobody calls again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pendingPosts{now: time.Now}
			defer p.close()
			require.NoError(t, p.hold("a", pendingOwner{}, time.Now().Add(15*time.Second), []byte("xyz"), 10))
			time.Sleep(5 * time.Second)
			require.NoError(t, p.hold("b", pendingOwner{}, time.Now().Add(15*time.Second), []byte("xyz"), 10))
			time.Sleep(11 * time.Second)
			synctest.Wait()
			p.mu.Lock()
			require.Len(t, p.byID, 1)
			p.mu.Unlock()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			p.mu.Lock()
			require.Empty(t, p.byID)
			require.Zero(t, p.bytes)
			p.mu.Unlock()
		})
	})
}

func TestPendingBounds(t *testing.T) {
	p := pendingPosts{now: time.Now}
	defer p.close()
	until := time.Now().Add(time.Hour)
	ann := pendingOwner{hub: "chat", user: "ann"}
	nth := func(i int) pendingOwner { return pendingOwner{hub: "chat", user: strconv.Itoa(i)} }
	require.NoError(t, p.hold("a", ann, until, make([]byte, 6), 10))
	require.NoError(t, p.hold("a", ann, until, make([]byte, 4), 10))
	require.ErrorIs(t, p.hold("a", ann, until, make([]byte, 1), 10), errEarlyBytes)
	require.NoError(t, p.hold("b", ann, until, nil, 10))
	require.False(t, p.waits("b"), "nothing costs nothing")
	require.Len(t, p.take("a"), 10)
	require.Nil(t, p.take("a"))

	t.Run("one user has a share of the bytes", func(t *testing.T) {
		for i := range maxPendingBytes / pendingShare >> 20 {
			require.NoError(t, p.hold(strconv.Itoa(i), ann, until, make([]byte, 1<<20), 1<<20))
		}
		require.ErrorIs(t, p.hold("one more", ann, until, make([]byte, 1), 1<<20), errPending)
		require.NoError(t, p.hold("one more", nth(0), until, make([]byte, 1), 10))
		require.Len(t, p.take("0"), 1<<20)
		require.NoError(t, p.hold("another", ann, until, make([]byte, 1), 1<<20))
	})
	p.close()
	t.Run("one user has a share of the ids", func(t *testing.T) {
		for i := range maxPending / pendingShare {
			require.NoError(t, p.hold(strconv.Itoa(i), ann, until, make([]byte, 1), 10))
		}
		require.ErrorIs(t, p.hold("one more", ann, until, make([]byte, 1), 10), errPending)
		require.NoError(t, p.hold("one more", nth(0), until, make([]byte, 1), 10))
	})
	p.close()
	t.Run("all together", func(t *testing.T) {
		for i := range maxPendingBytes >> 20 {
			require.NoError(t, p.hold(strconv.Itoa(i), nth(i), until, make([]byte, 1<<20), 1<<20))
		}
		require.ErrorIs(t, p.hold("one more", ann, until, make([]byte, 1), 10), errPending)
		require.Len(t, p.take("0"), 1<<20)
		for i := len(p.byID); i < maxPending; i++ {
			require.NoError(t, p.hold("x"+strconv.Itoa(i), nth(i), until, make([]byte, 1), 10))
		}
		require.ErrorIs(t, p.hold("one more", ann, until, make([]byte, 1), 10), errPending)
	})
	p.close()
	require.Empty(t, p.owners)
}

func TestNegotiatingCostsNothing(t *testing.T) {
	f := newFixture(t)
	evil := f.user("evil")
	for range 100 {
		n := f.negotiateVersion(evil, "")
		require.Equal(t, 200, f.do(request{method: "POST", query: n.query(), token: evil}).status)
	}
	f.h.pending.mu.Lock()
	defer f.h.pending.mu.Unlock()
	require.Empty(t, f.h.pending.byID)
}

func TestQuota(t *testing.T) {
	t.Run("C21 429 on negotiate, on upgrade and on a first poll", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.MaxConnections = 1 })
		token := f.user("u")
		first, second := f.negotiate(token), f.negotiate(token)
		ws := f.dial(first.query() + "&access_token=" + token)
		ws.say(jsonHandshake)
		ws.want("{}\x1e")
		_, refusedDial := f.tryDial(second.query()+"&access_token="+token, nil)
		for name, res := range map[string]response{
			"negotiate": f.do(request{method: "POST", path: "/client/negotiate", token: token}),
			"upgrade":   refusedDial,
			"poll":      f.do(request{method: "GET", query: second.query(), token: token}),
		} {
			require.Equal(t, 429, res.status, name)
			require.Equal(t, "10", res.header.Get("Retry-After"), name)
			require.Equal(t, "Connection count reaches limit.", res.body, name)
		}
		require.EqualValues(t, 3, f.h.Refused()[transport.RefusedConnections])
	})

	t.Run("R51 diagnostic clients have a quota of their own", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.MaxDiagnostic = 1 })
		token := f.token(auth.ClientTokenSpec{Diagnostic: true})
		f.dial("hub=chat&access_token=" + token)
		require.Equal(t, 429, f.do(request{method: "POST", path: "/client/negotiate", token: token}).status)
		require.Equal(t, 200, f.do(request{method: "POST", path: "/client/negotiate", token: f.user("u")}).status)
	})

	t.Run("hubs are bounded", func(t *testing.T) {
		f := newFixture(t, func(f *fixture, _ *Options) { f.core.MaxHubs = 1 })
		f.open("u")
		token, err := auth.SignClient(testKey, "http://localhost", "other", auth.ClientTokenSpec{})
		require.NoError(t, err)
		res := f.do(request{method: "POST", path: "/client/negotiate", query: "hub=other", token: token})
		require.Equal(t, 429, res.status)
		require.Equal(t, "Hub count reaches limit.", res.body)
	})
}

// A client without a name may post from two addresses: what waits stays in the share of the first.
func TestPendingOwnerStays(t *testing.T) {
	p := pendingPosts{now: time.Now}
	defer p.close()
	until := time.Now().Add(time.Hour)
	home, away := pendingOwner{hub: "chat", address: "192.0.2.1"}, pendingOwner{hub: "chat", address: "192.0.2.2"}
	require.NoError(t, p.hold("a", home, until, []byte("xyz"), 10))
	require.NoError(t, p.hold("a", away, until, []byte("xyz"), 10))
	require.Equal(t, map[pendingOwner]share{home: {ids: 1, bytes: 6}}, p.owners)
	require.Len(t, p.take("a"), 6)
	require.Empty(t, p.owners)
}
