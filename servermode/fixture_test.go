package servermode_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
	"github.com/hubgate/hubgate/store"
)

const key = auth.EmulatorKey

// world is a gateway in Default mode inside a synctest bubble, reached through
// pipes instead of sockets.
type world struct {
	*servermode.Backend
	t      testing.TB
	gw     *gateway.Gateway
	limits servermode.Limits
	modes  *modes.Backend
	mode   modes.Mode
	core   gateway.Limits
	log    *bytes.Buffer
	lines  *lockedWriter // over log
	trap   trap          // in the rules of hubs
	listen *pipeListener
	http   *http.Server
	traces
}

// traces are the ids of what was delivered to single clients. It is the Recorder of a world's gateway.
type traces struct {
	mu   sync.Mutex
	list []string
}

func (*traces) Received(*gateway.Conn, gateway.Record, []byte, bool)    {}
func (*traces) FollowVerb(*gateway.Command) func(gateway.Result, error) { return nil }

func (r *traces) Delivered(_ *gateway.Conn, _ int, trace string, _ gateway.SendReport) {
	if trace != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, trace)
	}
}

// traced waits until all has happened, and returns the ids of what was delivered.
func (r *traces) traced() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// inWorld runs a test in a bubble with a gateway.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		test(t, w)
		synctest.Wait()
		require.NoError(t, w.gw.Check())
	})
}

func newWorld(t testing.TB) *world { return newNode(t, "node-a", nil) }

// newNode is newWorld for one node of a cluster.
func newNode(t testing.TB, node string, bus gateway.Backplane, change ...func(o *servermode.Options)) *world {
	w := &world{t: t, limits: servermode.DefaultLimits(), mode: modes.Default, core: gateway.DefaultLimits(),
		log: new(bytes.Buffer), listen: newPipeListener()}
	w.lines = &lockedWriter{w: w.log}
	options := servermode.Options{
		Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{"old", key} }}),
		Node:     node, Rules: func(string) servermode.Rules {
			w.trap.step()
			return servermode.Rules{Closed: w.mode == modes.Serverless, LastResort: w.mode == modes.Default}
		},
		Limits: func() servermode.Limits { return w.limits },
		Logger: slog.New(slog.NewTextHandler(w.lines, nil)), Peers: peersOf(bus),
	}
	for _, change := range change {
		change(&options)
	}
	w.Backend = servermode.New(options)
	w.modes = modes.New(modes.Options{Mode: func(string) modes.Mode { return w.mode }, Servers: w.Backend, Webhooks: &gatewaytest.Backend{}})
	var err error
	w.gw, err = gateway.New(gateway.Options{Node: node, NodeOf: auth.NodeOf, Backplane: bus, Backend: w.modes, Workers: 2,
		Recorder: &w.traces, UserGroups: store.NewMemory(store.MemoryOptions{}), Limits: func() gateway.Limits { return w.core }})
	require.NoError(t, err)
	w.Use(w.gw)
	w.modes.Use(w.gw)
	mux := http.NewServeMux()
	mux.Handle("/", w.Backend)
	mux.Handle("/aspnetserver", w.AspNet())
	mux.Handle("/aspnetserver/", w.AspNet())
	w.http = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = w.http.Serve(w.listen) }()
	return w
}

// peersOf is the bus as it takes messages between Backends, if it does.
func peersOf(bus gateway.Backplane) gateway.Peers {
	peers, _ := bus.(gateway.Peers)
	return peers
}

func (w *world) stop() {
	w.gw.Close()
	require.NoError(w.t, w.Backend.Close(context.Background()))
	require.NoError(w.t, w.http.Close())
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
	// pause is how long the line "server connection opened" takes, in the bubble's time.
	pause time.Duration
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	if l.pause > 0 && bytes.Contains(b, []byte("server connection opened")) {
		time.Sleep(l.pause)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// ctx ends with the test, inside the bubble.
func (w *world) ctx() context.Context { return w.t.Context() }

// connect connects a client of the hub chat.
func (w *world) connect(id, user string) *gatewaytest.Client {
	return w.connectAs(gatewaytest.Options{ID: id, User: user})
}

func (w *world) connectAs(o gatewaytest.Options) *gatewaytest.Client {
	w.t.Helper()
	o.Hub = "chat"
	c := gatewaytest.Connect(w.t, w.gw, o)
	synctest.Wait()
	return c
}

// dial is what is special about a hub server.
type dial struct {
	id      string // server id; "s1" if empty
	kind    sp.ConnectionKind
	level   int32
	hub     string // "chat" if empty
	query   string
	agent   string
	header  string // X-ASRS-Server-Id
	raw     []byte // the handshake request's bytes, if not the usual ones
	refused bool   // it wants to be
	silent  bool   // it does not answer handshakes of clients
	aspnet  bool   // it is one of ASP.NET SignalR; its hub is "app_app" if empty
	tcp     string // address, if not by pipe
	home    string // node that gives out the id of the client, if it is not a
	// on is hubServer.on from the first message on.
	on func(s *hubServer, m sp.Message)
}

// server connects a hub server and waits until it is established.
func (w *world) server(d dial) *hubServer {
	w.t.Helper()
	ws, _, err := w.dial(d, serverToken(w.t, d))
	require.NoError(w.t, err)
	s := &hubServer{t: w.t, ws: ws, silent: d.silent || d.aspnet, answered: make(map[string]bool), changed: make(chan struct{})}
	if d.on != nil {
		s.on = func(m sp.Message) { d.on(s, m) }
	}
	s.wg.Go(s.read)
	w.t.Cleanup(func() { _ = ws.Close(); s.wg.Wait() })
	raw := d.raw
	if raw == nil {
		raw = (&sp.HandshakeRequest{Version: 1, Kind: d.kind, MigrationLevel: d.level}).Append(nil)
	}
	s.write(raw)
	if d.tcp == "" {
		synctest.Wait()
	} else {
		s.await(func() bool { return len(s.got) > 0 })
	}
	response := s.next(sp.TypeHandshakeResponse).(*sp.HandshakeResponse)
	require.Equal(w.t, d.refused, response.Error != "", response.Error)
	return s
}

func serverToken(t testing.TB, d dial) string {
	id := d.id
	if id == "" {
		id = "s1"
	}
	path, hub := d.where()
	return sign(t, jwt.MapClaims{"aud": "http://localhost" + path + "?hub=" + hub, "nameid": id, "exp": time.Now().Add(time.Hour).Unix()})
}

// where is the endpoint and the hub that it connects to.
func (d dial) where() (path, hub string) {
	path, hub = "/server/", "chat"
	if d.aspnet {
		path, hub = "/aspnetserver/", "app_app"
	}
	if d.hub != "" {
		hub = d.hub
	}
	return path, hub
}

func sign(t testing.TB, claims jwt.MapClaims) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key.Reveal()))
	require.NoError(t, err)
	return token
}

func (w *world) dial(d dial, token string) (*websocket.Conn, *http.Response, error) {
	path, hub := d.where()
	dialer := websocket.Dialer{NetDialContext: w.listen.dial}
	host := "gateway"
	if d.tcp != "" {
		dialer, host = websocket.Dialer{}, d.tcp
	}
	header := http.Header{"Asrs-User-Agent": {d.agent}, "X-Asrs-Server-Id": {d.header}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return dialer.Dial("ws://"+host+path+"?hub="+url.QueryEscape(hub)+"&cid=c1"+d.query, header)
}

// hubServer is a hub server at the level of bytes.
type hubServer struct {
	t      testing.TB
	ws     *websocket.Conn
	silent bool
	wg     sync.WaitGroup

	writing sync.Mutex

	mu       sync.Mutex
	changed  chan struct{}
	got      []sp.Message
	answered map[string]bool
	ended    error
	// on, if set, is called for each message, on the reading goroutine.
	on func(m sp.Message)
}

func (s *hubServer) read() {
	var buf []byte
	for {
		kind, data, err := s.ws.ReadMessage()
		if err == nil && kind != websocket.BinaryMessage {
			err = errors.New("not binary")
		}
		if err != nil {
			s.mu.Lock()
			s.ended = err
			s.notify()
			s.mu.Unlock()
			return
		}
		buf = append(buf, data...)
		for {
			body, rest, err := sp.Cut(buf, 64<<20)
			require.NoError(s.t, err)
			if body == nil {
				break
			}
			m, err := sp.Parse(bytes.Clone(body))
			require.NoError(s.t, err)
			buf = rest
			s.received(m)
		}
	}
}

func (s *hubServer) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *hubServer) received(m sp.Message) {
	s.mu.Lock()
	answer := false
	switch m := m.(type) {
	case *sp.OpenConnection:
		_, moved := sp.HeaderValue(m.Headers, sp.HeaderMigrateFrom)
		s.answered[m.ConnectionID] = moved
	case *sp.ConnectionData:
		answer = !s.answered[m.ConnectionID] && !s.silent
		if answer {
			s.answered[m.ConnectionID] = true
			defer s.data(m.ConnectionID, "{}\x1e")
		}
	}
	s.got = append(s.got, m)
	s.notify()
	on := s.on
	s.mu.Unlock()
	if on != nil && !answer {
		on(m)
	}
}

// await waits for a condition on what has come; outside of bubbles only.
func (s *hubServer) await(cond func() bool) {
	for {
		s.mu.Lock()
		ok, changed := cond() || s.ended != nil, s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		<-changed
	}
}

func (s *hubServer) setOn(on func(m sp.Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

func (s *hubServer) write(b []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.ws.WriteMessage(websocket.BinaryMessage, b)
}

func (s *hubServer) send(messages ...sp.Message) {
	var b []byte
	for _, m := range messages {
		b = m.Append(b)
	}
	s.write(b)
}

func (s *hubServer) data(id, payload string) {
	s.send(&sp.ConnectionData{ConnectionID: id, Payload: []byte(payload)})
}

// forget forgets all that has come but the answer to the handshake, which server waits for.
func (s *hubServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = slices.DeleteFunc(s.got, func(m sp.Message) bool { return m.Type() != sp.TypeHandshakeResponse })
}

// take returns what has come of that type, and forgets it.
func (s *hubServer) take(t sp.Type) []sp.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken, rest []sp.Message
	for _, m := range s.got {
		if m.Type() == t {
			taken = append(taken, m)
		} else {
			rest = append(rest, m)
		}
	}
	s.got = rest
	return taken
}

// next returns the only message of that type that has come.
func (s *hubServer) next(t sp.Type) sp.Message {
	s.t.Helper()
	messages := s.take(t)
	require.Len(s.t, messages, 1, "messages of type %s; ended: %v", t, s.end())
	return messages[0]
}

// wantAck sends a message and wants its ack.
func (s *hubServer) wantAck(status sp.AckStatus, id int32, m sp.Message) {
	s.t.Helper()
	s.send(m)
	synctest.Wait()
	ack := s.next(sp.TypeAck).(*sp.Ack)
	require.Equal(s.t, id, ack.AckID)
	require.Equal(s.t, status, ack.Status, ack.Message)
}

// payloads returns the data that has come for a client, joined.
func (s *hubServer) payloads(id string) string {
	var b strings.Builder
	for _, m := range s.take(sp.TypeConnectionData) {
		if d := m.(*sp.ConnectionData); d.ConnectionID == id {
			b.Write(d.Payload)
		}
	}
	return b.String()
}

func (s *hubServer) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// pipeListener is a listener without a network.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	// wrap, if set, is put around the gateway's end of a connection.
	wrap func(net.Conn) net.Conn
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.once.Do(func() { close(l.done) }); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	if l.wrap != nil {
		theirs = l.wrap(theirs)
	}
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func payload(text string) sp.Payloads {
	return sp.Payloads{{Protocol: "json", Data: []byte(text + "\x1e")}}
}

func call(id, target string) string {
	if id == "" {
		return `{"type":1,"target":"` + target + `","arguments":[]}` + "\x1e"
	}
	return `{"type":1,"invocationId":"` + id + `","target":"` + target + `","arguments":[]}` + "\x1e"
}

func completion(id, result string) string {
	return `{"type":3,"invocationId":"` + id + `","result":` + result + `}` + "\x1e"
}

// count says how many records contain the text.
func count(c *gatewaytest.Client, text string) int {
	n := 0
	for _, r := range c.Got() {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

// required is a client that may be on one hub server only.
func required(id, server string) gatewaytest.Options {
	return gatewaytest.Options{ID: id, Identity: gateway.Identity{TokenClaims: []gateway.Claim{
		{Type: "asrs.s.sn", Value: server}, {Type: "asrs.s.ssticky", Value: "Required"}}}}
}
