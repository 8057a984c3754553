package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// refresher is a client by any transport whose connection ends with its token.
type refresher struct {
	*program
	token, id string
	// records are what it is sent; closed when its transport ends.
	records chan string
}

func (p *program) passing(lifetime time.Duration) string {
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann", Lifetime: lifetime, CloseOnExpiry: true})
	require.NoError(p.t, err)
	return token
}

func (c *refresher) url(more string) string { return c.URL + "/client/?hub=chat&id=" + c.id + more }

func (c *refresher) post(body string) {
	status, answer := c.request(http.MethodPost, c.url(""), body, "Authorization", "Bearer "+c.token)
	require.Equal(c.t, http.StatusOK, status, answer)
}

// refresher connects such a client.
func (p *program) refresher(transport string) *refresher {
	c := &refresher{program: p, token: p.passing(time.Hour), records: make(chan string, 16)}
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+c.token)
	require.Equal(p.t, http.StatusOK, status, answer)
	var n struct{ ConnectionToken string }
	require.NoError(p.t, json.Unmarshal([]byte(answer), &n))
	c.id = n.ConnectionToken
	switch transport {
	case "WebSockets":
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.url("&access_token="+c.token), "http"), nil)
		require.NoError(p.t, err)
		p.t.Cleanup(func() { ws.Close() })
		require.NoError(p.t, ws.WriteMessage(websocket.TextMessage, []byte(`{"protocol":"json","version":1}`+"\x1e")))
		go c.read(func() (string, error) { _, data, err := ws.ReadMessage(); return string(data), err })
	case "ServerSentEvents":
		req, err := http.NewRequest(http.MethodGet, c.url("&access_token="+c.token), nil)
		require.NoError(p.t, err)
		req.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(p.t, err)
		p.t.Cleanup(func() { resp.Body.Close() })
		lines := bufio.NewReader(resp.Body)
		c.post(`{"protocol":"json","version":1}` + "\x1e")
		go c.read(func() (string, error) { return lines.ReadString('\n') })
	case "LongPolling":
		c.poll()
		c.post(`{"protocol":"json","version":1}` + "\x1e")
		go c.read(c.poll)
	}
	require.Contains(p.t, <-c.records, "{}")
	return c
}

func (c *refresher) poll() (string, error) {
	req, err := http.NewRequest(http.MethodGet, c.url(""), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(body), err
}

func (c *refresher) read(next func() (string, error)) {
	defer close(c.records)
	for {
		text, err := next()
		if err != nil {
			return
		}
		for record := range bytes.SplitSeq([]byte(text), []byte{0x1e}) {
			if bytes.Contains(record, []byte("{")) && !bytes.Contains(record, []byte(`"type":6`)) {
				c.records <- string(record)
			}
		}
	}
}

func (c *refresher) refresh(lifetime time.Duration) (int, string) {
	return c.request(http.MethodPost, c.URL+"/client/refresh?hub=chat&id="+c.id, "", "Authorization", "Bearer "+c.passing(lifetime))
}

// In every mode and with every transport a client lives as long as its last token, and is closed with it.
func TestRefreshInEveryModeAndTransport(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"serverless", "default", "classic"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := start(t, "--mode="+mode)
			if mode == "default" {
				app := newApplication("Chat", "s1")
				app.serve(t, p)
				app.ready(t)
			}
			for _, transport := range []string{"WebSockets", "ServerSentEvents", "LongPolling"} {
				t.Run(transport, func(t *testing.T) {
					c := p.refresher(transport)
					status, answer := c.refresh(2 * time.Hour)
					require.Equal(t, http.StatusOK, status, answer)
					require.Contains(t, answer, `{"tokenLifetimeSeconds":7`)
					status, answer = c.rest(http.MethodPost, "/api/hubs/chat/users/ann/:send?api-version=2022-06-01", hello)
					require.Equal(t, http.StatusAccepted, status, answer)
					require.Contains(t, <-c.records, "hello")

					status, answer = c.refresh(-time.Second) // within the leeway, and at its end
					require.Equal(t, http.StatusOK, status, answer)
					require.Contains(t, <-c.records, `"type":7`)
					for range c.records { // until its transport has ended
					}
					status, answer = c.refresh(time.Hour)
					require.Equal(t, http.StatusNotFound, status)
					require.Equal(t, `{"error":"connection_not_found"}`, answer)
				})
			}
		})
	}
}
