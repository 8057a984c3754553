package clientaspnet

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

func TestNegotiate(t *testing.T) {
	f := newFixture(t)
	token := f.user("u")
	negotiate := func(query string) negotiated {
		t.Helper()
		res := f.do(request{path: "negotiate", query: query, token: token})
		require.Equal(t, 200, res.status, res.body)
		return parse[negotiated](t, res.body)
	}

	t.Run("C101 by GET", func(t *testing.T) {
		res := f.do(request{path: "negotiate", query: "clientProtocol=2.1&room=1&" + chatHub + "&_=1", token: token})
		require.Equal(t, 200, res.status)
		require.Equal(t, "application/json; charset=UTF-8", res.header.Get("Content-Type"))
		require.Equal(t, "nosniff", res.header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-cache, no-store", res.header.Get("Cache-Control"))
		n := parse[negotiated](t, res.body)
		twenty := 20.0
		want := negotiated{
			URL: "/aspnetclient", ConnectionToken: n.ConnectionToken, ConnectionID: n.ConnectionID, KeepAliveTimeout: &twenty,
			DisconnectTimeout: 30, ConnectionTimeout: 110, TryWebSockets: true, ProtocolVersion: "2.1", TransportConnectTimeout: 5,
		}
		require.Equal(t, want, n)
		require.NotContains(t, n.ConnectionID, ".", "the SDK splits keys at the last dot")
		require.Equal(t, "n1", auth.NodeOf(n.ConnectionID))
		require.NotContains(t, n.ConnectionToken, n.ConnectionID)
	})

	t.Run("C101 by POST", func(t *testing.T) {
		for name, header := range map[string]map[string]string{
			"a form": {"Content-Type": "application/x-www-form-urlencoded"}, "no content type": nil,
		} {
			res := f.do(request{method: "POST", path: "negotiate", token: token, header: header, body: "clientProtocol=2.0&" + chatHub})
			require.Equal(t, 200, res.status, name)
			require.Equal(t, "2.0", parse[negotiated](t, res.body).ProtocolVersion, name)
		}
	})

	t.Run("C102 the version is one that clients accept", func(t *testing.T) {
		for announced, want := range map[string]string{
			"1.5": "1.5", "2.0": "2.0", "2.1": "2.1", "2.2": "2.1", "9.0": "2.1", "1.4": "1.5", "1.2": "1.5", "x": "1.5", "": "1.5",
		} {
			require.Equal(t, want, negotiate("clientProtocol="+announced).ProtocolVersion, announced)
		}
		body := f.do(request{path: "negotiate", query: "clientProtocol=2.1", token: token}).body
		for _, member := range []string{"availableTransports", "RedirectUrl", "AccessToken", "Error"} {
			require.NotContains(t, body, member)
		}
	})

	t.Run("letter case and empty items do not count", func(t *testing.T) {
		res := f.do(request{path: "Negotiate/", query: "&&CLIENTPROTOCOL=2.0&&" + chatHub, token: token})
		require.Equal(t, "2.0", parse[negotiated](t, res.body).ProtocolVersion)
	})

	t.Run("connectionData as C# writes it", func(t *testing.T) {
		negotiate("clientProtocol=2.1&connectionData=[%7B%22Name%22:%22ChatHub%22%7D]")
		negotiate("clientProtocol=2.1&connectionData=")
	})

	t.Run("a token may forbid WebSockets", func(t *testing.T) {
		mask := auth.TransportLongPolling
		res := f.do(request{path: "negotiate", token: f.token(auth.ClientTokenSpec{Transports: mask})})
		require.False(t, parse[negotiated](t, res.body).TryWebSockets)
	})

	t.Run("limits of all times are told", func(t *testing.T) {
		before := f.current()
		f.change(func(l *Limits) {
			l.Periods = Periods{KeepAliveTimeout: 0, DisconnectTimeout: 90 * time.Second, ConnectTimeout: 1500 * time.Millisecond, PollInterval: time.Minute,
				NegotiateTimeout: time.Second, SendTimeout: time.Second, KeepAlive: time.Second}
		})
		n := negotiate("clientProtocol=2.1")
		require.Nil(t, n.KeepAliveTimeout)
		require.Equal(t, []float64{90, 1.5, 60}, []float64{n.DisconnectTimeout, n.TransportConnectTimeout, n.ConnectionTimeout})
		f.change(func(l *Limits) { *l = before })
	})

	t.Run("nothing is kept of a negotiation", func(t *testing.T) {
		require.Empty(t, f.gw.Connections(testHub))
		require.Positive(t, f.counts.negotiated)
	})
}

// Behind a proxy with a path, clients in JavaScript take all further requests to Url.
func TestURLBelowABasePath(t *testing.T) {
	f := newFixture(t, func(_ *fixture, o *Options) { o.BasePath = "/base/" })
	require.Equal(t, "/base/aspnetclient", f.negotiate(f.user("u")).URL)
}

func TestNegotiateRefusals(t *testing.T) {
	f := newFixture(t, func(f *fixture, o *Options) {
		f.core.MaxConnections = 1
		o.Serverless = func(application string) bool { return application == "Functions" }
	})
	good := f.user("u")
	for name, c := range map[string]struct {
		query, token, method string
		status               int
		text                 string
		reason               transport.Refusal
	}{
		"no token":               {"", "", "GET", 401, "", transport.Refusal(auth.TokenMissing)},
		"C113 garbage":           {"", "x", "GET", 401, "", transport.Refusal(auth.TokenMalformed)},
		"of ASP.NET Core":        {"", coreToken(t), "GET", 401, "", transport.Refusal(auth.TokenAudience)},
		"without an application": {"", f.token(auth.ClientTokenSpec{Application: "no name"}), "GET", 400, "asrs.s.apn", transport.RefusedApplication},
		"JSONP":                  {"callback=jQuery1", good, "GET", 400, "JSONP", transport.RefusedJSONP},
		"a method":               {"", good, "PUT", 405, "Use GET or POST.", transport.RefusedMethod},
		"connectionData":         {"connectionData=%7B%7D", good, "GET", 400, "connectionData", transport.RefusedHubList},
		"deep connectionData":    {"connectionData=" + strings.Repeat("[", 1000), good, "GET", 400, "connectionData", transport.RefusedHubList},
		"a megabyte":             {"x=" + strings.Repeat("x", 1<<20), good, "GET", 414, "URI", transport.RefusedURI},
		"13 KB":                  {"x=" + strings.Repeat("x", 13<<10), good, "GET", 414, "URI", transport.RefusedURI},
		"serverless, old":        {"clientProtocol=1.5", f.token(auth.ClientTokenSpec{Application: "Functions"}), "GET", 400, "Serverless", transport.RefusedServerless},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.h.Refused()
			res := f.do(request{method: c.method, path: "negotiate", query: c.query, token: c.token})
			require.Equal(t, c.status, res.status, res.body)
			require.Contains(t, res.body, c.text)
			if c.reason != "" {
				require.Equal(t, before[c.reason]+1, f.h.Refused()[c.reason])
			}
		})
	}

	t.Run("serverless: the error is where clients show it", func(t *testing.T) {
		before := f.h.Refused()[transport.RefusedServerless]
		res := f.do(request{path: "negotiate", query: "clientProtocol=2.0", token: f.token(auth.ClientTokenSpec{Application: "Functions"})})
		require.Equal(t, 200, res.status)
		n := parse[negotiated](t, res.body)
		require.Equal(t, errServerless.Text, n.Error)
		require.Equal(t, "2.0", n.ProtocolVersion)
		require.Equal(t, before+1, f.h.Refused()[transport.RefusedServerless])
		require.Contains(t, f.log.String(), `msg="client request refused" reason=ServerlessMode status=400 method=GET path=/aspnetclient/negotiate hub=aspnet:functions`)
	})

	t.Run("a path", func(t *testing.T) {
		for _, path := range []string{"", "x", "negotiate/x", "hubs"} {
			require.Equal(t, 404, f.do(request{path: path, token: good}).status, path)
		}
	})

	t.Run("a body that is too large", func(t *testing.T) {
		res := f.do(request{method: "POST", path: "negotiate", token: good, body: strings.Repeat("x", 1<<20+1)})
		require.Equal(t, 413, res.status)
	})

	t.Run("a quota", func(t *testing.T) {
		_, _ = f.connected("u")
		res := f.do(request{path: "negotiate", token: good})
		require.Equal(t, 429, res.status)
		require.Equal(t, "10", res.header.Get("Retry-After"))
	})
}

func coreToken(t *testing.T) string {
	token, err := auth.SignClient(testKey, "http://localhost:8888", "chat", auth.ClientTokenSpec{UserID: "u"})
	require.NoError(t, err)
	return token
}

func TestTokens(t *testing.T) {
	f := newFixture(t)

	t.Run("C119 in the query, and in the header, which wins", func(t *testing.T) {
		good := f.user("u")
		for name, r := range map[string]request{
			"header":                {token: good},
			"query":                 {query: "access_token=" + good},
			"the last of the query": {query: "access_token=x&ACCESS_TOKEN=" + good},
			"header over query":     {token: good, query: "access_token=x"},
		} {
			r.path = "ping"
			require.Equal(t, 200, f.do(r).status, name)
		}
		require.Equal(t, 401, f.do(request{path: "ping", token: "x", query: "access_token=" + good}).status)
	})

	t.Run("C119 a WebSocket with the token in its header, as C# has it", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		conn, res := f.tryDial("connect", c.query("webSockets", ""), map[string][]string{"Authorization": {"Bearer " + c.token}})
		require.NotNil(t, conn, res.body)
		(&wsClient{conn, t, c}).wantInit()
	})

	t.Run("C113 a ping needs a token and no connection", func(t *testing.T) {
		res := f.do(request{path: "ping", query: "room=1&_=5", token: f.user("u")})
		require.Equal(t, 200, res.status)
		require.JSONEq(t, `{"Response":"pong"}`, res.body)
		require.Equal(t, 401, f.do(request{path: "ping", query: "room=1"}).status)
		require.Equal(t, 401, f.do(request{path: "ping", query: "room=1", token: coreToken(t)}).status)
		res = f.do(request{path: "ping", query: "callback=x", token: f.user("u")})
		require.Equal(t, 400, res.status)
		require.Contains(t, res.body, "JSONP")
	})

	t.Run("secrets stay out of the log and of the application's query", func(t *testing.T) {
		c, _ := f.connected("u")
		query := f.live(c.ConnectionID).Identity().Query
		for _, secret := range []string{c.token, c.ConnectionToken, url.QueryEscape(c.ConnectionToken)} {
			require.NotContains(t, f.log.String(), secret)
			require.NotContains(t, query, secret)
		}
	})
}

// A connection outlives its token: what was good when the connection was made stays good for it.
func TestConnectionOutlivesItsToken(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(_ *fixture, o *Options) {
		o.Verifier = auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{testKey} }, Now: func() time.Time { return now }})
	})
	c := f.negotiate(f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Minute}))
	s := c.events("connect", "")
	s.wantInit()
	now = now.Add(time.Hour)
	require.Equal(t, 401, f.do(request{path: "negotiate", token: c.token}).status)
	require.Equal(t, 401, f.do(request{path: "ping", token: c.token}).status)
	require.Equal(t, 200, c.say("serverSentEvents", `{"H":"chat","M":"a","A":[],"I":0}`).status)
	f.wait("call "+c.ConnectionID, 1)
	other := f.negotiateWith(c, f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: 2 * time.Hour}))
	require.Equal(t, 200, other.say("serverSentEvents", `{"H":"chat","M":"b","A":[],"I":1}`).status, "a new token of the same user")
	require.Equal(t, 200, c.do("POST", "abort", "serverSentEvents", "", "").status)
	s.wantEnd()
	f.wait("closed "+c.ConnectionID, 1)
	require.Equal(t, 401, c.say("serverSentEvents", `{"H":"chat","M":"c"}`).status, "the connection is gone")
}

// So does what it forbids.
func TestOldTokenForbidsTransports(t *testing.T) {
	now := time.Now()
	f := newFixture(t, func(_ *fixture, o *Options) {
		o.Verifier = auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{testKey} }, Now: func() time.Time { return now }})
	})
	c := f.negotiate(f.token(auth.ClientTokenSpec{Lifetime: time.Minute, Transports: auth.TransportServerSentEvents}))
	c.events("connect", "").wantInit()
	now = now.Add(time.Hour)
	for _, command := range []string{"connect", "reconnect"} {
		require.Equal(t, 404, c.do("POST", command, "longPolling", "&messageId=0", "").status, command)
	}
	s := c.events("reconnect", "&messageId=0")
	f.broadcast("a")
	s.want("a")
}

// negotiateWith is the same client with another token.
func (f *fixture) negotiateWith(c *testClient, token string) *testClient {
	other := *c
	other.token = token
	return &other
}

func TestCORS(t *testing.T) {
	const page = "http://a.example"
	origins := []string{"*"}
	f := newFixture(t, func(_ *fixture, o *Options) { o.Origins = func() []string { return origins } })
	paths := []string{"negotiate", "connect", "start", "send", "poll", "reconnect", "ping", "abort"}

	t.Run("C114 a preflight of each request needs no token", func(t *testing.T) {
		for _, path := range paths {
			res := f.do(request{method: "OPTIONS", path: path, query: "transport=longPolling", header: map[string]string{
				"Origin": page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
			}})
			require.Equal(t, 204, res.status, path)
			require.Equal(t, page, res.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "true", res.header.Get("Access-Control-Allow-Credentials"))
			require.Equal(t, "authorization", res.header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, "GET, POST, OPTIONS", res.header.Get("Access-Control-Allow-Methods"))
		}
	})

	t.Run("C114 answers and refusals echo the origin", func(t *testing.T) {
		c := f.negotiate(f.user("u"))
		for _, path := range paths {
			for _, token := range []string{"", c.token} {
				if path == "poll" && token != "" || path == "connect" && token != "" {
					continue // they wait
				}
				res := f.do(request{path: path, query: c.query("longPolling", ""), token: token, header: map[string]string{"Origin": page}})
				require.Equal(t, []string{page}, res.header.Values("Access-Control-Allow-Origin"), path)
				require.Contains(t, res.header.Values("Vary"), "Origin")
			}
		}
		res := f.do(request{method: "POST", path: "connect", query: c.query("longPolling", ""), token: c.token, header: map[string]string{"Origin": page}})
		require.Equal(t, page, res.header.Get("Access-Control-Allow-Origin"))
	})

	t.Run("an allow list", func(t *testing.T) {
		origins = []string{"http://b.example"}
		c := f.negotiate(f.user("u"))
		require.Empty(t, f.do(request{path: "ping", token: c.token, header: map[string]string{"Origin": page}}).header.Get("Access-Control-Allow-Origin"))
		_, res := f.tryDial("connect", c.query("webSockets", "")+"&access_token="+c.token, map[string][]string{"Origin": {page}})
		require.Equal(t, 403, res.status)
		_, found := f.gw.Lookup(c.ConnectionID)
		require.False(t, found)
		require.Zero(t, f.gw.Stats().Closed[gateway.CloseNormal])
	})
}
