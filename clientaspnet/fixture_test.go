package clientaspnet

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

// TestMain fails the run if a test leaves a goroutine of ours behind.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

const (
	testKey auth.Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
	testApp             = "Shop.Startup"
	testHub             = "aspnet:shop.startup"
)

// fixture is a whole endpoint behind a real HTTP server.
type fixture struct {
	t       *testing.T
	gw      *gateway.Gateway
	core    gateway.Limits
	app     application
	h       *Handler
	mu      sync.Mutex // guards limits when the endpoint runs
	limits  Limits
	counts  counted
	log     gatewaytest.Log
	network network
	http    *http.Client
	cursors *aspnetprotocol.Cursors
}

// network is where the server listens and how clients get there.
type network interface {
	net.Listener
	Dial(context.Context, string, string) (net.Conn, error)
}

// newFixture serves on a loopback socket.
func newFixture(t *testing.T, change ...func(*fixture, *Options)) *fixture {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveOn(t, gatewaytest.Loopback{Listener: l}, change...)
}

// newPipeFixture serves in memory: inside a synctest bubble its clock is the bubble's.
func newPipeFixture(t *testing.T, change ...func(*fixture, *Options)) *fixture {
	t.Helper()
	return serveOn(t, gatewaytest.NewPipes(), change...)
}

func serveOn(t *testing.T, n network, change ...func(*fixture, *Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, core: gateway.DefaultLimits(), limits: DefaultLimits(), network: n, cursors: aspnetprotocol.NewCursors("n1")}
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	options := Options{
		Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{testKey} }}),
		Sealer:   sealer, Node: "n1", Metrics: &f.counts,
		Logger: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits: f.current,
	}
	for _, c := range change {
		c(f, &options)
	}
	f.gw, err = gateway.New(gateway.Options{Node: "n1", Backend: &f.app, Workers: 2, Logger: options.Logger,
		Limits: func() gateway.Limits { return f.core }})
	require.NoError(t, err)
	options.Gateway = f.gw
	f.h = New(options)
	f.serve()
	return f
}

// current are the limits in force.
func (f *fixture) current() Limits {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.limits
}

// change changes the limits.
func (f *fixture) change(to func(*Limits)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to(&f.limits)
}

// serve runs the HTTP server until the test ends.
func (f *fixture) serve() {
	var requests sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		defer requests.Done()
		f.h.ServeHTTP(w, r)
	}), ErrorLog: slog.NewLogLogger(slog.NewTextHandler(&f.log, nil), slog.LevelWarn)}
	served := make(chan error, 1)
	listener := transport.Listener(f.network, func() time.Duration { return f.current().SendTimeout })
	go func() { served <- server.Serve(listener) }()
	f.http = &http.Client{Transport: &http.Transport{DialContext: f.network.Dial, DisableCompression: true}}
	f.t.Cleanup(func() {
		abort, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.gw.Drain(abort)
		f.http.CloseIdleConnections()
		_ = server.Close()
		<-served
		requests.Wait() // Close does not
		require.NoError(f.t, f.h.Close(context.Background()))
		f.gw.Close()
		require.NoError(f.t, f.gw.Check())
		require.Zero(f.t, f.gw.Stats().Unfinished)
	})
}

// token signs a token of the application.
func (f *fixture) token(spec auth.ClientTokenSpec) string {
	f.t.Helper()
	if spec.Application == "" {
		spec.Application = testApp
	}
	token, err := auth.SignAspNetClient(testKey, "http://localhost:8888", spec)
	require.NoError(f.t, err)
	return token
}

func (f *fixture) user(name string) string { return f.token(auth.ClientTokenSpec{UserID: name}) }

// request is one HTTP request of a client.
type request struct {
	method string // default GET
	path   string // below /aspnetclient/
	query  string
	token  string // for the Authorization header
	header map[string]string
	body   string
	reader io.Reader // instead of body
}

// response is its answer, read to the end.
type response struct {
	status int
	header http.Header
	body   string
}

func (f *fixture) begin(ctx context.Context, r request) (*http.Response, error) {
	f.t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	body := r.reader
	if body == nil {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "http://hub.example/aspnetclient/"+r.path+"?"+r.query, body)
	require.NoError(f.t, err)
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	return f.http.Do(req)
}

func (f *fixture) do(r request) response {
	f.t.Helper()
	return <-f.async(r)
}

// async starts a request and delivers its answer on the channel.
func (f *fixture) async(r request) <-chan response {
	f.t.Helper()
	return f.asyncUntil(context.Background(), r)
}

func (f *fixture) asyncUntil(ctx context.Context, r request) <-chan response {
	f.t.Helper()
	answered := make(chan response, 1)
	go func() {
		res, err := f.begin(ctx, r)
		if err != nil {
			answered <- response{body: err.Error()}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			body = append(body, err.Error()...)
		}
		answered <- response{res.StatusCode, res.Header, string(body)}
	}()
	return answered
}

// negotiated is a parsed negotiate answer.
type negotiated struct {
	URL                     string `json:"Url"`
	ConnectionToken         string
	ConnectionID            string `json:"ConnectionId"`
	KeepAliveTimeout        *float64
	DisconnectTimeout       float64
	ConnectionTimeout       float64
	TryWebSockets           bool
	ProtocolVersion         string
	TransportConnectTimeout float64
	LongPollDelay           float64
	Error                   string
}

func parse[T any](t *testing.T, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

const chatHub = "connectionData=%5B%7B%22name%22%3A%22chat%22%7D%5D"

// client is a client that has negotiated.
type testClient struct {
	t     *testing.T
	f     *fixture
	token string
	negotiated
	// cursor is the last one it has seen.
	cursor string
}

func (f *fixture) negotiate(token string) *testClient {
	f.t.Helper()
	res := f.do(request{path: "negotiate", query: "clientProtocol=2.1&" + chatHub + "&_=1", token: token})
	require.Equal(f.t, 200, res.status, res.body)
	return &testClient{t: f.t, f: f, token: token, negotiated: parse[negotiated](f.t, res.body)}
}

// query is that of a request, in the order of the JavaScript client. more has an & in front.
func (c *testClient) query(transport, more string) string {
	q := "transport=" + transport + "&clientProtocol=2.1&asrs_request_id=a%2Bb&room=1"
	return q + "&connectionToken=" + url.QueryEscape(c.ConnectionToken) + "&" + chatHub + more
}

// request is one with the token in its header.
func (c *testClient) request(method, command, transport, more, body string) request {
	r := request{method: method, path: command, query: c.query(transport, more), token: c.token, body: body}
	if body != "" {
		r.header = map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
	}
	return r
}

func (c *testClient) do(method, command, transport, more, body string) response {
	c.t.Helper()
	return c.f.do(c.request(method, command, transport, more, body))
}

// start confirms the first frame.
func (c *testClient) start(transport string) {
	c.t.Helper()
	res := c.do("GET", "start", transport, "&_=2", "")
	require.Equal(c.t, 200, res.status, res.body)
	require.JSONEq(c.t, `{"Response":"started"}`, res.body)
}

// say sends a call by POST.
func (c *testClient) say(transport, call string) response {
	c.t.Helper()
	return c.do("POST", "send", transport, "", "data="+url.QueryEscape(call))
}

// saw checks a frame and keeps its cursor.
func (c *testClient) saw(text string) {
	c.t.Helper()
	require.True(c.t, json.Valid([]byte(text)), text)
	frame := parse[map[string]json.RawMessage](c.t, text)
	cursor, messages := frame["C"], frame["M"]
	require.Equal(c.t, messages != nil, cursor != nil, "C108: %s", text)
	if cursor != nil {
		require.NoError(c.t, json.Unmarshal(cursor, &c.cursor))
		require.NotEmpty(c.t, c.cursor)
	}
}

// messages are those of a frame, as text.
func messages(t *testing.T, frame string) string {
	t.Helper()
	return string(parse[struct{ M json.RawMessage }](t, frame).M)
}

// broadcast sends a message to all clients, as a hub server does.
func (f *fixture) broadcast(text string) {
	f.t.Helper()
	f.broadcastFrame(`{"C":"0","M":[` + message(text) + `]}`)
}

func message(text string) string { return `{"H":"Chat","M":"say","A":["` + text + `"]}` }

func (f *fixture) broadcastFrame(sent string) {
	f.t.Helper()
	_, err := f.gw.Do(context.Background(), &gateway.Command{Hub: testHub, Verb: gateway.VerbSend,
		Target: gateway.Target{Kind: gateway.TargetAll}, Frames: f.frames(sent)})
	require.NoError(f.t, err)
}

func (f *fixture) frames(sent string) *hubprotocol.Frames {
	f.t.Helper()
	frame, err := f.cursors.Frame([]byte(sent))
	require.NoError(f.t, err)
	frames, err := hubprotocol.NewFrames(map[string][]byte{aspnetprotocol.Name: frame})
	require.NoError(f.t, err)
	return frames
}

// answer sends what answers a call, to one client.
func (f *fixture) answer(id, sent string) {
	f.t.Helper()
	frame, err := f.cursors.Frame([]byte(sent))
	require.NoError(f.t, err)
	f.live(id).Send(frame)
}

// live returns the connection with the id.
func (f *fixture) live(id string) *gateway.Conn {
	f.t.Helper()
	conn, _ := f.gw.Lookup(id)
	require.NotNil(f.t, conn, "no such connection")
	return conn
}

// wait returns when the application was told n events with the text.
func (f *fixture) wait(text string, n int) []string {
	f.t.Helper()
	deadline := time.After(time.Minute)
	for {
		events, changed := f.app.told(text)
		if len(events) >= n {
			return events
		}
		select {
		case <-changed:
		case <-deadline:
			require.Fail(f.t, "the application was not told", "%s, but %q", text, events)
		}
	}
}
