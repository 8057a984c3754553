package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench/aspnethub"
)

// aspnetEvent is what an application of ASP.NET SignalR was told of a client.
type aspnetEvent struct {
	what   string // opened, reconnected or closed
	client *aspnethub.Client
}

// aspnetApplication is an application with the hub Chat.
type aspnetApplication struct {
	*aspnethub.Server
	t      *testing.T
	events chan aspnetEvent
}

// aspnetApplication connects one with that name, which calls back with what it is called with.
func (p *program) aspnetApplication(name string) *aspnetApplication {
	p.t.Helper()
	a, err := p.tryAspNetApplication(name)
	require.NoError(p.t, err)
	p.t.Cleanup(a.Close)
	return a
}

// tryAspNetApplication connects one that may be refused.
func (p *program) tryAspNetApplication(name string) (a *aspnetApplication, err error) {
	p.t.Helper()
	at, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	a = &aspnetApplication{t: p.t, events: make(chan aspnetEvent, 1000)}
	tell := func(what string) func(*aspnethub.Client) {
		return func(c *aspnethub.Client) { a.events <- aspnetEvent{what, c} }
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	a.Server, err = aspnethub.Start(ctx, aspnethub.App{
		Name: name, Hub: "Chat", Gateway: at, Connections: 2,
		Token: func(hub string) (string, error) {
			return auth.SignAspNetServer(auth.EmulatorKey, p.URL, hub, "s1", time.Hour)
		},
		Opened: tell("opened"), Reconnected: tell("reconnected"), Closed: tell("closed"),
	})
	return a, err
}

// want waits until the application was told that.
func (a *aspnetApplication) want(what string) *aspnethub.Client {
	a.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-a.events:
			if e.what == what {
				return e.client
			}
		case <-deadline:
			require.Fail(a.t, "the application was not told", what)
		}
	}
}

// aspnetClient is a client of ASP.NET SignalR that has negotiated.
type aspnetClient struct {
	p     *program
	token string
	// Negotiated is the answer, by its members' names.
	negotiated map[string]any
	conn       *websocket.Conn
	// cursor is the last one that it has seen.
	cursor string
}

// aspnet negotiates a client of the application that has declared the hub Chat.
func (p *program) aspnet(application, user string) *aspnetClient {
	p.t.Helper()
	c := &aspnetClient{p: p, token: p.aspnetToken(application, user)}
	c.negotiate()
	return c
}

func (c *aspnetClient) negotiate() {
	c.p.t.Helper()
	status, answer := c.get("negotiate", nil)
	require.Equal(c.p.t, http.StatusOK, status, answer)
	require.NoError(c.p.t, json.Unmarshal([]byte(answer), &c.negotiated))
}

func (p *program) aspnetToken(application, user string) string {
	p.t.Helper()
	token, err := auth.SignAspNetClient(auth.EmulatorKey, p.URL, auth.ClientTokenSpec{Application: application, UserID: user})
	require.NoError(p.t, err)
	return token
}

// url is that of a command.
func (c *aspnetClient) url(command, transport string, more url.Values) string {
	query := url.Values{"clientProtocol": {"2.1"}, "connectionData": {`[{"name":"chat"}]`}}
	if transport != "" {
		query.Set("transport", transport)
	}
	if token, ok := c.negotiated["ConnectionToken"].(string); ok {
		query.Set("connectionToken", token)
	}
	for name, values := range more {
		query[name] = values
	}
	return c.p.URL + "/aspnetclient/" + command + "?" + query.Encode()
}

// get makes a GET request with the token in its header.
func (c *aspnetClient) get(command string, more url.Values) (status int, answer string) {
	c.p.t.Helper()
	return c.p.request(http.MethodGet, c.url(command, more.Get("transport"), more), "", "Authorization", "Bearer "+c.token)
}

// post makes a POST request with a form.
func (c *aspnetClient) post(command, transport string, form url.Values) (status int, answer string) {
	c.p.t.Helper()
	return c.p.request(http.MethodPost, c.url(command, transport, nil), form.Encode(),
		"Authorization", "Bearer "+c.token, "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
}

// socket connects with a WebSocket, by connect or reconnect.
func (c *aspnetClient) socket(command string, more url.Values) {
	c.p.t.Helper()
	u := c.url(command, "webSockets", more) + "&access_token=" + c.token
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(u, "http"), nil)
	if resp != nil && err != nil {
		body, _ := io.ReadAll(resp.Body)
		err = fmt.Errorf("%w: %s: %s", err, resp.Status, body)
	}
	require.NoError(c.p.t, err)
	c.p.t.Cleanup(func() { conn.Close() })
	c.conn = conn
}

// open connects with a WebSocket and starts.
func (c *aspnetClient) open() *aspnetClient {
	c.p.t.Helper()
	c.socket("connect", nil)
	c.wantInit(c.next())
	c.start("webSockets")
	return c
}

func (c *aspnetClient) start(transport string) {
	c.p.t.Helper()
	status, answer := c.get("start", url.Values{"transport": {transport}})
	require.Equal(c.p.t, http.StatusOK, status)
	require.JSONEq(c.p.t, `{"Response":"started"}`, answer)
}

func (c *aspnetClient) wantInit(frame string) {
	c.p.t.Helper()
	var init struct {
		C string
		S int
		M []any
	}
	require.NoError(c.p.t, json.Unmarshal([]byte(frame), &init), frame)
	require.Equal(c.p.t, 1, init.S, frame)
	require.NotEmpty(c.p.t, init.C)
	require.NotNil(c.p.t, init.M)
	c.cursor = init.C
}

// anything is the next frame of the WebSocket, also a keep-alive.
func (c *aspnetClient) anything() string {
	c.p.t.Helper()
	require.NoError(c.p.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
	_, data, err := c.conn.ReadMessage()
	require.NoError(c.p.t, err)
	c.saw(string(data))
	return string(data)
}

// saw keeps the frame's cursor.
func (c *aspnetClient) saw(frame string) {
	var with struct{ C string }
	if json.Unmarshal([]byte(frame), &with) == nil && with.C != "" {
		c.cursor = with.C
	}
}

// next is the next frame that is no keep-alive.
func (c *aspnetClient) next() string {
	c.p.t.Helper()
	for {
		if frame := c.anything(); frame != "{}" {
			return frame
		}
	}
}

// call calls a method over the WebSocket.
func (c *aspnetClient) call(id int, method, arguments string) {
	c.p.t.Helper()
	text := fmt.Sprintf(`{"H":"chat","M":%q,"A":[%s],"I":%d}`, method, arguments, id)
	require.NoError(c.p.t, c.conn.WriteMessage(websocket.TextMessage, []byte(text)))
}
