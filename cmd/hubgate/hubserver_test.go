package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubserver"
	"github.com/hubgate/hubgate/serviceprotocol"
)

// application is a hub server with one hub.
type application struct {
	*hubserver.Server
	hub *hubserver.Hub
	// gone gets the user of each client that has left.
	gone chan string
	// behind is the gateway that it dials, HOST:PORT; it can be changed.
	behind atomic.Pointer[string]
	ended  chan error

	mu    sync.Mutex
	dead  bool
	conns []net.Conn
}

// newApplication makes a hub server. Of the connection string only the key
// matters: it dials what behind says.
func newApplication(hub, serverID string) *application {
	a := &application{hub: hubserver.NewHub(hub), gone: make(chan string, 100), ended: make(chan error, 1)}
	a.hub.Handle("say", func(ctx *hubserver.Context, text string) error {
		return a.hub.Clients().All().Send(ctx, "said", ctx.User(), text)
	})
	a.hub.Handle("server", func(*hubserver.Context) string { return serverID })
	a.hub.Handle("join", func(ctx *hubserver.Context, group string) error { return ctx.Join(group) })
	a.hub.Handle("about", func(ctx *hubserver.Context) []string {
		return []string{ctx.User(), ctx.Claims().Get("color"), ctx.Header().Get("X-Test")}
	})
	a.hub.OnDisconnected(func(ctx *hubserver.Context, _ error) { a.gone <- ctx.User() })
	gateway := hubserver.MustParseConnectionString(connectionString("http://gateway.test", auth.EmulatorKey))
	a.Server = hubserver.NewServer(gateway, a.hub)
	a.Connections, a.ServerID, a.DialContext = 2, serverID, a.dial
	a.Logger = slog.New(slog.DiscardHandler)
	return a
}

func (a *application) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, *a.behind.Load())
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dead {
		return nil, errors.Join(errors.New("the machine is off"), conn.Close())
	}
	a.conns = append(a.conns, conn)
	return conn, nil
}

// kill cuts its connections without a word, for ever.
func (a *application) kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = true
	for _, conn := range a.conns {
		conn.Close()
	}
}

func (a *application) useGateway(p *program) {
	address := strings.TrimPrefix(p.URL, "http://")
	a.behind.Store(&address)
}

// serve connects it to the gateway until the test ends.
func (a *application) serve(t *testing.T, p *program) {
	t.Helper()
	a.useGateway(p)
	go func() { a.ended <- a.Serve(context.Background()) }()
	t.Cleanup(func() {
		a.Close()
		if err := <-a.ended; !errors.Is(err, hubserver.ErrServerClosed) {
			t.Errorf("hub server: %v", err)
		}
	})
}

func (a *application) ready(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, a.Ready(ctx))
}

// wantGone waits until the clients of these users have left, in any order.
func (a *application) wantGone(t *testing.T, users ...string) {
	t.Helper()
	deadline := time.After(patience)
	var gone []string
	for range users {
		select {
		case user := <-a.gone:
			gone = append(gone, user)
		case <-deadline:
			t.Fatalf("only %v have left", gone)
		}
	}
	require.ElementsMatch(t, users, gone)
}

// serverHandshake connects as a hub server of that kind and returns the answer.
func (p *program) serverHandshake(path string, kind serviceprotocol.ConnectionKind) *serviceprotocol.HandshakeResponse {
	p.t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": "http://localhost/server/?hub=chat", "nameid": "bytes", "exp": time.Now().Add(time.Minute).Unix(),
	}).SignedString([]byte(auth.EmulatorKey.Reveal()))
	require.NoError(p.t, err)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+path+"?hub=chat&cid=c", http.Header{"Authorization": {"Bearer " + token}})
	require.NoError(p.t, err)
	defer conn.Close()
	request := serviceprotocol.HandshakeRequest{Version: serviceprotocol.Version, Kind: kind}
	require.NoError(p.t, conn.WriteMessage(websocket.BinaryMessage, request.Append(nil)))
	require.NoError(p.t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, data, err := conn.ReadMessage()
	require.NoError(p.t, err)
	body, _, err := serviceprotocol.Cut(data, len(data))
	require.NoError(p.t, err)
	m, err := serviceprotocol.Parse(body)
	require.NoError(p.t, err)
	require.IsType(p.t, &serviceprotocol.HandshakeResponse{}, m)
	return m.(*serviceprotocol.HandshakeResponse)
}
