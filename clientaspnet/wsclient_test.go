package clientaspnet

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// wsClient is a client's WebSocket with expectations.
type wsClient struct {
	*websocket.Conn
	t *testing.T
	c *testClient
}

// tryDial opens a WebSocket and returns the answer if that is refused.
func (f *fixture) tryDial(command, query string, header http.Header) (*websocket.Conn, response) {
	f.t.Helper()
	dialer := &websocket.Dialer{NetDialContext: f.network.Dial}
	conn, res, err := dialer.Dial("ws://hub.example/aspnetclient/"+command+"?"+query, header)
	if err != nil {
		require.NotNil(f.t, res, "%v", err)
		body, _ := io.ReadAll(res.Body)
		return nil, response{res.StatusCode, res.Header, string(body)}
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return conn, response{status: res.StatusCode, header: res.Header}
}

// dial opens a WebSocket by connect or reconnect, with the token in the query as browsers have it.
func (c *testClient) dial(command, more string) *wsClient {
	c.t.Helper()
	conn, res := c.f.tryDial(command, c.query("webSockets", more)+"&access_token="+c.token+"&tid=3", nil)
	require.NotNil(c.t, conn, "refused: %d %s", res.status, res.body)
	return &wsClient{conn, c.t, c}
}

// connect opens a WebSocket up to its start.
func (c *testClient) connect() *wsClient {
	c.t.Helper()
	ws := c.dial("connect", "")
	ws.wantInit()
	c.start("webSockets")
	return ws
}

// connected is a new client of a user with a WebSocket.
func (f *fixture) connected(user string) (*testClient, *wsClient) {
	f.t.Helper()
	c := f.negotiate(f.user(user))
	return c, c.connect()
}

func (ws *wsClient) say(text string) {
	ws.t.Helper()
	require.NoError(ws.t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}

// next is the next text message.
func (ws *wsClient) next() string {
	ws.t.Helper()
	require.NoError(ws.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	kind, text, err := ws.ReadMessage()
	require.NoError(ws.t, err)
	require.Equal(ws.t, websocket.TextMessage, kind)
	ws.c.saw(string(text))
	return string(text)
}

func (ws *wsClient) wantInit() {
	ws.t.Helper()
	require.Equal(ws.t, `{"C":"0","S":1,"M":[]}`, ws.next())
}

// want is a frame with one message of broadcast.
func (ws *wsClient) want(text string) {
	ws.t.Helper()
	require.Equal(ws.t, `[`+message(text)+`]`, messages(ws.t, ws.next()))
}

// wantError is an error, and then the end.
func (ws *wsClient) wantError(text string) {
	ws.t.Helper()
	require.Equal(ws.t, text, parse[struct{ E string }](ws.t, ws.next()).E)
	ws.wantClose(websocket.CloseNormalClosure)
}

// wantClose is a Close frame.
func (ws *wsClient) wantClose(code int) {
	ws.t.Helper()
	require.NoError(ws.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	_, text, err := ws.ReadMessage()
	require.True(ws.t, websocket.IsCloseError(err, code), "%v, %s", err, text)
}

// cut ends the TCP connection without a word.
func (ws *wsClient) cut() { _ = ws.NetConn().Close() }
