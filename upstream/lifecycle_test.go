package upstream

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func TestCloseWaitsForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, network := newMemoryHook(t, func(w http.ResponseWriter, p post) {
			time.Sleep(5 * time.Second)
			w.WriteHeader(http.StatusNoContent)
		})
		m := &books{}
		b := start(t, toAll("http://upstream/"), network.on, watched(m))
		s := connect(b, newConn("abc"))
		receive(t, s, send("m"))
		s.Closed(gateway.Cause{Reason: gateway.CloseServiceReload})
		began := time.Now()
		require.NoError(t, b.Close(t.Context()))
		require.Equal(t, 15*time.Second, time.Since(began))
		require.Len(t, h.posts, 3)

		late := connect(b, newConn("late"))
		receive(t, late, send("m"))
		require.Equal(t, []SkipReason{SkipShutdown, SkipShutdown}, m.skips())
		require.Zero(t, m.depth())
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, network := newMemoryHook(t, silent)
		m := &books{}
		client := newConn("abc")
		b := New(Options{Config: func() *Config { return toAll("http://upstream/") }, Metrics: m, connect: network.connect})
		s := newSession(b, client)
		receive(t, s, invoke("1", "m"))
		receive(t, s, invoke("2", "m"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, b.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Len(t, h.posts, 1)
		require.Equal(t, []Result{ResultShutdown}, m.results())
		require.Equal(t, []SkipReason{SkipShutdown}, m.skips())
		require.Zero(t, m.depth())
		require.Len(t, client.sent, 2, "both invocations are answered")
	})
}

// faulty panics where a session would answer.
type faulty struct{ *fakeConn }

func (faulty) Send([]byte) { panic("boom") }

func TestPanicGivesUpWhatWaits(t *testing.T) {
	h, gate := gated(t)
	m := &books{}
	b := start(t, toAll(h.URL), watched(m))
	s := newSession(b, faulty{newConn("abc")})
	s.Opened()
	receive(t, s, invoke("1", "first"))
	receive(t, s, invoke("2", "given up"))
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	close(gate)
	require.NoError(t, b.Close(t.Context()))
	for _, event := range []string{"connected", "first", "disconnected"} {
		require.Equal(t, event, want(t, h.posts).event())
	}
	require.Equal(t, []SkipReason{SkipPanic, SkipAbandoned}, m.skips())
	require.Zero(t, m.depth())
}

// Goroutines are kept for the next events, but not as many as a burst needed.
func TestIdleWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		_, network := newMemoryHook(t, func(w http.ResponseWriter, p post) {
			<-gate
			w.WriteHeader(http.StatusNoContent)
		})
		b := start(t, toAll("http://upstream/"), network.on)
		idle := func() int {
			synctest.Wait()
			b.workers.mu.Lock()
			defer b.workers.mu.Unlock()
			return b.workers.idle
		}
		for range 3 * maxIdleWorkers {
			receive(t, newSession(b, newConn("abc")), send("m"))
		}
		require.Zero(t, idle())
		close(gate)
		require.Equal(t, maxIdleWorkers, idle())
		receive(t, newSession(b, newConn("abc")), send("m"))
		require.Equal(t, maxIdleWorkers, idle(), "taken and back")
	})
}

func TestPanicEndsOneConnection(t *testing.T) {
	h := newHook(t, nil)
	m, logs := &books{}, &journal{}
	b := start(t, toAll(h.URL), watched(m), logged(logs))
	client := newConn("abc")
	s := newSession(b, faulty{client})
	s.Opened()
	receive(t, s, invoke("1", "m"))
	got := want(t, client.closed)
	require.Equal(t, gateway.CloseServiceTransientError, got.Reason)
	require.True(t, got.AllowReconnect)
	s.Closed(got)

	other := newConn("other")
	receive(t, newSession(b, other), invoke("1", "m"))
	require.False(t, completion(t, other).HasError, "others do not notice")
	require.NoError(t, b.Close(t.Context()))
	var events []string
	for len(h.posts) > 0 {
		p := <-h.posts
		if p.Header.Get(ConnectionHeader) == "abc" {
			events = append(events, p.event())
		}
	}
	require.Equal(t, []string{"connected", "m", "disconnected"}, events)
	require.Equal(t, []SkipReason{SkipPanic}, m.skips(), "once per fault")
	require.Contains(t, logs.String(), "boom")
	require.Contains(t, logs.String(), "call.go", "the stack")
}
