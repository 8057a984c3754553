package restapi

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
)

const sendToUser = "/api/hubs/chat/users/ann/:send?api-version=2022-06-01"

// BenchmarkSendToUser is the whole request, to one client that takes what
// comes. BenchmarkVerifyAndAnswer is the least it could be: verify the token,
// answer 202. Both run with one token for all requests, which the verifier
// remembers, and with a token for each, which it does not.
func BenchmarkSendToUser(b *testing.B) {
	f := newFixture(b)
	f.handler = quiet(f)
	drained(b, f)
	compared(b, f.handler)
}

// BenchmarkVerifyAndAnswer is what BenchmarkSendToUser is compared with.
func BenchmarkVerifyAndAnswer(b *testing.B) {
	f := newFixture(b)
	tokens := f.options().Tokens
	compared(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := auth.BearerToken(r.Header)
		if err := tokens.REST(token, r.Method, r.URL.EscapedPath(), ""); err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
}

func quiet(f *fixture) http.Handler {
	options := f.options()
	options.Logger = nil
	return New(options)
}

func compared(b *testing.B, handler http.Handler) {
	path, _, _ := strings.Cut(sendToUser, "?")
	remembered := []string{"Bearer " + restToken(b, path)}
	var fresh []string
	for i := range 3 * 4096 { // more than the verifier remembers
		token, err := auth.SignREST(auth.EmulatorKey, endpoint+path, time.Duration(i)*time.Second+time.Hour)
		require.NoError(b, err)
		fresh = append(fresh, "Bearer "+token)
	}
	b.Run("handler/one-token", func(b *testing.B) { inMemory(b, handler, remembered) })
	b.Run("handler/many-tokens", func(b *testing.B) { inMemory(b, handler, fresh) })
	b.Run("loopback/one-token", func(b *testing.B) { overLoopback(b, handler, remembered) })
	b.Run("loopback/many-tokens", func(b *testing.B) { overLoopback(b, handler, fresh) })
}

// smallBody is small, as most messages are.
var smallBody = []byte(`{"target":"newMessage","arguments":["` + strings.Repeat("x", 100) + `"]}`)

type discarding struct {
	header http.Header
	status int
}

func (d *discarding) Header() http.Header         { return d.header }
func (d *discarding) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarding) WriteHeader(status int)      { d.status = status }

func inMemory(b *testing.B, handler http.Handler, tokens []string) {
	u, err := url.ParseRequestURI(sendToUser)
	require.NoError(b, err)
	r := httptest.NewRequest("POST", "/", nil)
	r.URL, r.RequestURI, r.ContentLength = u, sendToUser, int64(len(smallBody))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := &discarding{header: make(http.Header)}
	content := bytes.NewReader(smallBody)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		content.Reset(smallBody)
		r.Body = io.NopCloser(content)
		r.Header["Authorization"] = tokens[i%len(tokens) : i%len(tokens)+1]
		w.status = 0
		handler.ServeHTTP(w, r)
		if w.status != http.StatusAccepted {
			b.Fatal(w.status)
		}
	}
}

// overLoopback has the caller's work in it, the same for both benchmarks.
func overLoopback(b *testing.B, handler http.Handler, tokens []string) {
	server := httptest.NewServer(handler)
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(b, err)
	defer c.Close()
	var request []byte
	answer := make([]byte, 4096)
	for i := 0; b.Loop(); i++ {
		request = fmt.Appendf(request[:0], "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			sendToUser, tokens[i%len(tokens)], len(smallBody), smallBody)
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		n, err := c.Read(answer)
		if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 202")) {
			b.Fatal(err, string(answer[:n]))
		}
	}
}

// sink is a client that takes everything at once.
type sink struct {
	conn *gateway.Conn
	wg   sync.WaitGroup
	wake chan struct{}
}

func (s *sink) Name() string { return gateway.WebSockets }

func (s *sink) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *sink) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (s *sink) Abort(cause gateway.Cause)    { s.conn.Ended(cause) }

func (s *sink) pump() {
	for range s.wake {
		var batch gateway.Batch
		for s.conn.Take(&batch, 64<<10) {
			s.conn.Wrote(&batch, nil)
		}
	}
}

func drained(b *testing.B, f *fixture) {
	s := &sink{wake: make(chan struct{}, 1)}
	var err error
	s.conn, err = f.gateway.Attach(gateway.Identity{ID: "c", Hub: "chat", HubName: "chat", User: "ann"}, s)
	require.NoError(b, err)
	s.wg.Go(s.pump)
	require.NoError(b, s.conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	b.Cleanup(func() {
		s.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		close(s.wake)
		s.wg.Wait()
	})
}
