package servermode_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// stuck connects a hub server that reads nothing after its handshake until it is let go.
func stuck(t *testing.T, w *world) (ws *websocket.Conn, read func() []sp.Message) {
	ws, _, err := w.dial(dial{}, serverToken(t, dial{}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, (&sp.HandshakeRequest{Version: 1}).Append(nil)))
	var buf []byte
	return ws, func() (got []sp.Message) {
		_, data, err := ws.ReadMessage()
		if err != nil {
			return nil
		}
		buf = append(buf, data...)
		for {
			body, rest, err := sp.Cut(buf, 64<<20)
			require.NoError(t, err)
			if body == nil {
				return got
			}
			m, err := sp.Parse(body)
			require.NoError(t, err)
			got, buf = append(got, m), rest
		}
	}
}

func TestD14AClientFasterThanItsHubServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.QueueBytes = 64 << 10
		ws, read := stuck(t, w)
		require.NotEmpty(t, read())
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, nil))
		c := gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		opened := false
		for !opened {
			for _, m := range read() {
				_, data := m.(*sp.ConnectionData)
				opened = opened || data
			}
		}
		const records = 1000
		var fed atomic.Int32
		go func() {
			for i := range records {
				if c.Conn.Feed([]byte(call("", fmt.Sprint(i, strings.Repeat("x", 1000))))) != nil {
					return
				}
				fed.Add(1)
			}
		}()
		synctest.Wait()
		require.Less(t, int(fed.Load()), 200, "the client is not read from")
		require.LessOrEqual(t, w.Stats().Hubs[0].QueuedBytes, 4*w.limits.QueueBytes)
		other := w.server(dial{id: "s2"})
		free := w.connect("2", "")
		require.NoError(t, free.Conn.Feed([]byte(call("", "unharmed"))))
		synctest.Wait()
		require.Contains(t, other.payloads("2"), "unharmed")
		next := 0
		for next < records {
			for _, m := range read() {
				if d, ok := m.(*sp.ConnectionData); ok {
					require.Contains(t, string(d.Payload), fmt.Sprintf(`"%dxxx`, next), "in order, none missing")
					next++
				}
			}
		}
		require.EqualValues(t, records, fed.Load())
	})
}

func TestAHubServerThatTakesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ws, read := stuck(t, w)
		require.NotEmpty(t, read())
		for range 12 {
			time.Sleep(3 * time.Second)
			_ = ws.WriteMessage(websocket.BinaryMessage, (&sp.Ping{}).Append(nil)) // it lives
		}
		synctest.Wait()
		require.EqualValues(t, 1, w.Stats().Ended[servermode.EndSlow])
	})
}

func TestQuestionsWithoutEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.limits.QueueBytes = 4 << 10
		ws, read := stuck(t, w)
		require.NotEmpty(t, read())
		var questions []byte
		for range 100_000 {
			questions = (&sp.CheckUserExistence{User: "x", AckID: 1}).Append(questions)
		}
		_ = ws.WriteMessage(websocket.BinaryMessage, questions)
		for range 12 {
			time.Sleep(3 * time.Second)
			_ = ws.WriteMessage(websocket.BinaryMessage, (&sp.Ping{}).Append(nil)) // it lives
		}
		synctest.Wait()
		require.EqualValues(t, 1, w.Stats().Ended[servermode.EndSlow], "what waits for it is bounded")
	})
}

func TestD12APublisherFasterThanTheClients(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.core.HubQueuedBytes, w.core.OutboxBytes = 100_000, 10_000_000
		s := w.server(dial{})
		slow := w.connect("1", "")
		fast := w.connect("2", "")
		slow.Stall()
		for range 2 {
			s.send(&sp.BroadcastData{Payloads: message(strings.Repeat("x", 60_000))})
			synctest.Wait()
		}
		start := time.Now()
		s.send(&sp.BroadcastData{Payloads: message("after")}, &sp.CheckUserExistence{User: "x", AckID: 3})
		synctest.Wait()
		require.Empty(t, s.take(sp.TypeAck), "the connection is paused")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		fast.Want(ctx, "after")
		require.LessOrEqual(t, time.Since(start), 3*time.Second, "for two seconds at most")
		synctest.Wait()
		s.next(sp.TypeAck)
		time.Sleep(4 * time.Second)
		require.EqualValues(t, "SlowClient", slow.WantEnd(ctx).Reason)
		require.NoError(t, s.end())
	})
}

// steady is a client that reads slowly but steadily.
type steady struct {
	conn *gateway.Conn
	wake chan struct{}
	done chan struct{}
	mu   sync.Mutex
	got  []string
}

func connectSteady(t *testing.T, w *world, id string, perPiece time.Duration) *steady {
	s := &steady{wake: make(chan struct{}, 1), done: make(chan struct{})}
	conn, err := w.gw.Attach(gateway.Identity{ID: id, Hub: "chat"}, s)
	require.NoError(t, err)
	s.conn = conn
	var wg sync.WaitGroup
	wg.Go(func() { s.pump(perPiece) })
	t.Cleanup(func() {
		conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
		close(s.done)
		wg.Wait()
	})
	require.NoError(t, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	synctest.Wait()
	return s
}

// pump takes perPiece for 64 KB.
func (s *steady) pump(perPiece time.Duration) {
	var b gateway.Batch
	for {
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
		for s.conn.Take(&b, 64<<10) {
			for _, r := range b.Records {
				time.Sleep(perPiece * time.Duration(len(r.Bytes)/1000) / 64)
				s.mu.Lock()
				s.got = append(s.got, string(r.Bytes[:min(len(r.Bytes), 60)]))
				s.mu.Unlock()
			}
			s.conn.Wrote(&b, nil)
		}
	}
}

func (s *steady) Name() string                 { return gateway.WebSockets }
func (s *steady) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (s *steady) Abort(cause gateway.Cause)    { s.conn.Ended(cause) }
func (s *steady) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// occupyWorkers keeps every worker of the gateway busy until release is called.
func (w *world) occupyWorkers(s *hubServer) (release func()) {
	gate := make(chan struct{})
	var ids []string
	for i := range 16 {
		b := &busy{gate: gate}
		b.got = &tally{done: make(chan struct{}, 1)}
		ids = append(ids, fmt.Sprint("busy ", i))
		conn, err := w.gw.Attach(gateway.Identity{ID: ids[i], Hub: "chat"}, b)
		require.NoError(w.t, err)
		b.conn = conn
		require.NoError(w.t, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
		synctest.Wait()
		b.on.Store(true)
	}
	s.send(&sp.MultiConnectionData{Connections: ids, Payloads: message("x")})
	synctest.Wait()
	return sync.OnceFunc(func() { close(gate) })
}

// busy is a client whose Wake, which workers call, takes as long as the gate is closed.
type busy struct {
	sink
	on   atomic.Bool
	gate chan struct{}
}

func (b *busy) Wake() {
	if b.on.Load() {
		<-b.gate
	}
	b.sink.Wake()
}

func TestD17AStreamingHubIsSlowedDownByItsClient(t *testing.T) {
	const chunks, size = 200, 100_000
	// stream sends records for one client in the same way as a hub that streams, with step after each.
	stream := func(s *hubServer, kind string, step func()) {
		for i := range chunks {
			record := call("", fmt.Sprintf("%d.%s", i, strings.Repeat("x", size)))
			if kind == "data" {
				s.data("1", record)
			} else {
				s.send(&sp.MultiConnectionData{Connections: []string{"1"}, Payloads: payload(strings.TrimSuffix(record, "\x1e"))})
			}
			step()
		}
	}
	wantAll := func(t *testing.T, s *hubServer, c *steady) {
		require.NoError(t, s.end())
		require.Nil(t, c.conn.CloseRequested())
		c.mu.Lock()
		defer c.mu.Unlock()
		require.Len(t, c.got, chunks+1)
		for i, record := range c.got[1:] {
			require.Contains(t, record, fmt.Sprintf(`"target":"%d.x`, i), "in order, nothing lost")
		}
	}
	for _, kind := range []string{"data", "by connection id"} {
		t.Run(kind, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{})
				c := connectSteady(t, w, "1", 150*time.Millisecond) // 20 MB take 47 s
				// After each record everything is where it belongs: the outbox is what slows the hub down.
				stream(s, kind, synctest.Wait)
				time.Sleep(6 * time.Second) // enough for the soft bound, not for more
				wantAll(t, s, c)
			})
		})
		t.Run(kind+" as fast as it is read", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{})
				c := connectSteady(t, w, "1", 150*time.Millisecond)
				stream(s, kind, func() {})
				for range 6 {
					time.Sleep(10 * time.Second)
					s.send(sp.ClientCountPing(1, 1)) // it lives
				}
				wantAll(t, s, c)
			})
		})
	}
	for _, kind := range []string{"data", "by connection id"} {
		t.Run(kind+", what waits for a busy worker counts too", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(dial{})
				c := w.connect("1", "")
				release := w.occupyWorkers(s)
				defer release()
				var sent atomic.Int32
				streamed := make(chan struct{})
				go func() {
					defer close(streamed)
					stream(s, kind, func() { sent.Add(1) })
				}()
				synctest.Wait()
				require.Less(t, sent.Load(), int32(15), "the reader is not ahead of the outbox by more than its soft bound")
				release()
				<-streamed
				time.Sleep(3 * time.Second)
				require.Nil(t, c.Conn.CloseRequested())
				require.Len(t, c.Got(), chunks+1)
			})
		})
	}
	t.Run("one that takes nothing holds up the others for two seconds at a time", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			stuck, other := w.connect("1", ""), w.connect("2", "")
			stuck.Stall()
			start := time.Now()
			for i := range 3 {
				s.data("1", call("", strings.Repeat("x", 1_500_000)))
				synctest.Wait()
				s.data("2", call("", fmt.Sprint("for two ", i)))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			other.Want(ctx, "for two 2")
			require.LessOrEqual(t, time.Since(start), 7*time.Second)
			require.NoError(t, s.end())
		})
	})
}

// A client that is ending takes nothing more: what its hub server still sends to it is not a reason
// to wait.
func TestAClientThatIsEndingHoldsUpNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		stuck, other := w.connect("1", ""), w.connect("2", "")
		stuck.Stall()
		s.data("1", call("", strings.Repeat("x", 1_500_000)))
		time.Sleep(3 * time.Second)
		stuck.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
		synctest.Wait()
		start := time.Now()
		for range 3 {
			s.send(&sp.MultiConnectionData{Connections: []string{"1"}, Payloads: message("too late")})
			s.data("1", call("", "too late"))
		}
		s.data("2", call("", "for two"))
		other.Want(t.Context(), "for two")
		require.Zero(t, time.Since(start))
		require.NoError(t, s.end())
	})
}
