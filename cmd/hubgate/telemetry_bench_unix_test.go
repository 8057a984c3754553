//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/telemetry"
)

// tracedWay is one way in which sends are traced, and what they have cost.
type tracedWay struct {
	name   string
	tracer trace.Tracer
	cpu    int64
}

// newTracedWays are without tracing, and with shares of the traces kept, which a collector gets that throws them away.
func newTracedWays(b *testing.B) []*tracedWay {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	ways := []*tracedWay{{name: "off"}}
	for _, ratio := range []float64{0, 0.01, 1} {
		t, err := telemetry.New(b.Context(), telemetry.Options{
			Endpoint: collector.URL, Ratio: &ratio, Traces: true, Gatherer: prometheus.NewRegistry(), Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(b, err)
		b.Cleanup(func() { _ = t.Close(context.Background()) })
		ways = append(ways, &tracedWay{name: fmt.Sprint(ratio), tracer: t.Tracer()})
	}
	return ways
}

// BenchmarkTracedSend compares sends with tracing to those without, in turn in one run: "x0.01" is how many times the
// CPU of the process a send takes if one trace of a hundred is kept. A send has the span of a request and that of its
// fan-out; the request itself is not there.
func BenchmarkTracedSend(b *testing.B) {
	for _, receivers := range []int{1, 500} {
		b.Run(fmt.Sprintf("to %d", receivers), func(b *testing.B) {
			o := newObserver(slog.New(slog.DiscardHandler), admin.New("test").Metrics)
			defer o.unheard.Close()
			g, err := gateway.New(gateway.Options{Backend: &gatewaytest.Backend{}, Observer: o, Workers: 1})
			require.NoError(b, err)
			defer g.Close()
			o.gateway = g
			sockets(b, g, receivers)
			frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, "news", []byte(`["hello"]`))
			require.NoError(b, err)
			ways, request := newTracedWays(b), httptest.NewRequest(http.MethodPost, "/api", http.NoBody)
			barrier := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"0"}}}
			n := 0
			for b.Loop() {
				for i := range ways {
					way := ways[(i+n)%len(ways)]
					o.tracer = way.tracer
					before := cpuTime()
					for range 16 {
						cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: gateway.Target{Kind: gateway.TargetAll}, Frames: frames, By: gateway.SenderREST}
						span := trace.Request(way.tracer, trace.Caller(request), time.Now())
						if span != nil {
							cmd.Span = trace.Kept(span.SpanContext())
						}
						_, _ = g.Do(b.Context(), cmd)
						_, _ = g.Do(b.Context(), barrier)
						if span != nil {
							span.End()
						}
					}
					way.cpu += cpuTime() - before
				}
				n++
			}
			b.ReportMetric(float64(ways[0].cpu)/float64(16*n), "off-cpu-ns/send")
			for _, way := range ways[1:] {
				b.ReportMetric(float64(way.cpu)/float64(ways[0].cpu), "x"+way.name)
			}
		})
	}
}

// Without a tracer a send costs nothing more, also one that carries a span.
func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	o := newObserver(slog.New(slog.DiscardHandler), admin.New("test").Metrics)
	defer o.unheard.Close()
	cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Span: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	require.Zero(t, testing.AllocsPerRun(100, func() { o.FollowSend(cmd) }))
	require.Nil(t, o.FollowSend(cmd))
	require.Zero(t, testing.AllocsPerRun(100, func() { trace.Request(o.tracer, trace.Remote(""), time.Now()) }))
}
