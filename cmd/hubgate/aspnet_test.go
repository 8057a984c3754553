package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// aspnetStream is what a client reads of a transport.
type aspnetStream interface {
	// frame is the next frame that is no keep-alive.
	frame() string
	// call calls a method.
	call(id int, method, arguments string)
}

// frame makes a client with a WebSocket a stream.
func (c *aspnetClient) frame() string { return c.next() }

// sseClient is a client with Server-Sent Events.
type sseClient struct {
	*aspnetClient
	lines *bufio.Scanner
}

func (c *aspnetClient) events(command string, more url.Values) *sseClient {
	c.p.t.Helper()
	ctx, cancel := context.WithCancel(c.p.t.Context())
	c.p.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(command, "serverSentEvents", more)+"&access_token="+c.token, nil)
	require.NoError(c.p.t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.p.t, err)
	c.p.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(c.p.t, http.StatusOK, resp.StatusCode)
	require.Equal(c.p.t, "text/event-stream", strings.ToLower(strings.Split(resp.Header.Get("Content-Type"), ";")[0]))
	return &sseClient{c, bufio.NewScanner(resp.Body)}
}

// data is the next event's data.
func (c *sseClient) data() string {
	c.p.t.Helper()
	for c.lines.Scan() {
		if data, ok := strings.CutPrefix(c.lines.Text(), "data: "); ok {
			c.saw(data)
			return data
		}
	}
	require.Fail(c.p.t, "the events have ended", c.lines.Err())
	return ""
}

func (c *sseClient) frame() string {
	for {
		if data := c.data(); data != "{}" {
			return data
		}
	}
}

func (c *sseClient) call(id int, method, arguments string) {
	c.send("serverSentEvents", id, method, arguments)
}

// send calls a method with a request.
func (c *aspnetClient) send(transport string, id int, method, arguments string) {
	c.p.t.Helper()
	status, answer := c.post("send", transport, url.Values{"data": {fmt.Sprintf(`{"H":"chat","M":%q,"A":[%s],"I":%d}`, method, arguments, id)}})
	require.Equal(c.p.t, http.StatusOK, status, answer)
}

// pollClient is a client with long polling. It has the frames of a poll one by one.
type pollClient struct {
	*aspnetClient
	ahead []string
}

func (c *pollClient) call(id int, method, arguments string) {
	c.send("longPolling", id, method, arguments)
}

// poll is the body of the next poll.
func (c *pollClient) poll() string {
	c.p.t.Helper()
	status, answer := c.post("poll", "longPolling", url.Values{"messageId": {c.cursor}})
	require.Equal(c.p.t, http.StatusOK, status, answer)
	c.saw(answer)
	return strings.TrimSpace(answer)
}

// frame takes bodies apart: a body may hold the messages of several frames.
func (c *pollClient) frame() string {
	c.p.t.Helper()
	for len(c.ahead) == 0 {
		body := c.poll()
		var messages struct{ M []json.RawMessage }
		require.NoError(c.p.t, json.Unmarshal([]byte(body), &messages), body)
		if messages.M == nil {
			return body
		}
		for _, m := range messages.M {
			c.ahead = append(c.ahead, fmt.Sprintf(`{"C":%q,"M":[%s]}`, c.cursor, m))
		}
	}
	first := c.ahead[0]
	c.ahead = c.ahead[1:]
	return first
}

// aspnetTransports connect a negotiated client and start it.
var aspnetTransports = map[string]func(c *aspnetClient) aspnetStream{
	"webSockets": func(c *aspnetClient) aspnetStream { return c.open() },
	"serverSentEvents": func(c *aspnetClient) aspnetStream {
		s := c.events("connect", nil)
		require.Equal(c.p.t, "initialized", s.data())
		c.wantInit(s.frame())
		c.start("serverSentEvents")
		return s
	},
	"longPolling": func(c *aspnetClient) aspnetStream {
		status, answer := c.post("connect", "longPolling", nil)
		require.Equal(c.p.t, http.StatusOK, status, answer)
		c.wantInit(answer)
		c.start("longPolling")
		return &pollClient{aspnetClient: c}
	},
}

// wantMessage checks a frame with one call of the hub Chat.
func wantMessage(t *testing.T, frame, method, arguments string) {
	t.Helper()
	var with struct {
		C string
		M []json.RawMessage
	}
	require.NoError(t, json.Unmarshal([]byte(frame), &with), frame)
	require.NotEmpty(t, with.C)
	require.Len(t, with.M, 1, frame)
	require.JSONEq(t, fmt.Sprintf(`{"H":"Chat","M":%q,"A":%s}`, method, arguments), string(with.M[0]))
}

// An application's clients on each transport: calls, broadcasts, groups, users, one client alone,
// and the end.
func TestAspNetOverEachTransport(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	app := p.aspnetApplication("Shop.Startup")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	other := p.aspnet("Shop.Startup", "bob").open()
	app.want("opened")
	for name, connect := range aspnetTransports {
		t.Run("H84 H86 "+name, func(t *testing.T) {
			c := p.aspnet("Shop.Startup", "ann")
			s := connect(c)
			client := app.want("opened")
			require.Equal(t, c.negotiated["ConnectionId"], client.ID)
			require.NotContains(t, client.ID, ".")
			query, err := url.ParseQuery(strings.TrimPrefix(client.Query, "?"))
			require.NoError(t, err)
			require.Equal(t, name, query.Get("transport"))
			require.Equal(t, client.ID, query.Get("connectionToken"))
			require.JSONEq(t, `[{"name":"chat"}]`, query.Get("connectionData"))
			require.Empty(t, query.Get("access_token"))

			s.call(1, "Echo", `"hello"`)
			require.JSONEq(t, `{"I":"1","R":"hello"}`, s.frame())
			require.NoError(t, app.Broadcast("all", []byte(`["to all"]`)))
			wantMessage(t, s.frame(), "all", `["to all"]`)
			wantMessage(t, other.next(), "all", `["to all"]`)
			require.NoError(t, app.Broadcast("others", []byte(`[]`), client.ID))
			wantMessage(t, other.next(), "others", `[]`)
			require.NoError(t, app.User("ann", "ann", []byte(`[1]`)))
			wantMessage(t, s.frame(), "ann", `[1]`)
			require.NoError(t, app.Join(ctx, client, "room"))
			require.NoError(t, app.Group("room", "room", []byte(`[2]`)))
			wantMessage(t, s.frame(), "room", `[2]`)
			require.NoError(t, app.Leave(ctx, client, "room"))
			require.NoError(t, app.Group("room", "nobody", []byte(`[]`)))
			require.NoError(t, app.Client(client, "you", []byte(`[3]`)))
			wantMessage(t, s.frame(), "you", `[3]`)

			status, _ := c.post("abort", name, nil)
			require.Equal(t, http.StatusOK, status)
			if c.conn != nil {
				_, _, err := c.conn.ReadMessage()
				require.Error(t, err)
			}
			require.Equal(t, client.ID, app.want("closed").ID)
		})
	}
	p.wantMetrics(
		`hubgate_connections_opened_total{generation="aspnet",transport="WebSockets"} 2`,
		`hubgate_connections_opened_total{generation="aspnet",transport="LongPolling"} 1`,
		`hubgate_connections{generation="aspnet",hub="aspnet:shop.startup",transport="WebSockets"} 1`,
		`hubgate_negotiations_total{generation="aspnet"} 4`,
		`hubgate_hub_info{hub="aspnet:shop.startup",mode="default"} 1`,
		`hubgate_connections_closed_total{reason="Normal"} 3`,
	)
	require.NotContains(t, p.logs.String(), `hub=chat`)
	p.logs.want(t, "protocol=aspnet")
	p.logs.want(t, "hub=aspnet:shop.startup")
}

// A client that has lost its transport comes back and has missed nothing, whatever it comes back
// with; its groups are the same.
func TestAspNetClientComesBack(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	app := p.aspnetApplication("app")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := p.aspnet("app", "ann").open()
	client := app.want("opened")
	require.NoError(t, app.Join(ctx, client, "room"))
	require.NoError(t, app.Group("room", "first", []byte(`[]`)))
	wantMessage(t, c.next(), "first", `[]`)

	require.NoError(t, c.conn.NetConn().Close())
	for i := range 3 {
		require.NoError(t, app.Group("room", fmt.Sprint("missed", i), []byte(`[]`)))
	}
	c.socket("reconnect", url.Values{"messageId": {c.cursor}})
	for i := range 3 {
		wantMessage(t, c.next(), fmt.Sprint("missed", i), `[]`)
	}
	app.want("reconnected")

	require.NoError(t, c.conn.NetConn().Close())
	events := c.events("reconnect", url.Values{"messageId": {c.cursor}})
	app.want("reconnected")
	require.NoError(t, app.Group("room", "by events", []byte(`[]`)))
	for {
		if data := events.frame(); strings.HasPrefix(data, "{") {
			wantMessage(t, data, "by events", `[]`)
			break
		}
	}
	require.Zero(t, p.metric(`hubgate_connections_opened_total{generation="aspnet",transport="ServerSentEvents"}`), "it is the same connection")
}

// What comes back to a connection that is not there any more is told so, in a frame that stops the
// client.
func TestAspNetClientOfAnEarlierRunIsStopped(t *testing.T) {
	t.Parallel()
	first := start(t, "--mode=default")
	first.aspnetApplication("app")
	c := first.aspnet("app", "ann").open()
	require.Zero(t, first.stop())

	p := start(t, "--mode=default")
	c.p = p
	c.socket("reconnect", url.Values{"messageId": {c.cursor}})
	require.Regexp(t, `"E":"[^"]+"`, c.next())
}

// Each generation has hubs of its own: an application called app with the hub chat is no hub
// app_chat of ASP.NET Core, whatever REST and hub servers say about it.
func TestGenerationsDoNotMix(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	old := p.aspnetApplication("app")
	core := newApplication("app_chat", "s1")
	core.serve(t, p)
	core.ready(t)
	c := p.aspnet("app", "ann").open()
	client := old.want("opened")
	ann := p.connect("app_chat", "ann")

	ann.send(`{"type":1,"target":"say","arguments":["from the core"]}`)
	require.Contains(t, ann.next(), "from the core")
	require.NoError(t, old.Broadcast("old", []byte(`[]`)))
	wantMessage(t, c.next(), "old", `[]`)

	for path, reached := range map[string]string{
		"/:send": "1", "/users/ann/:send": "1", "/connections/" + client.ID + "/:send": "0", "/groups/hg-Chat.room/:send": "0", "/groups/h:app_chat/:send": "0",
	} {
		require.Equal(t, reached, p.restMatched(http.MethodPost, "/api/hubs/app_chat"+path), path)
		require.Equal(t, "0", p.restMatched(http.MethodPost, "/api/hubs/app"+path), path)
	}
	for _, target := range []string{hello} {
		_ = target
		require.Contains(t, ann.next(), `"hello"`)
		require.Contains(t, ann.next(), `"hello"`)
	}
	for _, request := range []struct{ method, path, want string }{
		{http.MethodGet, "/connections/" + client.ID, "404"},
		{http.MethodDelete, "/connections/" + client.ID, "404"},
		{http.MethodGet, "/users/ann", "200"}, // of the core
		{http.MethodGet, "/groups/h:app_chat", "404"},
		{http.MethodPut, "/groups/room/connections/" + client.ID, "404"},
		{http.MethodPost, "/:closeConnections", "204"},
	} {
		require.Equal(t, request.want, p.restStatus(request.method, "/api/hubs/app_chat"+request.path, ""), "%v", request)
	}
	ann.wantClose(false)
	c.call(1, "Echo", `"still there"`)
	require.JSONEq(t, `{"I":"1","R":"still there"}`, c.next())
}

// restMatched sends a message and returns how many clients it was for.
func (p *program) restMatched(method, path string) string {
	p.t.Helper()
	token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
	require.NoError(p.t, err)
	req, err := http.NewRequest(method, p.URL+path+"?api-version=2022-06-01", strings.NewReader(hello))
	require.NoError(p.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hubgate-Count", "true")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusAccepted, resp.StatusCode, "%s", body)
	return resp.Header.Get("X-Hubgate-Matched")
}

// Hub servers of the older generation have a path of their own, where each hub and the application
// itself connect, and no other name does.
func TestH11AspNetServersConnect(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	p.aspnetApplication("App")
	p.wantMetrics(`hubgate_server_connections{hub="aspnet:app",kind="Default"} 4`)
	for _, path := range []string{"/aspnetserver/", "/aspnetserver", "/AspNetServer/"} {
		for hub, want := range map[string]int{"app_chat": http.StatusUpgradeRequired, "app": http.StatusBadRequest, "app chat": http.StatusBadRequest} {
			token, err := auth.SignAspNetServer(auth.EmulatorKey, p.URL, hub, "s1", time.Minute)
			require.NoError(t, err)
			status, text := p.request(http.MethodGet, p.URL+path+"?hub="+url.QueryEscape(hub), "", "Authorization", "Bearer "+token)
			require.Equal(t, want, status, "%s %s: %s", path, hub, text)
			status, _ = p.request(http.MethodGet, p.URL+"/server/?hub="+url.QueryEscape(hub), "", "Authorization", "Bearer "+token)
			require.GreaterOrEqual(t, status, 400, "a token of the other generation")
		}
	}
}

// Quotas count the clients of both generations together.
func TestAspNetQuotas(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default", "--limits-max-connections=2")
	app := p.aspnetApplication("app")
	core := newApplication("chat", "s1")
	core.serve(t, p)
	core.ready(t)
	p.connect("chat", "ann")
	p.aspnet("app", "bob").open()
	app.want("opened")
	late := &aspnetClient{p: p, token: p.aspnetToken("app", "cat")}
	status, text := late.get("negotiate", nil)
	require.Equal(t, http.StatusTooManyRequests, status, text)
	require.Equal(t, "429", p.enter("chat", auth.ClientTokenSpec{}))
	p.wantMetrics(`hubgate_client_requests_refused_total{generation="aspnet",reason="TooManyConnections"} 1`,
		`hubgate_client_requests_refused_total{generation="aspnetcore",reason="TooManyConnections"} 1`)
}

// Diagnostic clients of the older generation are such clients too.
func TestAspNetDiagnosticClients(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default", "--limits-max-diagnostic-connections=1")
	app := p.aspnetApplication("app")
	token, err := auth.SignAspNetClient(auth.EmulatorKey, p.URL, auth.ClientTokenSpec{Application: "app", Diagnostic: true})
	require.NoError(t, err)
	c := &aspnetClient{p: p, token: token}
	c.negotiate()
	c.open()
	client := app.want("opened")
	require.Contains(t, fmt.Sprint(client.Headers), "Asrs-Is-Diagnostic-Client")
	status, text := (&aspnetClient{p: p, token: token}).get("negotiate", nil)
	require.Equal(t, http.StatusTooManyRequests, status, text)
	p.aspnet("app", "ann").open()
}

// A gateway that stops moves clients on long polling and lets the others find out.
func TestAspNetDrain(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	app := p.aspnetApplication("app")
	c := p.aspnet("app", "ann").open()
	app.want("opened")
	poller := aspnetTransports["longPolling"](p.aspnet("app", "bob")).(*pollClient)
	app.want("opened")
	polled := make(chan string, 1)
	go func() { polled <- poller.poll() }()
	p.wantMetrics(`hubgate_connections{generation="aspnet",hub="aspnet:app",transport="LongPolling"} 1`)
	p.cancel()
	require.JSONEq(t, `{"C":"0","T":1,"M":[]}`, <-polled)
	_, _, err := c.conn.ReadMessage()
	require.Error(t, err, "no frame says that the client should stop")
	<-p.ended
	require.Zero(t, p.code)
}

// The mode of an application is that of its name. Serverless mode has neither its clients nor its
// servers.
func TestAspNetModes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	writeFile(t, file, "mode: serverless\nhubs: {shop.startup: {mode: default}}\n")
	p := start(t, "--config", file)
	app := p.aspnetApplication("Shop.Startup")
	c := p.aspnet("Shop.Startup", "ann").open()
	app.want("opened")

	other := &aspnetClient{p: p, token: p.aspnetToken("Other", "ann")}
	other.wantServerless()

	writeFile(t, file, "mode: serverless\n")
	require.Regexp(t, `"E":"[^"]+"`, c.next())
	p.wantMetrics(`hubgate_connections_closed_total{reason="ServiceModeSwitched"} 1`, `hubgate_server_connections_closed_total{reason="ModeSwitched"} 4`)
	c.wantServerless()
	_, err := p.tryAspNetApplication("Shop.Startup")
	require.ErrorContains(t, err, "Serverless")
}

// wantServerless negotiates once more. Clients show what they are told.
func (c *aspnetClient) wantServerless() {
	c.p.t.Helper()
	status, answer := c.get("negotiate", nil)
	require.Equal(c.p.t, http.StatusOK, status, answer)
	require.Regexp(c.p.t, `"Error":"[^"]*Serverless`, answer)
	require.Contains(c.p.t, answer, `"ConnectionToken":""`)
}

// Clients that are connected when the clocks change are kept alive by the new ones.
func TestAspNetClocksReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	writeFile(t, file, "aspnet: {keepAlive: 100s, timeout: 200s, disconnectTimeout: 300s}\n")
	p := start(t, "--mode=default", "--config", file)
	app := p.aspnetApplication("app")
	c := p.aspnet("app", "ann").open()
	app.want("opened")
	writeFile(t, file, "aspnet: {keepAlive: 1s, timeout: 2s, disconnectTimeout: 3s}\n")
	require.Equal(t, "{}", c.anything())
	require.NoError(t, c.conn.NetConn().Close())
	app.want("closed")
	p.wantMetrics(`hubgate_connections_closed_total{reason="DisconnectTimeout"} 1`)
}

// Pages of another origin can read the refusals of the endpoint, also the early ones; clients below a
// path are told it; JSONP is refused.
func TestAspNetPathsAndOrigins(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default", "--public-url=https://gw.example/gate")
	token, err := auth.SignAspNetClient(auth.EmulatorKey, "https://gw.example/gate", auth.ClientTokenSpec{Application: "app"})
	require.NoError(t, err)
	local := "http://" + p.Address
	for _, base := range []string{local, local + "/gate"} {
		status, answer := p.request(http.MethodGet, base+"/aspnetclient/negotiate?clientProtocol=2.1", "", "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, status, answer)
		require.Contains(t, answer, `"Url":"/gate/aspnetclient"`)
	}
	for _, path := range []string{"/aspnetclient/negotiate", "/aspnetclient/nothing", "/AspNetClient/ping", "/aspnetclient/ping?" + strings.Repeat("x", 20<<10)} {
		req, err := http.NewRequest(http.MethodGet, local+path, nil)
		require.NoError(t, err)
		req.Header.Set("Origin", "https://page.example")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.GreaterOrEqual(t, resp.StatusCode, 400, path)
		require.Equal(t, "https://page.example", resp.Header.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "true", resp.Header.Get("Access-Control-Allow-Credentials"), path)
	}
	status, text := p.get(local + "/aspnetserver/?hub=app_app")
	require.Equal(t, http.StatusUnauthorized, status, text)
	status, text = p.get(local + "/aspnetserver/?hub=app_app&x=" + strings.Repeat("x", 20<<10))
	require.Equal(t, http.StatusRequestURITooLong, status, text)
	_, front := p.get(local + "/")
	require.Contains(t, front, "/aspnetclient")
}

// Those who watch see the clients, servers and messages of an application.
func TestAspNetInTheLiveView(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	app := p.aspnetApplication("app")
	b := launch(t, "watch", "--admin", p.Admin, "--hub", "aspnet:App")
	b.errs.want(t, "watching ")
	c := p.aspnet("app", "ann").open()
	client := app.want("opened")
	b.out.want(t, "connection opened hub=aspnet:app user=ann connection="+client.ID+" transport=WebSockets protocol=aspnet")
	require.NoError(t, app.Broadcast("news", []byte(`["x"]`)))
	wantMessage(t, c.next(), "news", `["x"]`)
	b.out.want(t, `send       Chat.news("x") hub=aspnet:app to=all:app_chat by=server matched=1 written=1`)
	require.NoError(t, app.User("bob", "news", []byte(`["x"]`)))
	b.out.want(t, `hub=aspnet:app to=users:bob by=server matched=0`)
	require.NoError(t, app.Group("room", "news", []byte(`["x"]`)))
	b.out.want(t, `hub=aspnet:app to=groups:Chat.room by=server matched=0`)
	p.logs.want(t, "to=users names=bob")
	p.wantMetrics(`hubgate_sends_unheard_total{to="users"} 1`, `hubgate_sends_unheard_total{to="groups"} 1`)
	require.NoError(t, app.Drop(client, "go away"))
	require.Regexp(t, `"E":"go away"`, c.next())
	b.out.want(t, "reason=ClosedByAppServer")
}

// The load of the command bench, with the command's own application.
func TestBenchWithAspNetClients(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	for _, load := range [][]string{{"--count", "5"}, {"--echo", "--count", "50"}, {"--to-users", "--count", "20"}} {
		args := append([]string{"bench", "--aspnet", "--quiet", "--clients", "20", "--connection-string", p.connectionString()}, load...)
		code, out, stderr := command(args...)
		require.Zero(t, code, stderr)
		require.Contains(t, out, "deliver")
	}
	code, _, stderr := command("bench", "--aspnet", "--no-negotiate", "--connection-string", p.connectionString())
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "negotiate")
}

// The name of a hub server is that of its application and of its hub: with several underscores it may
// mean several applications. Those that nobody serves have no series, for which alerts would fire.
func TestAspNetNamesThatMayMeanSeveralApplications(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode=default")
	app := p.aspnetApplication("my_app")
	c := p.aspnet("my_app", "ann").open()
	app.want("opened")
	require.NoError(t, app.Broadcast("news", []byte(`[]`)))
	wantMessage(t, c.next(), "news", `[]`)
	p.wantMetrics(`hubgate_server_connections{hub="aspnet:my_app",kind="Default"} 4`, `hubgate_server_clients{hub="aspnet:my_app"} 1`)
	_, text := p.get(p.Admin + "/metrics")
	require.NotContains(t, text, `hub="aspnet:my"`)
	require.NotContains(t, p.logs.String(), "message for nobody")
}
