package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/api"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

const (
	endpoint  = "http://localhost:8888"
	secondary = auth.Secret("a second key of forty-four characters, more.")
)

// fixture is the handler on a real gateway. Every answer it gets is compared
// with the contract.
type fixture struct {
	t        testing.TB
	gateway  *gateway.Gateway
	handler  http.Handler
	limits   Limits
	gwLimits atomic.Pointer[gateway.Limits]
	counted  counted
	logged   logged
	contract *openapi3.T
	byID     map[string]*openapi3.Operation
}

// limitGateway puts limits into force that differ from the defaults.
func (f *fixture) limitGateway(differ func(*gateway.Limits)) {
	l := gateway.DefaultLimits()
	differ(&l)
	f.gwLimits.Store(&l)
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, byID: make(map[string]*openapi3.Operation)}
	f.limitGateway(func(*gateway.Limits) {})
	var err error
	f.contract, err = openapi3.NewLoader().LoadFromData(api.Spec)
	require.NoError(t, err)
	for _, item := range f.contract.Paths.Map() {
		for _, operation := range item.Operations() {
			f.byID[operation.OperationID] = operation
		}
	}
	f.gateway, err = gateway.New(gateway.Options{
		Node: "n1", Backend: &gatewaytest.Backend{}, UserGroups: &shelf{}, Workers: 2,
		Limits: func() gateway.Limits { return *f.gwLimits.Load() },
	})
	require.NoError(t, err)
	t.Cleanup(f.gateway.Close)
	f.handler = New(f.options())
	return f
}

func (f *fixture) options() Options {
	return Options{
		Hubs: f.gateway, UserGroups: f.gateway,
		Tokens: auth.NewVerifier(auth.VerifierOptions{
			Keys: func() []auth.Secret { return []auth.Secret{auth.EmulatorKey, secondary} },
		}),
		SignClient: func(hub, user string, lifetime time.Duration) (string, error) {
			return auth.SignClient(auth.EmulatorKey, endpoint, hub, auth.ClientTokenSpec{UserID: user, Lifetime: lifetime})
		},
		Limits: func() Limits { return f.limits }, Metrics: &f.counted,
		Logger: slog.New(slog.NewJSONHandler(&f.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// answer is a response read to its end.
type answer struct {
	t         testing.TB
	status    int
	header    http.Header
	body      string
	operation string
}

// wantError checks an ErrorDetail and its header.
func (a answer) wantError(status int, code string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	require.Equal(a.t, code, a.header.Get("x-ms-error-code"))
	if strings.HasSuffix(a.operation, "Head") {
		return
	}
	var detail ErrorDetail
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &detail), a.body)
	require.Equal(a.t, code, detail.Code)
	require.NotEmpty(a.t, detail.Message)
}

func (a answer) wantStatus(status int) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
}

// edit changes a request before it is served.
type edit func(*http.Request)

func with(name, value string) edit { return func(r *http.Request) { r.Header.Set(name, value) } }

// jsonBody is a message as JSON.
const helloJSON = `{"target":"hello","arguments":["world"]}`

// do serves a request with a good token. The target is a path with query as it
// stands in a request line; body, if not empty, is JSON.
func (f *fixture) do(method, target, body string, edits ...edit) answer {
	f.t.Helper()
	path, _, _ := strings.Cut(target, "?")
	return f.bare(method, target, body, append([]edit{with("Authorization", "Bearer "+restToken(f.t, path))}, edits...)...)
}

func restToken(t testing.TB, path string) string {
	t.Helper()
	// Escaped three bytes long, some names would make the token too long.
	if decoded, err := url.PathUnescape(path); err == nil && len(path) > 2000 {
		path = decoded
	}
	token, err := auth.SignREST(auth.EmulatorKey, endpoint+path, time.Hour)
	require.NoError(t, err)
	return token
}

// bare is do without a token.
func (f *fixture) bare(method, target, body string, edits ...edit) answer {
	f.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for _, e := range edits {
		e(r)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	a := answer{t: f.t, status: w.Code, header: w.Result().Header, body: w.Body.String(), operation: f.counted.last().operation}
	f.compare(a)
	return a
}

// compare fails the test if the contract does not have the answer.
func (f *fixture) compare(a answer) {
	f.t.Helper()
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.operation, "Health") { // probes of a draining node are not counted
		require.Equal(f.t, a.status, f.counted.last().status, "the counted status")
	}
	operation := f.byID[a.operation]
	if operation == nil {
		require.Equal(f.t, UnknownOperation, a.operation)
		require.Contains(f.t, []int{403, 404, 405, 414}, a.status)
		return
	}
	response := operation.Responses.Status(a.status)
	require.NotNil(f.t, response, "%s answers %d, which the contract does not have", a.operation, a.status)
	for name, header := range response.Value.Headers {
		value := a.header.Get(name)
		require.NotEmpty(f.t, value, "%s of %s %d", name, a.operation, a.status)
		if name == "x-ms-error-code" {
			require.NoError(f.t, header.Value.Schema.Value.VisitJSON(value))
		}
	}
	media := response.Value.Content.Get("application/json")
	if media == nil {
		require.Empty(f.t, a.body, "%s %d", a.operation, a.status)
		return
	}
	var document any
	require.NoError(f.t, json.Unmarshal([]byte(a.body), &document), a.body)
	require.NoError(f.t, media.Schema.Value.VisitJSON(document))
}

// connect is a client of the hub with this key.
func (f *fixture) connect(hub, id, user string) *gatewaytest.Client {
	return gatewaytest.Connect(f.t, f.gateway, gatewaytest.Options{Hub: hub, ID: id, User: user})
}

// settled sends a last message to the clients: when they have it, they have
// everything that was sent before.
func (f *fixture) settled(ctx context.Context, clients ...*gatewaytest.Client) {
	f.t.Helper()
	for _, c := range clients {
		id := c.Conn.Identity()
		f.do("POST", "/api/hubs/"+id.Hub+"/connections/"+id.ID+"/:send", `{"target":"settled"}`).wantStatus(202)
		c.Want(ctx, "settled")
	}
}

// counted is a Metrics that keeps the last request.
type counted struct {
	mu      sync.Mutex
	request counter
	took    time.Duration
}

type counter struct {
	operation string
	status    int
}

func (c *counted) Request(operation string, status int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.request, c.took = counter{operation, status}, took
}

func (c *counted) last() counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request
}

// lasted returns how long the last request took.
func (c *counted) lasted() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.took
}

// logged collects lines.
type logged struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// take returns the lines since the last call.
func (l *logged) take(t testing.TB) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.lines.String()) {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		all = append(all, one)
	}
	l.lines.Reset()
	return all
}

// shelf is a gateway.UserGroups that forgets nothing by itself.
type shelf struct {
	mu   sync.Mutex
	held map[[2]string][]gateway.StandingGroup
	err  error
}

func (s *shelf) Put(_ context.Context, hub, user, group string, until time.Time) error {
	_ = s.Delete(context.Background(), hub, user, group)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = make(map[[2]string][]gateway.StandingGroup)
	}
	key := [2]string{hub, user}
	s.held[key] = append(s.held[key], gateway.StandingGroup{Group: group, Until: until})
	return s.err
}

func (s *shelf) Delete(_ context.Context, hub, user, group string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{hub, user}
	var rest []gateway.StandingGroup
	for _, g := range s.held[key] {
		if g.Group != group {
			rest = append(rest, g)
		}
	}
	if s.held != nil {
		s.held[key] = rest
	}
	return s.err
}

func (s *shelf) DeleteAll(_ context.Context, hub, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, [2]string{hub, user})
	return s.err
}

func (s *shelf) List(_ context.Context, hub, user string) ([]gateway.StandingGroup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []gateway.StandingGroup
	for _, g := range s.held[[2]string{hub, user}] {
		if g.Until.IsZero() || time.Now().Before(g.Until) {
			list = append(list, g)
		}
	}
	return list, s.err
}
