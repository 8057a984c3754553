package clientws

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

// wsClient is a WebSocket client with expectations.
type wsClient struct {
	*websocket.Conn
	t *testing.T
}

func (f *fixture) dialer() *websocket.Dialer {
	return &websocket.Dialer{NetDialContext: f.network.Dial}
}

// tryDial opens a WebSocket and returns the answer if that is refused.
func (f *fixture) tryDial(query string, header http.Header) (*wsClient, response) {
	f.t.Helper()
	conn, res, err := f.dialer().Dial("ws://hub.example/client/?"+query, header)
	if err != nil {
		require.NotNil(f.t, res, "%v", err)
		body, _ := io.ReadAll(res.Body)
		return nil, response{res.StatusCode, res.Header, string(body)}
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return &wsClient{conn, f.t}, response{status: res.StatusCode, header: res.Header}
}

func (f *fixture) dial(query string) *wsClient {
	f.t.Helper()
	ws, res := f.tryDial(query, nil)
	require.NotNil(f.t, ws, "refused: %d %s", res.status, res.body)
	return ws
}

// open connects a WebSocket client of a user up to its handshake.
func (f *fixture) open(user string) (*wsClient, string) {
	f.t.Helper()
	token := f.user(user)
	n := f.negotiate(token)
	ws := f.dial(n.query() + "&access_token=" + token)
	ws.say(jsonHandshake)
	ws.want("{}\x1e")
	return ws, n.ConnectionID
}

// drain reads until the end.
func (ws *wsClient) drain() {
	_ = ws.SetReadDeadline(time.Time{})
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
	}
}

func (ws *wsClient) say(text string) {
	ws.t.Helper()
	require.NoError(ws.t, ws.WriteMessage(websocket.TextMessage, []byte(text)))
}

func (ws *wsClient) wantMessage(opcode int, text string) {
	ws.t.Helper()
	require.NoError(ws.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	got, message, err := ws.ReadMessage()
	require.NoError(ws.t, err)
	require.Equal(ws.t, text, string(message))
	require.Equal(ws.t, opcode, got, "opcode")
}

// next is the next message.
func (ws *wsClient) next() string {
	ws.t.Helper()
	require.NoError(ws.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	_, message, err := ws.ReadMessage()
	require.NoError(ws.t, err)
	return string(message)
}

func (ws *wsClient) want(text string) {
	ws.t.Helper()
	ws.wantMessage(websocket.TextMessage, text)
}

// wantClose reads until the end, which must be a Close frame with the code.
func (ws *wsClient) wantClose(code int) {
	ws.t.Helper()
	require.NoError(ws.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
	for {
		_, message, err := ws.ReadMessage()
		if err == nil {
			require.Contains(ws.t, string(message), `"type"`, "unexpected record before the end")
			continue
		}
		require.True(ws.t, websocket.IsCloseError(err, code), "%v", err)
		return
	}
}
