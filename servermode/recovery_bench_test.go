package servermode_test

import (
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// BenchmarkRecovery takes 50 000 clients, of about 1.4 KB each to announce, from a hub server that
// dies to the five connections of the next one. All server connections are sockets. One round is
// from the death of the old hub server until the last client is on the new one. heap-MB is the most
// that the heap grew meanwhile, with what the hub servers of the benchmark need.
func BenchmarkRecovery(b *testing.B) {
	const clients, connections = 50_000, 5
	w := newWorld(b)
	server := httptest.NewServer(w.Backend)
	defer server.Close()
	defer w.stop()
	w.limits.Grace = time.Minute
	arrivals := &arrivals{want: clients, all: make(chan struct{}, 1)}
	start := func(id string) (process []*hubServer) {
		for range connections {
			process = append(process, w.server(dial{id: id, tcp: strings.TrimPrefix(server.URL, "http://"), on: arrivals.count}))
		}
		return process
	}
	process := start("first")
	got := &tally{done: make(chan struct{}, 1)}
	got.expect(clients)
	for i := range clients {
		s := &sink{got: got}
		conn, err := w.gw.Attach(gateway.Identity{ID: fmt.Sprint(i), Hub: "chat", Query: "x=" + strings.Repeat("x", 1400)}, s)
		require.NoError(b, err)
		s.conn = conn
		require.NoError(b, conn.Feed([]byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	}
	got.wait()
	<-arrivals.all
	heap := watchHeap()
	for i := 0; b.Loop(); i++ {
		for _, s := range process {
			_ = s.ws.Close()
			s.wg.Wait()
		}
		for w.waiting() < clients {
			time.Sleep(time.Millisecond)
		}
		arrivals.n.Store(0)
		process = start(fmt.Sprint("next ", i))
		<-arrivals.all
	}
	b.ReportMetric(heap()/(1<<20), "heap-MB")
	require.EqualValues(b, clients, w.gw.Connections("chat"))
}

// waiting counts the clients that wait for a hub server.
func (w *world) waiting() (n int) {
	for _, h := range w.Stats().Hubs {
		n += h.Waiting
	}
	return n
}

// arrivals counts the clients that come to hub servers.
type arrivals struct {
	n    atomic.Int64
	want int64
	all  chan struct{}
}

func (a *arrivals) count(s *hubServer, m sp.Message) {
	s.forget() // what the benchmark keeps is no memory of the gateway
	if m.Type() == sp.TypeOpenConnection && a.n.Add(1)%a.want == 0 {
		a.all <- struct{}{}
	}
}

// watchHeap returns a function that says how far the heap has grown at most since now, in bytes.
func watchHeap() (most func() float64) {
	measure := func() float64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	runtime.GC()
	base, top := measure(), 0.0
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				top = max(top, measure()-base)
			case <-stop:
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		<-done
		return top
	}
}
