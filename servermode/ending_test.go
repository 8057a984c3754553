package servermode_test

import (
	"strings"
	"sync"
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

func TestOrdinaryEndsAreNoLosses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server(dial{})
		a, b := w.connect("1", ""), w.connect("2", "")
		s.setOn(func(m sp.Message) {
			if m, ok := m.(*sp.CloseConnection); ok {
				s.data(m.ConnectionID, call("", "too late"))
			}
		})
		a.Abort(gateway.Cause{Reason: gateway.CloseNormal})
		s.send(&sp.CloseConnection{ConnectionID: "2"})
		s.data("2", call("", "too late"))
		synctest.Wait()
		b.WantEnd(w.ctx())
		require.Zero(t, w.Stats().Lost[servermode.LossUnknownConnection])
		s.data("nobody", "x")
		synctest.Wait()
		require.EqualValues(t, 1, w.Stats().Lost[servermode.LossUnknownConnection])
	})
}

// A hub server that is slow for a moment hears before the gateway ends which clients have gone.
func TestHubServersHearTheLastWords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ws, read := stuck(t, w)
		require.NotEmpty(t, read())
		require.NoError(t, ws.WriteMessage(websocket.BinaryMessage, nil))
		var clients []*gatewaytest.Client
		for _, id := range []string{"1", "2"} {
			clients = append(clients, gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: id, Hub: "chat"}))
		}
		for opened := 0; opened < len(clients); {
			for _, m := range read() {
				if _, ok := m.(*sp.ConnectionData); ok {
					opened++
				}
			}
		}
		for _, c := range clients {
			c.Leave()
			synctest.Wait()
		}
		ended := make(chan error)
		go func() { ended <- w.Backend.Close(t.Context()) }()
		synctest.Wait()
		var gone []string
		for messages := read(); messages != nil; messages = read() {
			for _, m := range messages {
				if one, ok := m.(*sp.CloseConnection); ok {
					gone = append(gone, one.ConnectionID)
				}
			}
		}
		require.Equal(t, []string{"1", "2"}, gone)
		require.NoError(t, <-ended)
	})
}

// One that does not read at all is waited for a second.
func TestTheEndDoesNotWaitForAHubServerThatDoesNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, read := stuck(t, w)
		require.NotEmpty(t, read())
		gatewaytest.Connect(w.t, w.gw, gatewaytest.Options{ID: "1", Hub: "chat"})
		synctest.Wait()
		began := time.Now()
		require.NoError(t, w.Backend.Close(t.Context()))
		require.LessOrEqual(t, time.Since(began), 2*time.Second)
	})
}
