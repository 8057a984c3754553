package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func startFloor(t *testing.T) *httptest.Server {
	t.Helper()
	f := newFloor(2)
	srv := httptest.NewServer(f)
	t.Cleanup(func() {
		srv.Close()
		f.close()
	})
	return srv
}

func connect(t *testing.T, srv *httptest.Server) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/client/?hub=bench", nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	require.Equal(t, "{}\x1e", read(t, c))
	return c
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	kind, data, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, websocket.TextMessage, kind)
	return string(data)
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestEveryClientGetsEveryFrame(t *testing.T) {
	srv := startFloor(t)
	clients := []*websocket.Conn{connect(t, srv), connect(t, srv), connect(t, srv)}
	for _, size := range []int{1, 125, 200, 70_000} {
		text := strings.Repeat("x", size)
		require.Equal(t, http.StatusAccepted, post(t, srv.URL+"/send?count=3", fmt.Sprintf(`{"target":"m","arguments":[%q]}`, text)))
		for _, c := range clients {
			for range 3 {
				require.Equal(t, fmt.Sprintf("{\"type\":1,\"target\":\"m\",\"arguments\":[%q]}\x1e", text), read(t, c))
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	srv := startFloor(t)
	require.Equal(t, http.StatusBadRequest, post(t, srv.URL+"/send", "no object"))
	require.Equal(t, http.StatusBadRequest, post(t, srv.URL+"/send?count=0", "{}"))
	require.Equal(t, http.StatusRequestEntityTooLarge, post(t, srv.URL+"/send", strings.Repeat("x", maxBody+1)))
	require.Equal(t, http.StatusNotFound, post(t, srv.URL+"/other", "{}"))
	resp, err := http.Get(srv.URL + "/client/?hub=bench")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

func TestEchoSendsBackWhatComes(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(srv.Close)
	c := connect(t, srv)
	for _, text := range []string{"a", strings.Repeat("b", 10_000)} {
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(text)))
		require.Equal(t, text, read(t, c))
	}
}

func TestRunSaysWhereItListensAndEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var out addressWriter
	out.got = make(chan string, 1)
	done := make(chan error, 1)
	go func() { done <- run(ctx, options{listen: "127.0.0.1:0"}, &out) }()
	line := <-out.got
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, ok, line)
	require.Equal(t, http.StatusAccepted, post(t, url+"/send", `{"target":"m","arguments":[]}`))
	cancel()
	require.NoError(t, <-done)
}

type addressWriter struct {
	buf bytes.Buffer
	got chan string
}

func (w *addressWriter) Write(p []byte) (int, error) {
	n, err := w.buf.Write(p)
	if strings.HasSuffix(w.buf.String(), "\n") {
		w.got <- w.buf.String()
	}
	return n, err
}

func TestFloorOverTLS(t *testing.T) {
	f := newFloor(2)
	srv := httptest.NewTLSServer(f)
	t.Cleanup(func() {
		srv.Close()
		f.close()
	})
	dialer := websocket.Dialer{TLSClientConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig}
	c, _, err := dialer.Dial("wss"+strings.TrimPrefix(srv.URL, "https")+"/client/?hub=bench", nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	require.Equal(t, "{}\x1e", read(t, c))
	resp, err := srv.Client().Post(srv.URL+"/send", "application/json", strings.NewReader(`{"target":"m","arguments":[]}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "{\"type\":1,\"target\":\"m\",\"arguments\":[]}\x1e", read(t, c))
}
