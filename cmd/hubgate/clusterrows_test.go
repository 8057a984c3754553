package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// sendTo sends a text by REST to what the path names, below the hub chat.
func (p *program) sendTo(path, text string) {
	p.t.Helper()
	status, answer := p.rest(http.MethodPost, "/api/hubs/chat/"+path+"?api-version=2022-06-01", `{"target":"m","arguments":["`+text+`"]}`)
	require.Equal(p.t, http.StatusAccepted, status, answer)
}

// change adds or removes by REST, below the hub chat.
func (p *program) change(method, path string) {
	p.t.Helper()
	require.Contains(p.t, []string{"200", "204"}, p.restStatus(method, "/api/hubs/chat/"+path, ""))
}

// wants waits for messages with these texts, in this order, and nothing else between.
func (c *client) wants(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		require.JSONEq(c.t, `{"type":1,"target":"m","arguments":["`+text+`"]}`, c.next())
	}
}

// Three programs are one gateway for those who send.
func TestSendsOfOneNodeReachClientsOfAll(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	ann, bob, cid := three.a.connect("chat", "ann"), three.b.connect("chat", "bob"), three.c.connect("chat", "cid")
	t.Run("N3 all, a user, a connection, all but some", func(t *testing.T) {
		three.a.sendTo(":send", "all")
		three.b.sendTo("users/cid/:send", "user")
		three.c.sendTo("connections/"+ann.id+"/:send", "connection")
		status, answer := three.a.rest(http.MethodPost, "/api/hubs/chat/:send?api-version=2022-06-01&excluded="+bob.id, `{"target":"m","arguments":["rest"]}`)
		require.Equal(t, http.StatusAccepted, status, answer)
		three.a.sendTo(":send", "last")
		bob.wants("all", "last")
		for _, c := range []*client{ann, cid} { // two senders: no order between them
			got := []string{c.next(), c.next(), c.next(), c.next()}
			for _, text := range []string{"all", "rest", "last"} {
				require.True(t, slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, `"`+text+`"`) }), "%s in %v", text, got)
			}
		}
	})
	t.Run("N4 a join that was answered at one node holds at all", func(t *testing.T) {
		for i := range 20 {
			group := fmt.Sprint("room", i)
			three.a.change(http.MethodPut, "groups/"+group+"/connections/"+bob.id)
			three.c.sendTo("groups/"+group+"/:send", group)
			bob.wants(group)
		}
	})
	t.Run("N5 a client that has shaken hands gets what any node sends", func(t *testing.T) {
		for i := range 20 {
			c := three.b.connect("chat", fmt.Sprint("user", i))
			three.c.sendTo(fmt.Sprintf("users/user%d/:send", i), "user")
			c.wants("user")
			three.a.sendTo("connections/"+c.id+"/:send", "connection")
			c.wants("connection")
			c.leave()
		}
	})
	t.Run("N7 questions are asked of all nodes", func(t *testing.T) {
		require.Equal(t, "200", three.a.restStatus(http.MethodHead, "/api/hubs/chat/users/cid", ""))
		require.Equal(t, "404", three.a.restStatus(http.MethodHead, "/api/hubs/chat/users/dan", ""))
		require.Equal(t, "200", three.c.restStatus(http.MethodHead, "/api/hubs/chat/connections/"+bob.id, ""))
	})
	t.Run("closing a connection of another node", func(t *testing.T) {
		three.a.change(http.MethodDelete, "connections/"+cid.id)
		cid.wantClose(false)
		require.Eventually(t, func() bool {
			return three.b.restStatus(http.MethodHead, "/api/hubs/chat/connections/"+cid.id, "") == "404"
		}, patience, 10*time.Millisecond)
	})
}

// Each request of a client lands on another node, as behind a balancer that knows nothing of sessions.
func TestRequestsOfOneClientAtDifferentNodes(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	a, b, c := three.a, three.b, three.c
	t.Run("N14 WebSockets", func(t *testing.T) {
		conn, token := negotiateAt(t, a, 1)
		ws := dialAt(t, b, "chat", conn.ConnectionToken, token)
		ws.id = conn.ConnectionID
		require.Equal(t, "{}", ws.handshake())
		c.sendTo("connections/"+ws.id+"/:send", "hello")
		ws.wants("hello")
	})
	t.Run("N15 WebSockets with an id of version 0", func(t *testing.T) {
		conn, token := negotiateAt(t, a, 0)
		ws := dialAt(t, b, "chat", conn.ConnectionID, token)
		require.Equal(t, "{}", ws.handshake())
		c.sendTo("connections/"+conn.ConnectionID+"/:send", "hello")
		ws.wants("hello")
	})
	t.Run("N14 Server-Sent Events", func(t *testing.T) {
		conn, token := negotiateAt(t, a, 1)
		events := b.sse(t, conn.ConnectionToken, token)
		require.Equal(t, "200", c.status(http.MethodPost, c.clientURL(conn.ConnectionToken), `{"protocol":"json","version":1}`+"\x1e", "Authorization", "Bearer "+token))
		require.Equal(t, "{}", events())
		a.sendTo("connections/"+conn.ConnectionID+"/:send", "hello")
		require.Contains(t, events(), "hello")
	})
	t.Run("N14 long polling", func(t *testing.T) {
		conn, token := negotiateAt(t, a, 1)
		header := []string{"Authorization", "Bearer " + token}
		status, _ := b.request(http.MethodGet, b.clientURL(conn.ConnectionToken), "", header...)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "200", c.status(http.MethodPost, c.clientURL(conn.ConnectionToken), `{"protocol":"json","version":1}`+"\x1e", header...))
		_, answer := a.request(http.MethodGet, a.clientURL(conn.ConnectionToken), "", header...)
		require.Equal(t, "{}\x1e", answer)
		c.sendTo("connections/"+conn.ConnectionID+"/:send", "hello")
		_, answer = b.request(http.MethodGet, b.clientURL(conn.ConnectionToken), "", header...)
		require.Contains(t, answer, "hello")
		require.Equal(t, "202", c.status(http.MethodDelete, c.clientURL(conn.ConnectionToken), "", header...))
		t.Run("N16 an id that has ended is known at all nodes", func(t *testing.T) {
			require.Eventually(t, func() bool {
				return a.status(http.MethodGet, a.clientURL(conn.ConnectionToken), "", header...) == "404"
			}, patience, 10*time.Millisecond)
			for _, p := range three.each() {
				require.Equal(t, "404", p.status(http.MethodGet, p.clientURL(conn.ConnectionToken), "", header...))
				require.Equal(t, "404", tryDialAt(p, "chat", conn.ConnectionToken, token))
			}
		})
	})
	t.Run("N16 a second WebSocket for an id that lives is refused at all nodes", func(t *testing.T) {
		conn, token := negotiateAt(t, a, 1)
		ws := dialAt(t, b, "chat", conn.ConnectionToken, token)
		require.Equal(t, "{}", ws.handshake())
		for _, p := range three.each() {
			require.Equal(t, "409", tryDialAt(p, "chat", conn.ConnectionToken, token))
		}
	})
}

// The same for clients of ASP.NET SignalR, which make more requests.
func TestRequestsOfOneAspNetClientAtDifferentNodes(t *testing.T) {
	t.Parallel()
	three := startTrio(t, "--mode=default")
	app := three.a.aspnetApplication("app")
	for _, transport := range []string{"webSockets", "serverSentEvents", "longPolling"} {
		t.Run("N14 ASP.NET SignalR, "+transport, func(t *testing.T) {
			client := three.a.aspnet("app", "ann")
			turn := 0
			elsewhere := func() { // the next request comes to the next node
				turn++
				client.p = three.each()[turn%3]
			}
			elsewhere()
			stream := client.over(t, transport)
			elsewhere()
			client.start(transport)
			app.want("opened")
			elsewhere()
			status, answer := client.get("ping", nil)
			require.Equal(t, http.StatusOK, status, answer)
			elsewhere()
			stream.call(1, "echo", `"hello"`)
			elsewhere()
			require.Contains(t, stream.frame(), "hello")
			elsewhere()
			status, answer = client.post("abort", transport, nil)
			require.Equal(t, http.StatusOK, status, answer)
			app.want("closed")
		})
	}
}

// over connects with a transport.
func (c *aspnetClient) over(t *testing.T, transport string) aspnetStream {
	t.Helper()
	switch transport {
	case "webSockets":
		c.socket("connect", nil)
		c.wantInit(c.next())
		return c
	case "serverSentEvents":
		events := c.events("connect", nil)
		require.Equal(t, "initialized", events.data())
		c.wantInit(events.frame())
		return events
	}
	status, answer := c.get("connect", url.Values{"transport": {transport}})
	require.Equal(t, http.StatusOK, status, answer)
	c.wantInit(answer)
	return &pollClient{aspnetClient: c}
}

// A hub server that is connected to one node serves the clients of all.
func TestHubServerOfOneNodeServesAll(t *testing.T) {
	t.Parallel()
	three := startTrio(t, "--mode=default")
	app := newApplication("chat", "s1")
	app.serve(t, three.a)
	app.ready(t)
	three.a.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 2`)
	t.Run("N18 calls, groups and sends of clients on other nodes", func(t *testing.T) {
		var bob *client
		require.Eventually(t, func() bool { // the nodes tell each other of hub servers a moment later
			bob = three.b.dial("chat", auth.ClientTokenSpec{UserID: "bob"})
			return bob.handshake() == "{}"
		}, patience, 10*time.Millisecond)
		cid := three.c.connect("chat", "cid")
		require.JSONEq(t, `{"type":3,"invocationId":"i","result":"s1"}`, bob.invoke("server", ""))
		require.JSONEq(t, `{"type":3,"invocationId":"i"}`, cid.invoke("join", `"room"`))
		three.b.sendTo("groups/room/:send", "to the room")
		cid.wants("to the room")
		bob.send(`{"type":1,"target":"say","arguments":["hello"]}`)
		for _, c := range []*client{bob, cid} {
			require.JSONEq(t, `{"type":1,"target":"said","arguments":["bob","hello"]}`, c.next())
		}
		bob.leave()
		require.Equal(t, "bob", <-app.gone)
	})
}

// Memberships of users are in the store of the cluster.
func TestUserGroupsAreOneForAllNodes(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	t.Run("N24 what is added at one node holds for clients that connect to another, and is removed at a third", func(t *testing.T) {
		three.a.change(http.MethodPut, "users/ann/groups/room")
		ann := three.b.connect("chat", "ann")
		three.c.sendTo("groups/room/:send", "hello")
		ann.wants("hello")
		require.Equal(t, "200", three.c.restStatus(http.MethodHead, "/api/hubs/chat/users/ann/groups/room", ""))
		three.c.change(http.MethodDelete, "users/ann/groups/room")
		three.a.sendTo("groups/room/:send", "nobody")
		three.a.sendTo("users/ann/:send", "last")
		ann.wants("last")
	})
	t.Run("the store outlives a node", func(t *testing.T) {
		three.a.change(http.MethodPut, "users/bob/groups/room")
		require.Equal(t, exitOK, three.a.stop())
		bob := three.c.connect("chat", "bob")
		require.Eventually(t, func() bool { // voters may choose a leader first
			return three.b.restStatus(http.MethodHead, "/api/hubs/chat/users/bob/groups/room", "") == "200"
		}, patience, 10*time.Millisecond)
		three.b.sendTo("groups/room/:send", "hello")
		bob.wants("hello")
	})
}

// negotiated is what a node said.
type negotiatedAt struct{ ConnectionID, ConnectionToken string }

func negotiateAt(t *testing.T, p *program, version int) (negotiatedAt, string) {
	t.Helper()
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(t, err)
	status, answer := p.request(http.MethodPost, fmt.Sprintf("%s/client/negotiate?negotiateVersion=%d&hub=chat", p.URL, version), "", "Authorization", "Bearer "+token)
	require.Equal(t, http.StatusOK, status, answer)
	var n negotiatedAt
	require.NoError(t, json.Unmarshal([]byte(answer), &n))
	return n, token
}

// clientURL is the endpoint of a connection.
func (p *program) clientURL(id string) string {
	return p.URL + "/client/?hub=chat&id=" + url.QueryEscape(id)
}

func dialAt(t *testing.T, p *program, hub, id, token string) *client {
	t.Helper()
	u := "ws" + strings.TrimPrefix(p.URL, "http") + "/client/?hub=" + hub + "&id=" + url.QueryEscape(id) + "&access_token=" + token
	conn, resp, err := websocket.DefaultDialer.Dial(u, nil)
	require.NoError(t, err, resp)
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn}
}

// tryDialAt returns the status of the refusal.
func tryDialAt(p *program, hub, id, token string) string {
	return p.open("hub="+hub+"&id="+url.QueryEscape(id), token)
}

// sse opens a stream of Server-Sent Events of a connection and returns what reads the next record.
func (p *program) sse(t *testing.T, id, token string) (next func() string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.clientURL(id)+"&access_token="+token, nil)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	lines := bufio.NewScanner(resp.Body)
	return func() string {
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return strings.TrimSuffix(text, "\x1e")
			}
		}
		require.Fail(t, "the stream has ended", lines.Err())
		return ""
	}
}
