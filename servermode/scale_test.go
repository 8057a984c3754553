package servermode_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// crowd attaches clients without goroutines of their own. Each takes about 1.4 KB to announce.
func crowd(t *testing.T, w *world, n int) []*gateway.Conn {
	t.Helper()
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(n)
	conns := make([]*gateway.Conn, n)
	for i := range conns {
		s := &sink{got: got}
		id := gateway.Identity{ID: fmt.Sprint(i), Hub: "chat", Query: "x=" + strings.Repeat("x", 1400)}
		conn, err := w.gw.Attach(id, s)
		require.NoError(t, err)
		s.conn, conns[i] = conn, conn
		require.NoError(t, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	}
	got.wait()
	return conns
}

// wantLive fails if a client has ended.
func wantLive(t *testing.T, conns []*gateway.Conn) {
	t.Helper()
	for _, c := range conns {
		require.Nil(t, c.CloseRequested(), "client %s", c.Identity().ID)
	}
}

// wantEachOnce checks that every client was announced to exactly one of the hub servers, and
// returns how many each has got.
func wantEachOnce(t *testing.T, clients int, servers ...*hubServer) (shares []int) {
	t.Helper()
	seen := make(map[string]bool)
	for _, s := range servers {
		require.NoError(t, s.end())
		opened := s.take(sp.TypeOpenConnection)
		shares = append(shares, len(opened))
		for _, m := range opened {
			id := m.(*sp.OpenConnection).ConnectionID
			require.False(t, seen[id], "client %s twice", id)
			seen[id] = true
		}
	}
	require.Len(t, seen, clients)
	return shares
}

func TestManyClientsOfALostServerFindAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const clients = 300
		w.limits.QueueBytes, w.limits.Grace = 64<<10, time.Minute
		old := w.server(dial{id: "old"})
		conns := crowd(t, w, clients)
		_ = old.ws.Close()
		synctest.Wait()
		require.Equal(t, clients, w.Stats().Hubs[0].Waiting)
		var next []*hubServer
		for range 5 {
			next = append(next, w.server(dial{id: "next"}))
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		for _, share := range wantEachOnce(t, clients, next...) {
			require.Greater(t, share, clients/20, "spread over the connections of the process")
		}
		wantLive(t, conns)
		stats := w.Stats()
		require.Zero(t, stats.Ended[servermode.EndSlow])
		require.EqualValues(t, clients, stats.Recovered, "each once")
		require.Zero(t, stats.Hubs[0].Waiting)
		require.NoError(t, conns[7].Feed([]byte(call("1", "x"))))
		synctest.Wait()
		all := ""
		for _, s := range next {
			all += s.payloads("7")
		}
		require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e"+call("1", "x"), all)
	})
}

func TestFiftyThousandClientsOfALostServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	inWorld(t, func(t *testing.T, w *world) {
		const clients = 50_000
		w.limits.Grace = time.Minute
		old := w.server(dial{id: "old"})
		conns := crowd(t, w, clients)
		_ = old.ws.Close()
		synctest.Wait()
		require.Equal(t, clients, w.Stats().Hubs[0].Waiting)
		var next []*hubServer
		for range 5 {
			next = append(next, w.server(dial{id: "next"}))
		}
		start := time.Now()
		for w.Stats().Hubs[0].Waiting > 0 {
			time.Sleep(100 * time.Millisecond)
			require.Less(t, time.Since(start), 10*time.Second)
		}
		synctest.Wait()
		for _, share := range wantEachOnce(t, clients, next...) {
			require.Greater(t, share, clients/20)
		}
		wantLive(t, conns)
		require.EqualValues(t, clients, w.Stats().Recovered)
	})
}

func TestManyClientsMoveAtThePaceOfTheirNextServer(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprint("busy ", busy), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				const clients = 300
				w.limits.QueueBytes = 64 << 10
				old := w.server(dial{id: "old", level: 1})
				old.setOn(func(sp.Message) { old.send(sp.ClientCountPing(1, 1)) })
				conns := crowd(t, w, clients)
				if busy { // each move waits until its deadline, which they have in common
					for _, c := range conns {
						require.NoError(t, c.Feed([]byte(call("1", "slow"))))
					}
				}
				next := w.server(dial{id: "next", level: 1})
				next.setOn(func(sp.Message) { next.send(sp.ClientCountPing(1, 1)) })
				old.send(sp.ShutdownPing(sp.FinMigrate))
				time.Sleep(10 * time.Second)
				wantEachOnce(t, clients, next)
				wantLive(t, conns)
				stats := w.Stats()
				require.Zero(t, stats.Ended[servermode.EndSlow])
				require.EqualValues(t, clients, stats.Migrated)
				require.Len(t, old.take(sp.TypeCloseConnection), clients)
			})
		})
	}
}

// socketLike is a client whose transport ends only when its reader has come back, as a WebSocket's.
type socketLike struct {
	sink
	mu     sync.Mutex
	cut    bool
	ended  chan struct{}
	feeds  chan string
	failed error
}

func connectSocketLike(t *testing.T, w *world, id string) *socketLike {
	s := &socketLike{ended: make(chan struct{}), feeds: make(chan string, 100)}
	s.got = &tally{done: make(chan struct{}, 1)}
	conn, err := w.gw.Attach(gateway.Identity{ID: id, Hub: "chat"}, s)
	require.NoError(t, err)
	s.conn = conn
	go s.read()
	s.feeds <- "{\"protocol\":\"json\",\"version\":1}\x1e"
	synctest.Wait()
	return s
}

func (s *socketLike) read() {
	defer close(s.ended)
	for data := range s.feeds {
		if s.failed = s.conn.Feed([]byte(data)); s.failed != nil {
			break
		}
	}
	s.conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
}

// stop is the socket's end, which a reader notices that reads.
func (s *socketLike) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.cut {
		s.cut = true
		close(s.feeds)
	}
}

func (s *socketLike) Abort(gateway.Cause) { s.stop() }

func (s *socketLike) Wake() {
	for s.conn.Take(&s.b, 64<<10) {
		end := s.b.End
		s.conn.Wrote(&s.b, nil)
		if end != nil {
			s.stop()
		}
	}
}

func (s *socketLike) hasEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func TestAnEndWakesTheReader(t *testing.T) {
	held := call("2", strings.Repeat("x", 3000))
	t.Run("the hub aborts a client that moves", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.HeldBytes = 4000
			old := w.server(dial{id: "old", level: 1})
			c := connectSocketLike(t, w, "1")
			w.server(dial{id: "next", level: 1})
			c.feeds <- call("1", "slow")
			synctest.Wait()
			old.send(sp.ShutdownPing(sp.FinMigrate))
			synctest.Wait()
			c.feeds <- held + held + held
			synctest.Wait()
			old.send(&sp.CloseConnection{ConnectionID: "1"})
			synctest.Wait()
			require.True(t, c.hasEnded(), "the reader waits for ever")
			require.Zero(t, w.gw.Connections("chat"))
		})
	})
	t.Run("the hub refuses a client that has said more than fits", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace, w.limits.HeldBytes = time.Minute, 4000
			old := w.server(dial{id: "old", silent: true})
			c := connectSocketLike(t, w, "1")
			_ = old.ws.Close()
			synctest.Wait()
			c.feeds <- held + held + held
			synctest.Wait()
			next := w.server(dial{id: "next", silent: true})
			time.Sleep(time.Second)
			next.data("1", `{"error":"no"}`+"\x1e")
			synctest.Wait()
			require.True(t, c.hasEnded())
		})
	})
	t.Run("a client that waits for a hub server is seen to leave", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = time.Minute
			old := w.server(dial{id: "old"})
			c := connectSocketLike(t, w, "1")
			_ = old.ws.Close()
			synctest.Wait()
			c.feeds <- call("1", "x")
			c.stop()
			synctest.Wait()
			require.True(t, c.hasEnded(), "its last words keep nobody waiting")
			require.Empty(t, w.Stats().Hubs)
		})
	})
}

func TestASilentServerGetsNoNewClients(t *testing.T) {
	t.Run("while there is another", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			hung, live := w.server(dial{id: "hung"}), w.server(dial{id: "live"})
			live.setOn(func(sp.Message) { live.send(sp.ClientCountPing(0, 0)) })
			conns := crowd(t, w, 8)
			require.Len(t, hung.take(sp.TypeOpenConnection), 4)
			time.Sleep(13 * time.Second)
			for i := range 8 {
				w.connect(fmt.Sprint("new", i), "")
			}
			require.Empty(t, hung.take(sp.TypeOpenConnection), "two pings missed")
			require.NoError(t, hung.end())
			time.Sleep(9 * time.Second)
			require.Error(t, hung.end())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndSilent])
			require.EqualValues(t, 4, w.Stats().Recovered, "there was time to give its clients away")
			wantLive(t, conns)
		})
	})
	t.Run("unless all are silent", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			time.Sleep(13 * time.Second)
			w.connect("1", "")
			s.next(sp.TypeOpenConnection)
		})
	})
}

func TestDyingConnectionsOfOneServer(t *testing.T) {
	t.Run("one after the other", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			var dying []*hubServer
			for range 5 {
				dying = append(dying, w.server(dial{id: "old"}))
			}
			conns := crowd(t, w, 20)
			for _, s := range dying {
				_ = s.ws.Close()
				time.Sleep(10 * time.Millisecond)
			}
			require.Zero(t, w.Stats().Recovered, "nobody is saved by going down with the next one")
			next := w.server(dial{id: "next"})
			time.Sleep(time.Second)
			require.EqualValues(t, 20, w.Stats().Recovered)
			wantEachOnce(t, 20, next)
			wantLive(t, conns)
		})
	})
	t.Run("one that lives takes the clients of another", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			broken, other := w.server(dial{id: "one"}), w.server(dial{id: "one"})
			conns := crowd(t, w, 10)
			_ = broken.ws.Close()
			time.Sleep(time.Second)
			wantEachOnce(t, 10, other)
			wantLive(t, conns)
		})
	})
	t.Run("a client that may be on no other server is not held", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = time.Minute
			old := []*hubServer{w.server(dial{id: "old"}), w.server(dial{id: "old"})}
			w.server(dial{id: "other"})
			c := w.connectAs(required("1", "old"))
			for _, s := range old {
				_ = s.ws.Close()
			}
			time.Sleep(2 * time.Second)
			require.NotNil(t, c.Conn.CloseRequested())
			cause := c.WantEnd(w.ctx())
			require.Equal(t, gateway.CloseServerConnectionClosed, cause.Reason)
			require.True(t, cause.AllowReconnect)
		})
	})
}
