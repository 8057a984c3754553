package servermode_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/aspnetprotocol"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// sink is a client without a network that counts what it gets.
type sink struct {
	conn *gateway.Conn
	got  *tally
	b    gateway.Batch
}

func (s *sink) Name() string                 { return gateway.WebSockets }
func (s *sink) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (s *sink) Abort(cause gateway.Cause)    { s.conn.Ended(cause) }
func (s *sink) Wake() {
	n := 0
	for s.conn.Take(&s.b, 64<<10) {
		n += len(s.b.Records)
		end := s.b.End
		s.conn.Wrote(&s.b, nil)
		if end != nil {
			s.conn.Ended(*end)
		}
	}
	s.got.add(int64(n)) // once all of it was reported
}

// tally counts what sinks get and wakes who waits for it.
type tally struct {
	n, want atomic.Int64
	done    chan struct{}
}

func (t *tally) add(n int64) {
	if t.n.Add(n) == t.want.Load() {
		t.done <- struct{}{}
	}
}

// expect says how many records are to come until wait returns.
func (t *tally) expect(n int) { t.want.Store(t.n.Load() + int64(n)) }

func (t *tally) wait() { <-t.done }

// overTCP is a world with a hub server that is reached through a socket.
func overTCP(tb testing.TB) (*world, *hubServer) {
	w := newWorld(tb)
	server := httptest.NewServer(w.Backend)
	tb.Cleanup(server.Close)
	tb.Cleanup(w.stop)
	s := w.server(dial{tcp: strings.TrimPrefix(server.URL, "http://")})
	return w, s
}

func attach(tb testing.TB, w *world, id string, got *tally) *gateway.Conn {
	s := &sink{got: got}
	conn, err := w.gw.Attach(gateway.Identity{ID: id, Hub: "chat"}, s)
	require.NoError(tb, err)
	s.conn = conn
	require.NoError(tb, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	return conn
}

// BenchmarkEcho is one round trip of a small invocation: client, gateway, hub
// server over a socket, and back.
func BenchmarkEcho(b *testing.B) {
	w, s := overTCP(b)
	s.setOn(func(m sp.Message) {
		if d, ok := m.(*sp.ConnectionData); ok {
			s.send(d)
		}
	})
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(1)
	conn := attach(b, w, "1", got)
	got.wait()
	record := []byte(call("1", "echo"))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		got.expect(1)
		if err := conn.Feed(record); err != nil {
			b.Fatal(err)
		}
		got.wait()
	}
}

// BenchmarkBroadcast is one message of a hub server to all clients.
func BenchmarkBroadcast(b *testing.B) {
	for _, clients := range []int{1, 1000} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			w, s := overTCP(b)
			got := &tally{done: make(chan struct{}, 1)}
			got.expect(clients)
			for i := range clients {
				attach(b, w, fmt.Sprint(i), got)
			}
			got.wait()
			message := (&sp.BroadcastData{Payloads: message("news")}).Append(nil)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				got.expect(clients)
				s.write(message)
				got.wait()
			}
		})
	}
}

// BenchmarkBareEcho is the same round trip through a WebSocket echo loop, to compare with.
func BenchmarkBareEcho(b *testing.B) {
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(rw, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			kind, data, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	defer server.Close()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	require.NoError(b, err)
	defer ws.Close()
	record := []byte(call("1", "echo"))
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, ws.WriteMessage(websocket.TextMessage, record))
		_, _, err := ws.ReadMessage()
		require.NoError(b, err)
	}
}

// aspnetSink is a sink that speaks as clients of ASP.NET SignalR do.
type aspnetSink struct{ sink }

func (s *aspnetSink) Manner() gateway.Manner { return manner{} }

func attachAspNet(tb testing.TB, w *world, id string, got *tally) *gateway.Conn {
	s := &aspnetSink{sink{got: got}}
	conn, err := w.gw.Attach(gateway.Identity{ID: id, Hub: "aspnet:app", Query: "connectionData=" + url.QueryEscape(`[{"name":"chat"}]`)}, s)
	require.NoError(tb, err)
	s.conn = conn
	require.NoError(tb, conn.Start(gateway.Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: aspnetprotocol.Name}}))
	return conn
}

// aspnetOverTCP is overTCP for a hub server of ASP.NET SignalR.
func aspnetOverTCP(tb testing.TB, hub string) (*world, *hubServer) {
	w := newWorld(tb)
	server := httptest.NewServer(w.AspNet())
	tb.Cleanup(server.Close)
	tb.Cleanup(w.stop)
	return w, w.aspnetServer(dial{hub: hub, tcp: strings.TrimPrefix(server.URL, "http://")})
}

// BenchmarkAspNetEcho is BenchmarkEcho for ASP.NET SignalR.
func BenchmarkAspNetEcho(b *testing.B) {
	w, s := aspnetOverTCP(b, "app_app")
	answer := &sp.ConnectionData{ConnectionID: "1", Payload: sp.AppendWrapped(nil, []byte(aspnetResult("1", `"echo"`)))}
	s.setOn(func(m sp.Message) {
		if m.Type() == sp.TypeConnectionData {
			s.send(answer)
		}
	})
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(1)
	conn := attachAspNet(b, w, "1", got)
	got.wait()
	record := []byte(aspnetCall("1", "echo"))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		got.expect(1)
		if err := conn.Record(record); err != nil {
			b.Fatal(err)
		}
		got.wait()
	}
}

// BenchmarkAspNetBroadcast is BenchmarkBroadcast for ASP.NET SignalR.
func BenchmarkAspNetBroadcast(b *testing.B) {
	for _, clients := range []int{1, 1000} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			w, s := aspnetOverTCP(b, "app_chat")
			got := &tally{done: make(chan struct{}, 1)}
			got.expect(clients)
			for i := range clients {
				attachAspNet(b, w, fmt.Sprint(i), got)
			}
			got.wait()
			message := (&sp.BroadcastData{Payloads: wrapped(bus("news"))}).Append(nil)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				got.expect(clients)
				s.write(message)
				got.wait()
			}
		})
	}
}
