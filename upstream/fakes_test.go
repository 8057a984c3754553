package upstream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// patience bounds waits that only end early when something is broken.
const patience = time.Minute

// fakeConn is the gateway's side of a session.
type fakeConn struct {
	id       gateway.Identity
	protocol string
	sent     chan []byte
	closed   chan gateway.Cause
	resumed  atomic.Int32
}

func newConn(id string) *fakeConn {
	return &fakeConn{
		id:       gateway.Identity{ID: id, Hub: "chat", HubName: "chat"},
		protocol: hubprotocol.JSON,
		sent:     make(chan []byte, 1024), closed: make(chan gateway.Cause, 16),
	}
}

func (c *fakeConn) Identity() *gateway.Identity { return &c.id }
func (c *fakeConn) Protocol() string            { return c.protocol }
func (c *fakeConn) Send(frame []byte)           { c.sent <- frame }
func (c *fakeConn) Resume()                     { c.resumed.Add(1) }
func (c *fakeConn) Close(cause gateway.Cause)   { c.closed <- cause }

// post is one request that an upstream got.
type post struct {
	*http.Request
	body string
	when time.Time
}

func (p post) category() string { return p.Header.Get("X-ASRS-Category") }
func (p post) event() string    { return p.Header.Get("X-ASRS-Event") }

// hook is an upstream that hands over what it gets. Without an answer function
// it says 204.
type hook struct {
	*httptest.Server
	posts  chan post
	answer func(w http.ResponseWriter, p post)
}

func newHook(t testing.TB, answer func(w http.ResponseWriter, p post)) *hook {
	h := &hook{posts: make(chan post, 1024), answer: answer}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p := post{r, string(body), time.Now()}
	h.posts <- p
	if h.answer != nil {
		h.answer(w, p)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// says answers everything with one status and body.
func says(status int, body string) func(http.ResponseWriter, post) {
	return func(w http.ResponseWriter, _ post) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// want takes the next value from a channel.
func want[T any](t testing.TB, from chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// toAll is a template for every event.
func toAll(url string) *Config { return &Config{Templates: []Template{{URL: url}}} }

var testKey = auth.EmulatorKey

// start returns a Backend that is closed, its events delivered, when the test ends.
func start(t testing.TB, cfg *Config, more ...func(*Options)) *Backend {
	opts := Options{Config: func() *Config { return cfg }}
	for _, change := range more {
		change(&opts)
	}
	b := New(opts)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, b.Close(ctx))
	})
	return b
}

// connect opens a session.
func connect(b *Backend, c *fakeConn) *session {
	s := newSession(b, c)
	s.Opened()
	return s
}

// receive hands a record to a session as the gateway does, and then overwrites
// it: it is only valid during the call.
func receive(t testing.TB, s *session, body string) (taken bool) {
	t.Helper()
	buffer := []byte(body)
	protocol := s.conn.Protocol()
	peeked, err := hubprotocol.Peek(protocol, buffer)
	require.NoError(t, err)
	message, err := hubprotocol.Parse(protocol, buffer)
	require.NoError(t, err)
	taken = s.Received(gateway.Record{
		Type: peeked.Type, HasID: peeked.HasID, InvocationID: peeked.InvocationID, Body: buffer, Message: &message,
	})
	clear(buffer)
	return taken
}

func send(target string) string {
	return `{"type":1,"target":"` + target + `","arguments":[]}`
}

func invoke(id, target string) string {
	return `{"type":1,"invocationId":"` + id + `","target":"` + target + `","arguments":[]}`
}

// completion parses the next record the client got.
func completion(t testing.TB, c *fakeConn) hubprotocol.Message {
	t.Helper()
	frame := want(t, c.sent)
	_, body, rest, err := hubprotocol.Cut(c.protocol, frame, 64<<20)
	require.NoError(t, err)
	require.NotNil(t, body, "not framed: %q", frame)
	require.Empty(t, rest)
	m, err := hubprotocol.Parse(c.protocol, body)
	require.NoError(t, err)
	require.Equal(t, hubprotocol.Completion, m.Type)
	return m
}

// books is a Metrics that remembers.
type books struct {
	mu      sync.Mutex
	called  []Result
	skipped []SkipReason
	queued  int
}

func (b *books) Called(_ int, _ string, r Result, _ time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called = append(b.called, r)
}

func (b *books) Skipped(_ string, r SkipReason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skipped = append(b.skipped, r)
}

func (b *books) Queued(delta int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queued += delta
}

func (b *books) results() []Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Result(nil), b.called...)
}

func (b *books) skips() []SkipReason {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]SkipReason(nil), b.skipped...)
}

func (b *books) depth() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queued
}

func watched(m *books) func(*Options) { return func(o *Options) { o.Metrics = m } }

// journal is a log that can be searched while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

func logged(j *journal) func(*Options) {
	return func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}
