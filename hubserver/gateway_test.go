package hubserver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/serviceprotocol"
)

const testConnectionString = "Endpoint=http://gateway;Port=8888;AccessKey=0123456789012345678901234567890123456789;Version=1.0;"

// newTestServer returns a server of the fake gateway that logs nothing.
func newTestServer(hubs ...*Hub) *Server {
	s := NewServer(MustParseConnectionString(testConnectionString), hubs...)
	s.Logger = slog.New(slog.DiscardHandler)
	return s
}

// fakeGateway is the other end of the wire, in memory. It does nothing by itself but to
// accept connections.
type fakeGateway struct {
	t *testing.T
	// status refuses upgrades if it is not 0, refusal the handshakes if it is not empty.
	mu       sync.Mutex
	status   int
	refusal  string
	attempts []time.Time

	conns chan net.Conn
	peers chan *peer
	done  chan struct{}
}

// peer is a connection as the gateway sees it.
type peer struct {
	t        *testing.T
	request  *http.Request
	hello    []byte // the handshake request with its length prefix
	socket   *websocket.Conn
	writing  sync.Mutex
	messages chan serviceprotocol.Message // all but pings; closed at the end
	pings    chan *serviceprotocol.Ping
}

// serve runs a hub behind a fake gateway until the test ends.
func serve(t *testing.T, hub *Hub, change ...func(*Server)) (*fakeGateway, *Server) {
	g := &fakeGateway{t: t, conns: make(chan net.Conn), peers: make(chan *peer, 64), done: make(chan struct{})}
	server := newTestServer(hub)
	server.Connections, server.ServerID, server.DialContext = 1, "here", g.dial
	for _, one := range change {
		one(server)
	}
	web := &http.Server{Handler: http.HandlerFunc(g.upgrade)}
	var tasks sync.WaitGroup
	tasks.Go(func() { require.ErrorIs(t, web.Serve(g), http.ErrServerClosed) })
	tasks.Go(func() {
		if err := server.Serve(t.Context()); !errors.Is(err, ErrServerClosed) {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
	t.Cleanup(func() {
		server.Close()
		web.Close()
		tasks.Wait()
	})
	return g, server
}

func (g *fakeGateway) dial(ctx context.Context, _, address string) (net.Conn, error) {
	require.Equal(g.t, "gateway:8888", address)
	ours, theirs := net.Pipe()
	select {
	case g.conns <- theirs:
		return ours, nil
	case <-g.done:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (g *fakeGateway) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

func (g *fakeGateway) Close() error { close(g.done); return nil }

func (g *fakeGateway) Addr() net.Addr { return &net.TCPAddr{} }

// refuse sets how connections are refused from now on.
func (g *fakeGateway) refuse(status int, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status, g.refusal = status, text
}

func (g *fakeGateway) upgrade(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	status, refusal := g.status, g.refusal
	g.attempts = append(g.attempts, time.Now())
	g.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	socket, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer socket.Close()
	reader := serviceprotocol.NewReader(newPatientStream(socket), 32<<20)
	hello, err := reader.Next()
	if err != nil {
		return
	}
	p := &peer{t: g.t, request: r, hello: serviceprotocol.AppendFrame(nil, hello), socket: socket,
		messages: make(chan serviceprotocol.Message, 4096), pings: make(chan *serviceprotocol.Ping, 4096)}
	p.send(&serviceprotocol.HandshakeResponse{Error: refusal})
	if refusal != "" {
		return
	}
	g.peers <- p
	defer close(p.messages)
	for {
		body, err := reader.Next()
		if err != nil {
			return
		}
		m, err := serviceprotocol.Parse(bytes.Clone(body))
		if err != nil {
			g.t.Errorf("the hub server wrote no message: %v", err)
			return
		}
		if ping, ok := m.(*serviceprotocol.Ping); ok {
			p.pings <- ping
			continue
		}
		p.messages <- m
	}
}

func (g *fakeGateway) peer() *peer { return <-g.peers }

// send sends messages. A hub server that is gone is no failure.
func (p *peer) send(messages ...serviceprotocol.Message) {
	var b []byte
	for _, m := range messages {
		b = m.Append(b)
	}
	p.write(b)
}

func (p *peer) write(b []byte) {
	p.writing.Lock()
	defer p.writing.Unlock()
	_ = p.socket.WriteMessage(websocket.BinaryMessage, b)
}

// want returns the next message but pings, which has to be of type T.
func want[T serviceprotocol.Message](p *peer) T {
	p.t.Helper()
	m, ok := <-p.messages
	require.True(p.t, ok, "the connection has ended")
	typed, ok := m.(T)
	require.True(p.t, ok, "%T instead of %T", m, typed)
	return typed
}

// wantPing returns the next ping for which the condition is true.
func (p *peer) wantPing(condition func(*serviceprotocol.Ping) bool) *serviceprotocol.Ping {
	p.t.Helper()
	for {
		if ping := <-p.pings; condition(ping) {
			return ping
		}
	}
}

func (p *peer) wantEnd() {
	p.t.Helper()
	for m := range p.messages {
		require.Fail(p.t, "unexpected message", "%T %v", m, m)
	}
}

// fakeClient is a client of the gateway's.
type fakeClient struct {
	*peer
	id, protocol string
}

// open opens a client and makes its handshake.
func (p *peer) open(id string, change ...func(*serviceprotocol.OpenConnection)) *fakeClient {
	p.t.Helper()
	c := p.opening(id, "json", change...)
	require.Equal(p.t, "{}\x1e", c.record())
	return c
}

// opening is open without the answer to the handshake.
func (p *peer) opening(id, protocol string, change ...func(*serviceprotocol.OpenConnection)) *fakeClient {
	c := &fakeClient{p, id, protocol}
	m := &serviceprotocol.OpenConnection{ConnectionID: id, Protocol: protocol}
	for _, one := range change {
		one(m)
	}
	p.send(m)
	c.say(`{"protocol":"` + protocol + `","version":1}`)
	return c
}

// say sends JSON records, one payload for all.
func (c *fakeClient) say(records ...string) {
	c.raw([]byte(strings.Join(records, "\x1e") + "\x1e"))
}

func (c *fakeClient) raw(b []byte) {
	c.send(&serviceprotocol.ConnectionData{ConnectionID: c.id, Payload: b})
}

// record returns what the client is sent next.
func (c *fakeClient) record() string {
	c.t.Helper()
	m := want[*serviceprotocol.ConnectionData](c.peer)
	require.Equal(c.t, c.id, m.ConnectionID)
	return string(m.Payload)
}

// hears asserts what a client of the JSON protocol is sent next.
func (c *fakeClient) hears(records ...string) {
	c.t.Helper()
	for _, record := range records {
		got, whole := strings.CutSuffix(c.record(), "\x1e")
		require.True(c.t, whole)
		require.JSONEq(c.t, record, got)
	}
}

// hearsClose asserts that the client is told of its end and is closed.
func (c *fakeClient) hearsClose(record, text string) {
	c.t.Helper()
	c.hears(record)
	m := want[*serviceprotocol.CloseConnection](c.peer)
	require.Equal(c.t, &serviceprotocol.CloseConnection{ConnectionID: c.id, Error: text, Headers: m.Headers}, m)
}

// leave is how the gateway tells of a client's end.
func (c *fakeClient) leave(headers ...serviceprotocol.Header) {
	c.send(&serviceprotocol.CloseConnection{ConnectionID: c.id, Headers: headers})
}

// packed returns a MessagePack record from its JSON.
func packed(t *testing.T, json string) []byte {
	t.Helper()
	body, err := hubprotocol.AppendJSONAsMessagePack(nil, []byte(json))
	require.NoError(t, err)
	return serviceprotocol.AppendFrame(nil, body)
}

// unpacked is the reverse of packed.
func unpacked(t *testing.T, record string) string {
	t.Helper()
	body, rest, err := serviceprotocol.Cut([]byte(record), len(record))
	require.NoError(t, err)
	require.Empty(t, rest)
	json, err := hubprotocol.AppendMessagePackAsJSON(nil, body)
	require.NoError(t, err)
	return string(json)
}
