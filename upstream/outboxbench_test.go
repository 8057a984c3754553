package upstream

import (
	"context"
	"fmt"
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
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/store/outbox"
)

// benchClients is how many clients talk at the same time.
const benchClients = 256

// BenchmarkOutbox has clients send messages, first without an outbox and then with one on the disk of the
// temporary directory, in one run. The ratio of the two rates should be 0.5 at least.
func BenchmarkOutbox(b *testing.B) {
	for b.Loop() {
		const each = 40
		direct := benchRate(b, each, nil)
		engine, err := natsd.Start(context.Background(), natsd.Options{Name: "alone", DataDir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
		require.NoError(b, err)
		box := outbox.New(outbox.Options{Store: outbox.Store{JetStream: engine.JetStream(), Storage: engine.Storage()}, Inc: "a", Fence: unfenced{}})
		box.Start()
		kept := benchRate(b, each, box)
		require.NoError(b, box.Close(context.Background()))
		require.NoError(b, engine.Close(context.Background()))
		b.ReportMetric(direct, "direct/s")
		b.ReportMetric(kept, "kept/s")
		b.ReportMetric(kept/direct, "ratio")
	}
}

type unfenced struct{}

func (unfenced) Fenced() bool { return false }

// waiter is the gateway's side of a client that hands over a record until it is taken.
type waiter struct {
	benchConn
	resumed chan struct{}
}

func (w *waiter) Resume() {
	select {
	case w.resumed <- struct{}{}:
	default:
	}
}

// benchRate is how many messages a second are delivered.
func benchRate(b *testing.B, each int, box *outbox.Outbox) float64 {
	var got atomic.Int64
	all := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		if r.Header.Get("X-ASRS-Category") == categoryMessages && got.Add(1) == int64(benchClients*each) {
			close(all)
		}
	}))
	defer server.Close()
	cfg := toAll(server.URL)
	cfg.Keys = []auth.Secret{auth.EmulatorKey}
	backend := New(Options{Config: func() *Config { return cfg }})
	if box != nil {
		backend.UseOutbox(OutboxOptions{Outbox: box})
	}
	message, err := hubprotocol.Parse(hubprotocol.JSON, []byte(benchBody))
	require.NoError(b, err)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range benchClients {
		wg.Go(func() {
			c := &waiter{benchConn{id: gateway.Identity{ID: fmt.Sprint("c", i), Hub: "chat", HubName: "chat"}}, make(chan struct{}, 1)}
			s := newSession(backend, c)
			for range each {
				record := gateway.Record{Type: hubprotocol.Invocation, Body: []byte(benchBody), Message: &message}
				for !s.Received(record) {
					<-c.resumed
				}
			}
		})
	}
	wg.Wait()
	<-all
	rate := float64(benchClients*each) / time.Since(began).Seconds()
	require.NoError(b, backend.Close(context.Background()))
	return rate
}
