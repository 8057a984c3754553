package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/serviceprotocol"
)

var defaultMode = []string{"--mode", "default"}

// Effects on the connections of hub servers.
var serverEffects = map[string]func(*testing.T) effect{
	"servers-grace-period": func(*testing.T) effect {
		return effect{unusual: "5m", with: defaultMode, before: "closed", after: "waits", see: func(t *testing.T, p *program) string {
			app := newApplication("chat", "s1")
			app.serve(t, p)
			app.ready(t)
			p.connect("chat", "ann")
			app.kill()
			return eventually(t, func() string {
				_, text := p.get(p.Admin + "/metrics")
				switch {
				case closedSeries.MatchString(text):
					return "closed"
				case strings.Contains(text, "hubgate_server_clients_waiting{hub=\"chat\"} 1\n"):
					return "waits"
				}
				return ""
			})
		}}
	},
	"servers-migration-timeout": func(t *testing.T) effect {
		return effect{usual: "24h", unusual: "50ms", with: defaultMode, before: never, after: "The hub server that was handling the invocation has shut down.", see: func(t *testing.T, p *program) string {
			c, old := seeMove(t, p)
			moved := make(chan error, 1)
			go func() { moved <- old.Shutdown(context.Background(), hubserver.MigrateClients()) }()
			defer func() { <-moved }()
			return outcome(t, c.next())
		}}
	},
	"servers-result-timeout": func(*testing.T) effect {
		return effect{usual: "24h", unusual: "1s", with: defaultMode, before: never, after: "no result", see: func(t *testing.T, p *program) string {
			app := newApplication("chat", "s1")
			app.hub.Handle("ask", func(ctx *hubserver.Context) (string, error) {
				_, err := hubserver.Invoke[string](ctx, ctx.Caller(), "answer")
				require.Error(t, err)
				return "no result", nil
			})
			app.hub.Parallel = 2
			app.serve(t, p)
			app.ready(t)
			c := p.connect("chat", "ann")
			return strings.TrimPrefix(c.result("ask", ""), "result ")
		}}
	},
	"servers-max-connections": func(*testing.T) effect {
		return effect{unusual: "1", with: defaultMode, before: "taken", after: "refused", see: func(t *testing.T, p *program) string {
			p.hubServer()
			if refused := p.serverHandshake("/server/", serviceprotocol.KindDefault).Error; refused != "" {
				require.Contains(t, refused, "connections")
				return "refused"
			}
			return "taken"
		}}
	},
	"servers-message-bytes": func(*testing.T) effect {
		return effect{unusual: "1KiB", with: defaultMode, before: "taken", after: "closed", see: func(t *testing.T, p *program) string {
			conn := p.hubServer()
			m := serviceprotocol.JoinGroup{ConnectionID: "nobody", Group: strings.Repeat("x", 2000)}
			require.NoError(t, conn.WriteMessage(websocket.BinaryMessage, m.Append(nil)))
			return eventually(t, func() string {
				switch {
				case p.metric("hubgate_server_messages_received_total") > 0:
					return "taken"
				case p.metric(`hubgate_server_connections{hub="chat",kind="Default"}`) == 0:
					return "closed"
				}
				return ""
			})
		}}
	},
	"servers-queue-bytes": func(*testing.T) effect {
		return effect{unusual: "64MiB", with: defaultMode, before: never, after: "more than 8 MiB wait", see: func(t *testing.T, p *program) string {
			got := "given up"
			for range 5 {
				if got = fillQueue(t, p); got != "given up" {
					break
				}
			}
			return got
		}}
	},
	"servers-held-bytes": func(t *testing.T) effect {
		with := append([]string{"--servers-migration-timeout", "1h"}, defaultMode...)
		return effect{unusual: "16MiB", with: with, before: never, after: "more than 1 MiB are held", see: func(t *testing.T, p *program) string {
			c, old := seeMove(t, p)
			ctx, cancel := context.WithCancel(context.Background())
			moved := make(chan error, 1)
			go func() { moved <- old.Shutdown(ctx, hubserver.MigrateClients()) }()
			defer func() { cancel(); <-moved }()
			eventually(t, func() string {
				if p.metric(`hubgate_server_connections_leaving{hub="chat"}`) > 0 {
					return "leaving"
				}
				return ""
			})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range 40 {
					if c.conn.WriteMessage(websocket.TextMessage, []byte(invocation("2", 100_000)+"\x1e")) != nil {
						return
					}
				}
			}()
			defer func() { c.conn.Close(); <-sent }()
			return eventually(t, func() string {
				if p.metric(`hubgate_messages_received_total{hub="chat"}`) > 20 {
					return "more than 1 MiB are held"
				}
				return ""
			})
		}}
	},
}

// fillQueue sends to a hub server that reads nothing. It returns "given up" if the gateway did so to that one before enough had
// come, as it does after half a minute.
func fillQueue(t *testing.T, p *program) string {
	server := p.hubServer()
	defer server.Close()
	c := p.connectAt(server)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range 32 {
			if c.conn.WriteMessage(websocket.TextMessage, []byte(invocation("1", 1<<20)+"\x1e")) != nil {
				return
			}
		}
	}()
	defer func() { c.conn.Close(); <-sent }()
	return eventually(t, func() string {
		switch {
		case p.metric(`hubgate_server_queued_bytes{hub="chat"}`) > 8<<20:
			return "more than 8 MiB wait"
		case p.metric(`hubgate_server_connections{hub="chat",kind="Default"}`) == 0:
			return "given up"
		}
		return ""
	})
}

// seeMove connects a client whose invocation is under way at a hub server, and a
// second hub server.
func seeMove(t *testing.T, p *program) (c *client, old *application) {
	old = newApplication("chat", "s1")
	entered := make(chan struct{})
	old.hub.Handle("hang", func(ctx *hubserver.Context) error {
		close(entered)
		<-ctx.Done()
		return nil
	})
	old.serve(t, p)
	old.ready(t)
	c = p.connect("chat", "ann")
	c.send(`{"type":1,"invocationId":"1","target":"hang","arguments":[]}`)
	<-entered
	next := newApplication("chat", "s2")
	next.serve(t, p)
	next.ready(t)
	return c, old
}

// connectAt connects a client to the hub server and accepts it there. From then on
// the hub server does not read.
func (p *program) connectAt(server *websocket.Conn) *client {
	p.t.Helper()
	c := p.dial("chat", auth.ClientTokenSpec{})
	c.send(`{"protocol":"json","version":1}`)
	for opened := ""; opened == ""; {
		_, data, err := server.ReadMessage()
		require.NoError(p.t, err)
		for len(data) > 0 {
			body, rest, err := serviceprotocol.Cut(data, len(data))
			require.NoError(p.t, err)
			m, err := serviceprotocol.Parse(body)
			require.NoError(p.t, err)
			if m, ok := m.(*serviceprotocol.OpenConnection); ok {
				opened = m.ConnectionID
				answer := serviceprotocol.ConnectionData{ConnectionID: opened, Payload: []byte("{}\x1e")}
				require.NoError(p.t, server.WriteMessage(websocket.BinaryMessage, answer.Append(nil)))
			}
			data = rest
		}
	}
	require.Equal(p.t, `{}`, c.next())
	return c
}

// hubServer opens a server connection of the hub chat, which reads nothing.
func (p *program) hubServer() *websocket.Conn {
	p.t.Helper()
	return p.hubServerOf(serviceprotocol.KindDefault)
}

// hubServerOf is hubServer for a connection of that kind.
func (p *program) hubServerOf(kind serviceprotocol.ConnectionKind) *websocket.Conn {
	p.t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": "http://localhost/server/?hub=chat", "nameid": "raw", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(auth.EmulatorKey.Reveal()))
	require.NoError(p.t, err)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/server/?hub=chat&cid=raw", http.Header{"Authorization": {"Bearer " + token}})
	require.NoError(p.t, err)
	p.t.Cleanup(func() { conn.Close() })
	request := serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version, Kind: kind}
	require.NoError(p.t, conn.WriteMessage(websocket.BinaryMessage, request.Append(nil)))
	_, _, err = conn.ReadMessage()
	require.NoError(p.t, err)
	return conn
}
