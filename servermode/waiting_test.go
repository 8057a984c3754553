package servermode_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/servermode"
)

func TestLostServerConnection(t *testing.T) {
	t.Run("H46 its clients may reconnect, others stay", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			first := w.server(dial{})
			a := w.connect("1", "")
			second := w.server(dial{id: "s2"})
			b := w.connect("2", "")
			require.NoError(t, first.ws.Close())
			synctest.Wait()
			cause := a.WantEnd(t.Context())
			require.Equal(t, gateway.CloseServerConnectionClosed, cause.Reason, "H46")
			require.True(t, cause.AllowReconnect, "H46")
			require.Nil(t, b.Conn.CloseRequested(), "H46 others are untouched")
			require.NoError(t, second.end())
			require.EqualValues(t, 1, w.Stats().Ended[servermode.EndBroken])
		})
	})
}

func TestGracePeriod(t *testing.T) {
	t.Run("another hub server takes the client at once", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old, next, c := pair(w)
			require.NoError(t, c.Conn.Feed([]byte(call("1", "slow"))))
			synctest.Wait()
			_ = old.ws.Close()
			synctest.Wait()
			require.Equal(t, 1, count(c, `"invocationId":"1","error"`))
			require.Contains(t, next.payloads("1"), `"protocol":"json"`)
			stats := w.Stats()
			require.EqualValues(t, 1, stats.Lost[servermode.LossServerGone])
			require.EqualValues(t, 1, stats.Recovered)
			require.NoError(t, c.Conn.Feed([]byte(call("2", "x"))))
			synctest.Wait()
			require.Equal(t, call("2", "x"), next.payloads("1"))
		})
	})
	t.Run("one that comes in time takes it, and what the client said meanwhile", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			time.Sleep(5 * time.Second)
			require.Equal(t, 1, w.Stats().Hubs[0].Waiting)
			go func() { _ = c.Conn.Feed([]byte(call("1", "waiting"))) }()
			synctest.Wait()
			next := w.server(dial{id: "next"})
			time.Sleep(time.Second)
			require.Equal(t, "{\"protocol\":\"json\",\"version\":1}\x1e"+call("1", "waiting"), next.payloads("1"))
			require.Nil(t, c.Conn.CloseRequested())
		})
	})
	t.Run("none comes", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			time.Sleep(12 * time.Second)
			synctest.Wait()
			cause := c.WantEnd(t.Context())
			require.Equal(t, gateway.CloseServerConnectionClosed, cause.Reason)
			require.True(t, cause.AllowReconnect)
			require.Empty(t, w.Stats().Hubs)
		})
	})
	t.Run("a client that leaves is forgotten", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			w.limits.Grace = 10 * time.Second
			old := w.server(dial{id: "old"})
			c := w.connect("1", "")
			_ = old.ws.Close()
			synctest.Wait()
			c.Conn.Ended(gateway.Cause{Reason: gateway.CloseNormal})
			synctest.Wait()
			require.Empty(t, w.Stats().Hubs)
		})
	})
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

// TestManyClientsOfALostServerFindAnother with the figures of a large gateway. BenchmarkRecovery is
// the same over sockets.
func TestFiftyThousandClientsOfALostServer(t *testing.T) {
	if os.Getenv("HUBGATE_LARGE_TESTS") == "" {
		t.Skip("takes some seconds, under the race detector many: set HUBGATE_LARGE_TESTS")
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
