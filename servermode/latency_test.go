package servermode_test

import (
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// timings note how long hub servers take.
type timings struct {
	mu           sync.Mutex
	pings, calls []time.Duration
}

func (m *timings) Pinged(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pings = append(m.pings, took)
}

func (m *timings) Called(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, took)
}

// inWorldWith is inWorld with other options.
func inWorldWith(t *testing.T, change func(o *servermode.Options), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newNode(t, "node-a", nil, change)
		defer w.stop()
		test(t, w)
		synctest.Wait()
		require.NoError(t, w.gw.Check())
	})
}

// A hub server answers a ping after its own time, if it has not answered another one in the last five seconds: what
// is measured is an answer, whatever else the hub server has heard meanwhile.
func TestThePingsOfHubServersAreTimed(t *testing.T) {
	took := new(timings)
	inWorldWith(t, func(o *servermode.Options) { o.Latency = took }, func(t *testing.T, w *world) {
		var last time.Time
		w.server(dial{on: func(s *hubServer, _ sp.Message) {
			if time.Since(last) > 5*time.Second {
				last = time.Now()
				time.AfterFunc(30*time.Millisecond, func() { s.send(&sp.Ping{}) })
			}
		}})
		c := w.connect("1", "ann")
		for range 60 {
			said(t, c, call("", "noise"))
			time.Sleep(977 * time.Millisecond)
		}
		took.mu.Lock()
		defer took.mu.Unlock()
		for _, d := range took.pings {
			require.LessOrEqual(t, d, 30*time.Millisecond)
		}
	})
	idle := new(timings)
	inWorldWith(t, func(o *servermode.Options) { o.Latency = idle }, func(t *testing.T, w *world) {
		var last time.Time
		w.server(dial{on: func(s *hubServer, _ sp.Message) {
			if time.Since(last) > 5*time.Second {
				last = time.Now()
				time.AfterFunc(30*time.Millisecond, func() { s.send(&sp.Ping{}) })
			}
		}})
		time.Sleep(time.Minute)
		idle.mu.Lock()
		defer idle.mu.Unlock()
		require.Greater(t, len(idle.pings), 3)
		for _, d := range idle.pings {
			require.Equal(t, 30*time.Millisecond, d)
		}
	})
}

func TestTheAnswersOfHubServersAreTimed(t *testing.T) {
	took := new(timings)
	inWorldWith(t, func(o *servermode.Options) { o.Latency = took }, func(t *testing.T, w *world) {
		s := w.server(dial{})
		time.Sleep(time.Second) // its clock has begun
		c := w.connect("1", "ann")
		said(t, c, call("1", "add"))
		said(t, c, `{"type":4,"invocationId":"2","target":"count","arguments":[]}`+"\x1e")
		time.Sleep(20 * time.Millisecond)
		s.data("1", completion("2", "0")+completion("1", "3")+completion("1", "4"))
		synctest.Wait()
		took.mu.Lock()
		defer took.mu.Unlock()
		require.Equal(t, []time.Duration{40 * time.Millisecond}, took.calls, "not the stream, and what is answered twice once")
	})
}

func TestWhatClientsCallAndHubServersSendAreSpans(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
	inWorldWith(t, func(o *servermode.Options) { o.Tracer = tracer }, func(t *testing.T, w *world) {
		s := w.server(dial{})
		c := w.connect("1", "ann")
		s.next(sp.TypeConnectionData) // the handshake
		said(t, c, call("1", "add"))
		synctest.Wait()
		require.Empty(t, spans.Ended(), "the hub server has not answered")
		said1 := s.next(sp.TypeConnectionData).(*sp.ConnectionData)
		s.data("1", completion("1", "3"))
		synctest.Wait()
		require.Len(t, spans.Ended(), 1)
		span := spans.Ended()[0]
		id := span.SpanContext().TraceID()
		require.Equal(t, binary.BigEndian.Uint64(id[8:]), said1.TracingID, "the hub server logs it")
		require.Equal(t, "client message", span.Name())
		require.Contains(t, span.Attributes(), attribute.String("hubgate.connection", "1"))
		require.Equal(t, codes.Unset, span.Status().Code)

		s.send(&sp.BroadcastData{Payloads: payload(`{"type":1,"target":"x","arguments":[]}`), TracingID: 7})
		synctest.Wait()
		require.Len(t, spans.Ended(), 2)
		require.Equal(t, "hub server message", spans.Ended()[1].Name())
		require.Contains(t, spans.Ended()[1].Attributes(), attribute.String("hubgate.tracing_id", "7"))

		said(t, c, call("", "tell"))
		said(t, c, call("2", "never answered"))
		synctest.Wait()
		require.Len(t, spans.Ended(), 3, "nobody waits for the answer to the first")
		c.Leave()
		synctest.Wait()
		require.Len(t, spans.Ended(), 4)
		require.Equal(t, codes.Error, spans.Ended()[3].Status().Code)
		require.Contains(t, spans.Ended()[3].Attributes(), attribute.String("error.type", "ClientClosed"))
	})
}
