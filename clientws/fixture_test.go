package clientws

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/transport"
)

// TestMain fails the run if a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }

const testKey auth.Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

// fixture is a whole client endpoint behind a real HTTP server.
type fixture struct {
	t       *testing.T
	gw      *gateway.Gateway
	core    gateway.Limits
	backend *gatewaytest.Backend
	h       *Handler
	limits  Limits
	counts  counted
	log     gatewaytest.Log
	network network
	plane   gateway.Backplane // of other nodes; nil is none
	url     string
	http    *http.Client
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
	f := &fixture{t: t, core: gateway.DefaultLimits(), limits: DefaultLimits(), backend: &gatewaytest.Backend{}, network: n}
	sealer, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	options := Options{
		Verifier: auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret { return []auth.Secret{testKey} }}),
		Sealer:   sealer, Node: "n1", Metrics: &f.counts,
		Logger: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits: func() Limits { return f.limits },
	}
	for _, c := range change {
		c(f, &options)
	}
	f.gw, err = gateway.New(gateway.Options{Node: options.Node, NodeOf: auth.NodeOf, Backplane: f.plane, Backend: f.backend, Workers: 2, Logger: options.Logger,
		Limits: func() gateway.Limits { return f.core }})
	require.NoError(t, err)
	options.Gateway = f.gw
	f.h = New(options)
	var requests sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		defer requests.Done()
		f.h.ServeHTTP(w, r)
	}), ErrorLog: slog.NewLogLogger(options.Logger.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	listener := transport.Listener(n, func() time.Duration { return f.limits.SendTimeout })
	go func() { served <- server.Serve(listener) }()
	f.http = &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableCompression: true}}
	f.url = "http://hub.example/client/"
	t.Cleanup(func() {
		abort, cancel := context.WithCancel(context.Background())
		cancel()
		_ = f.gw.Drain(abort)
		f.http.CloseIdleConnections()
		_ = server.Close()
		<-served
		requests.Wait() // Close does not
		require.NoError(t, f.h.Close(context.Background()))
		f.gw.Close()
		require.NoError(t, f.gw.Check())
	})
	return f
}

// token signs a token for the hub "chat".
func (f *fixture) token(spec auth.ClientTokenSpec) string {
	f.t.Helper()
	token, err := auth.SignClient(testKey, "http://localhost:8888", "chat", spec)
	require.NoError(f.t, err)
	return token
}

func (f *fixture) user(name string) string { return f.token(auth.ClientTokenSpec{UserID: name}) }

// request is one HTTP request of a client.
type request struct {
	method string
	path   string // default /client/
	query  string // default hub=chat
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
	if r.path == "" {
		r.path = "/client/"
	}
	if r.query == "" {
		r.query = "hub=chat"
	}
	body := r.reader
	if body == nil {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "http://hub.example"+r.path+"?"+r.query, body)
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
	res, err := f.begin(context.Background(), r)
	require.NoError(f.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(f.t, err)
	return response{res.StatusCode, res.Header, string(body)}
}

// async starts a request and delivers its answer on the channel.
func (f *fixture) async(r request) <-chan response {
	f.t.Helper()
	answered := make(chan response, 1)
	go func() {
		res, err := f.begin(context.Background(), r)
		if err != nil {
			answered <- response{body: err.Error()}
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answered <- response{res.StatusCode, res.Header, string(body)}
	}()
	return answered
}

// negotiated is a parsed negotiate answer.
type negotiated struct {
	NegotiateVersion    int    `json:"negotiateVersion"`
	ConnectionID        string `json:"connectionId"`
	ConnectionToken     string `json:"connectionToken"`
	AvailableTransports []struct {
		Transport       string   `json:"transport"`
		TransferFormats []string `json:"transferFormats"`
	} `json:"availableTransports"`
	Error                string `json:"error"`
	UseStatefulReconnect bool   `json:"useStatefulReconnect"`
}

// query is the query of requests for the negotiated connection.
func (n negotiated) query() string {
	if n.ConnectionToken == "" {
		return "hub=chat&id=" + n.ConnectionID
	}
	return "hub=chat&id=" + n.ConnectionToken
}

func (f *fixture) negotiate(token string) negotiated {
	f.t.Helper()
	return f.negotiateVersion(token, "negotiateVersion=1")
}

func (f *fixture) negotiateVersion(token, query string) negotiated {
	f.t.Helper()
	res := f.do(request{method: "POST", path: "/client/negotiate", query: "hub=chat&" + query, token: token})
	require.Equal(f.t, 200, res.status, res.body)
	return decodeJSON[negotiated](f.t, res.body)
}

// send broadcasts a message to the hub.
func (f *fixture) send(text string) {
	f.t.Helper()
	f.publish(gateway.Target{Kind: gateway.TargetAll}, text)
}

func (f *fixture) publish(to gateway.Target, text string) {
	f.t.Helper()
	frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, "message", []byte(`["`+text+`"]`))
	require.NoError(f.t, err)
	_, err = f.gw.Do(context.Background(), &gateway.Command{Hub: "chat", Verb: gateway.VerbSend,
		Target: to, Frames: frames})
	require.NoError(f.t, err)
}

func messageRecord(text string) string {
	return `{"type":1,"target":"message","arguments":["` + text + `"]}` + "\x1e"
}

// live returns the connection with the id.
func (f *fixture) live(id string) *gateway.Conn {
	f.t.Helper()
	conn, _ := f.gw.Lookup(id)
	require.NotNil(f.t, conn, "no such connection")
	return conn
}

const jsonHandshake = `{"protocol":"json","version":1}` + "\x1e"
