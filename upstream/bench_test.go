package upstream

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// benchBody is 128 bytes, as in the benchmarks of deliveries.
const benchBody = `{"type":1,"target":"newMessage","arguments":["` +
	`xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]}`

// benchHandler reads the body and says 204.
func benchHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
}

// BenchmarkBarePost is the floor: the same body to the same handler with
// net/http alone. Compare cpu-ns/op.
func BenchmarkBarePost(b *testing.B) {
	server := httptest.NewServer(benchHandler())
	defer server.Close()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	b.ReportAllocs()
	defer reportCPU(b)()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			response, err := client.Post(server.URL+"/api?code=secret", "application/json", bytes.NewReader([]byte(benchBody)))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
}

// BenchmarkEvent is one event of a client with a user, five claims and two
// keys, with its answer, and should take at most 1.5 times the processor time
// of BenchmarkBarePost. It takes about 1.3 times; a bare POST with the same
// headers takes 1.2 times, because the server has to read them as well.
func BenchmarkEvent(b *testing.B) {
	server := httptest.NewServer(benchHandler())
	defer server.Close()
	cfg := toAll(server.URL + "/api?code=secret")
	cfg.Keys = []auth.Secret{auth.EmulatorKey, auth.EmulatorKey}
	backend := New(Options{Config: func() *Config { return cfg }})
	b.ReportAllocs()
	defer reportCPU(b)()
	b.RunParallel(func(pb *testing.PB) {
		done := make(chan struct{}, 1)
		c := &benchConn{done: done, id: gateway.Identity{
			ID: "abcdefghijklmnopqrstuv01", Hub: "chat", HubName: "chat", User: "user-1", Query: "?hub=chat",
			Claims: []gateway.Claim{{Type: "role", Value: "admin"}, {Type: "a", Value: "1"}, {Type: "b", Value: "2"}, {Type: "c", Value: "3"}, {Type: "d", Value: "4"}},
		}}
		s := newSession(backend, c)
		message, err := hubprotocol.Parse(hubprotocol.JSON, []byte(benchBody))
		if err != nil {
			b.Error(err)
			return
		}
		message.HasID, message.InvocationID = true, "1" // its answer says when the event is over
		for pb.Next() {
			s.Received(gateway.Record{Type: hubprotocol.Invocation, HasID: true, Body: []byte(benchBody), Message: &message})
			<-done
		}
	})
	require.NoError(b, backend.Close(context.Background()))
}

// benchConn says when an event was answered.
type benchConn struct {
	id   gateway.Identity
	done chan struct{}
}

func (c *benchConn) Identity() *gateway.Identity { return &c.id }
func (c *benchConn) Protocol() string            { return hubprotocol.JSON }
func (c *benchConn) Send([]byte)                 { c.done <- struct{}{} }
func (c *benchConn) Resume()                     {}
func (c *benchConn) Close(gateway.Cause)         {}

// BenchmarkCaller computes the headers that all events of a connection share.
func BenchmarkCaller(b *testing.B) {
	cfg := &Config{Keys: []auth.Secret{auth.EmulatorKey, auth.EmulatorKey}}
	id := &gateway.Identity{
		ID: "abcdefghijklmnopqrstuv01", Hub: "chat", HubName: "chat", User: "user-1", Query: "?hub=chat",
		Claims: []gateway.Claim{{Type: "role", Value: "admin"}, {Type: "a", Value: "1"}, {Type: "b", Value: "2"}, {Type: "c", Value: "3"}, {Type: "d", Value: "4"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		newCaller(id, cfg)
	}
}
