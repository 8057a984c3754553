package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// fakeGateway accepts one connection for each hub, and shows what came on them.
type fakeGateway struct {
	t     *testing.T
	links map[string]*websocket.Conn
	came  map[string]chan serviceprotocol.Message
}

// connected returns a gateway, to which a server with one connection for each hub is connected.
func connected(t *testing.T) (*fakeGateway, *server) {
	g := &fakeGateway{t: t, links: map[string]*websocket.Conn{}, came: map[string]chan serviceprotocol.Message{}}
	type connection struct {
		hub    string
		socket *websocket.Conn
	}
	accepted := make(chan connection)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		select {
		case accepted <- connection{r.URL.Path + r.URL.Query().Get("hub"), socket}:
		case <-t.Context().Done(): // one that came again
			socket.Close()
		}
	}))
	gateway, err := auth.ParseConnectionString("Endpoint=" + web.URL + ";AccessKey=0123456789abcdef0123456789abcdef;Version=1.0;")
	require.NoError(t, err)
	s := newServer(gateway, "App", "s1", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ready := s.connect(ctx, 1)
	for range len(hubTypes) + 1 {
		one := <-accepted
		hub := one.hub
		g.links[hub], g.came[hub] = one.socket, make(chan serviceprotocol.Message, 16)
		go read(one.socket, g.came[hub])
		require.Equal(t, &serviceprotocol.HandshakeRequest{Version: 1}, <-g.came[hub])
		g.send(hub, &serviceprotocol.HandshakeResponse{})
	}
	<-ready
	t.Cleanup(func() {
		cancel()
		for hub, socket := range g.links {
			socket.Close()
			for range g.came[hub] {
			}
		}
		web.Close()
	})
	return g, s
}

// read passes on all messages but pings, until the connection ends.
func read(socket *websocket.Conn, came chan<- serviceprotocol.Message) {
	defer close(came)
	reader := serviceprotocol.NewReader(&stream{socket: socket}, maxFrame)
	for {
		m, err := next(reader)
		if err != nil {
			return
		}
		if _, ping := m.(*serviceprotocol.Ping); !ping {
			came <- m
		}
	}
}

func (g *fakeGateway) send(hub string, m serviceprotocol.Message) {
	g.t.Helper()
	require.NoError(g.t, g.links[hub].WriteMessage(websocket.BinaryMessage, m.Append(nil)))
}

const (
	appLink  = "/aspnetserver/app_app"
	chatLink = "/aspnetserver/app_chathub"
)

func opened(id string) *serviceprotocol.OpenConnection {
	return &serviceprotocol.OpenConnection{ConnectionID: id, Query: `?connectionToken=x&connectionData=[{"name":"chathub"}]&hello=1`}
}

func calls(id, text string) *serviceprotocol.ConnectionData {
	return &serviceprotocol.ConnectionData{ConnectionID: id, Payload: []byte(text)}
}

func TestAClientsLife(t *testing.T) {
	g, s := connected(t)
	g.send(appLink, opened("C1"))
	// The greeting and the group that OnConnected joins come in any order.
	var join *serviceprotocol.JoinGroupWithAck
	for range 2 {
		switch m := (<-g.came[appLink]).(type) {
		case *serviceprotocol.JoinGroupWithAck:
			join = m
		default:
			require.Equal(t, toClient("C1", []byte(`{"C":"0","M":[{"H":"ChatHub","M":"news","A":["hello from OnConnected"]}]}`)), m)
		}
	}
	require.Equal(t, "hg-ChatHub.auto", join.Group)
	g.send(appLink, &serviceprotocol.Ack{AckID: join.AckID, Status: serviceprotocol.AckOK})

	g.send(appLink, calls("C1", `{"H":"chathub","M":"Echo","A":["<ü>"],"I":0}`))
	require.Equal(t, toClient("C1", []byte(`{"R":"<ü>","I":"0"}`)), <-g.came[appLink])
	g.send(appLink, calls("C1", `{"H":"chathub","M":"Others","A":["x"],"I":1}`))
	require.Equal(t, []string{"C1"}, (<-g.came[chatLink]).(*serviceprotocol.BroadcastData).Excluded)
	require.Equal(t, toClient("C1", []byte(`{"I":"1"}`)), <-g.came[appLink])
	g.send(appLink, calls("C1", `{"H":"chathub","M":"Join","A":["g"],"I":2}`))
	ack := (<-g.came[appLink]).(*serviceprotocol.JoinGroupWithAck)
	g.send(appLink, &serviceprotocol.Ack{AckID: ack.AckID, Status: serviceprotocol.AckOK})
	require.Equal(t, toClient("C1", []byte(`{"R":"joined","I":"2"}`)), <-g.came[appLink])
	g.send(appLink, calls("C1", reconnected))
	require.Equal(t, toClient("C1", []byte(`{"C":"0","M":[{"H":"ChatHub","M":"news","A":["welcome back"]}]}`)), <-g.came[appLink])

	g.send(appLink, opened("C1"))
	require.Equal(t, &serviceprotocol.CloseConnection{ConnectionID: "C1", Error: "Duplicate connection ID C1"}, <-g.came[appLink])
	g.send(appLink, &serviceprotocol.CloseConnection{ConnectionID: "C1"})
	g.send(appLink, &serviceprotocol.OpenConnection{ConnectionID: "C2"})
	require.Equal(t, &serviceprotocol.CloseConnection{ConnectionID: "C2", Error: "Protocol error: Missing connection token."}, <-g.came[appLink])
	require.Nil(t, s.client("C1"))
}

// Clients are lost with their connection, which comes again.
func TestAConnectionThatIsLost(t *testing.T) {
	g, s := connected(t)
	g.send(chatLink, opened("C1"))
	require.IsType(t, &serviceprotocol.ConnectionData{}, <-g.came[chatLink])
	c := s.client("C1")
	g.links[chatLink].Close()
	<-c.ended
	require.Nil(t, s.client("C1"))
}
