package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collecttraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/hubgate/hubgate/telemetry/telemetrytest"
)

// logged is a log that tests read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// readHeaders stands for the gateway's own rule.
func readHeaders(text string) (map[string]string, error) {
	all := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, errors.New("no pair")
		}
		all[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return all, nil
}

func begin(t *testing.T, change func(o *Options)) (*Telemetry, *logged) {
	t.Helper()
	log := new(logged)
	o := Options{Traces: true, Metrics: true, Gatherer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(log, nil)), ReadHeaders: readHeaders}
	change(&o)
	sent, err := New(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sent.Close(context.Background())) })
	return sent, log
}

func TestNothingIsSentUnlessACollectorIsNamed(t *testing.T) {
	sent, _ := begin(t, func(*Options) {})
	require.Nil(t, sent)
	require.Nil(t, sent.Tracer())
	require.NoError(t, sent.Close(t.Context()))
	require.Len(t, sent.Stats().Dropped, len(DropReasons))
}

func TestTracesAndMetricsCome(t *testing.T) {
	to := telemetrytest.New(t)
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hubgate_things_total", Help: "Things."}, []string{"kind"})
	counter.WithLabelValues("a").Add(3)
	registry := prometheus.NewRegistry()
	registry.MustRegister(counter)
	sent, _ := begin(t, func(o *Options) {
		o.Endpoint, o.Headers, o.Gatherer = to.URL+"/", map[string]string{"Api-Key": "abc"}, registry
		o.Resource = Resource{Service: "gate", Version: "1.2.3", Instance: "n1", Attributes: []string{"deployment.environment=test"}}
	})
	_, parent := sent.Tracer().Start(t.Context(), "parent", trace.WithSpanKind(trace.SpanKindServer))
	_, child := sent.Tracer().Start(trace.ContextWithSpan(t.Context(), parent), "child", trace.WithAttributes(attribute.Int("n", 7)))
	child.End()
	parent.End()
	require.NoError(t, sent.Close(context.Background()))

	of, got := to.AwaitSpan("parent"), to.AwaitSpan("child")
	require.Equal(t, of.Trace, got.Trace)
	require.Equal(t, of.ID, got.Parent)
	require.Equal(t, "7", got.Attributes["n"])
	for name, value := range map[string]string{
		"service.name": "gate", "service.version": "1.2.3", "service.instance.id": "n1", "deployment.environment": "test",
	} {
		require.Equal(t, value, got.Resource[name], name)
	}
	metric, by := to.AwaitMetric("hubgate_things_total")
	require.InEpsilon(t, 3.0, metric.GetSum().DataPoints[0].GetAsDouble(), 0)
	require.True(t, metric.GetSum().IsMonotonic)
	require.Equal(t, "gate", by["service.name"])
	require.Equal(t, "abc", to.AwaitRequests(2).Get("Api-Key"))
	stats := sent.Stats()
	require.EqualValues(t, 2, stats.Spans)
	require.EqualValues(t, 1, stats.Metrics)
	require.Zero(t, stats.Waiting)
}

func TestVariablesNameWhatNoOptionDoes(t *testing.T) {
	to := telemetrytest.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", to.URL+"/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=env")
	t.Setenv("OTEL_SERVICE_NAME", "by-variable")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=2")
	sent, _ := begin(t, func(o *Options) { o.Resource.Attributes = []string{"b=3"} })
	_, span := sent.Tracer().Start(t.Context(), "one")
	span.End()
	require.NoError(t, sent.Close(context.Background()))
	got := to.AwaitSpan("one")
	require.Equal(t, "by-variable", got.Resource["service.name"])
	require.Equal(t, "1", got.Resource["a"])
	require.Equal(t, "3", got.Resource["b"], "the option goes before the variable")
	require.Equal(t, "env", to.AwaitRequests(1).Get("Api-Key"))
	require.Zero(t, sent.Stats().Metrics, "no collector for metrics is named")
}

func TestVariablesSwitchOff(t *testing.T) {
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			sent, _ := begin(t, func(*Options) {})
			require.Nil(t, sent)
		})
	}
	t.Run("an exporter that is not there", func(t *testing.T) {
		t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
		_, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Metrics: true})
		require.ErrorContains(t, err, "OTEL_METRICS_EXPORTER")
	})
	t.Run("an exporter that is not there, of what is not sent", func(t *testing.T) {
		t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
		t.Setenv("OTEL_TRACES_EXPORTER", "console")
		sent, _ := begin(t, func(*Options) {})
		require.Nil(t, sent)
		sent, _ = begin(t, func(o *Options) { o.Traces, o.Metrics, o.Endpoint = false, false, "http://127.0.0.1:1" })
		require.Nil(t, sent)
	})
}

func TestRatio(t *testing.T) {
	to := telemetrytest.New(t)
	none := 0.0
	sent, _ := begin(t, func(o *Options) { o.Endpoint, o.Ratio, o.Metrics = to.URL, &none, false })
	_, span := sent.Tracer().Start(t.Context(), "ours")
	require.False(t, span.IsRecording())
	span.End()
	kept := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	_, span = sent.Tracer().Start(trace.ContextWithSpanContext(t.Context(), kept), "the caller's")
	require.True(t, span.IsRecording(), "the caller keeps the trace")
	span.End()
	require.NoError(t, sent.Close(context.Background()))
	require.Equal(t, kept.TraceID().String(), to.AwaitSpan("the caller's").Trace)
	require.EqualValues(t, 1, sent.Stats().Spans)
}

func TestACollectorThatCannotBeReachedIsToldOnceAndCounted(t *testing.T) {
	gone := telemetrytest.New(t)
	gone.Close()
	sent, log := begin(t, func(o *Options) { o.Endpoint = gone.URL })
	for range 3 {
		_, span := sent.Tracer().Start(t.Context(), "lost")
		span.End()
		require.NoError(t, sent.provider.ForceFlush(t.Context()))
	}
	require.EqualValues(t, 3, sent.Stats().Dropped[DropFailed])
	require.Zero(t, sent.Stats().Spans)
	require.Equal(t, 1, bytes.Count([]byte(log.String()), []byte("what=Failed")), log.String())
	require.NotContains(t, log.String(), "Api-Key")
}

func TestAWrongNumberForTheQueueIsAnError(t *testing.T) {
	for _, name := range []string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "-1")
			_, err := New(context.Background(), Options{Endpoint: "http://127.0.0.1:1", Traces: true, Logger: slog.New(slog.DiscardHandler)})
			require.ErrorContains(t, err, name)
			t.Setenv(name, "0")
			bound, _, err := queueOptions()
			require.NoError(t, err)
			require.Equal(t, sdk.DefaultMaxQueueSize, bound)
		})
	}
}

func TestSpansThatFindNoRoomAreDroppedWithoutWaiting(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
	to := telemetrytest.New(t)
	asked, release := make(chan struct{}, 8), make(chan struct{})
	to.AnswerWith(func(http.ResponseWriter) bool {
		asked <- struct{}{}
		<-release
		return false
	})
	sent, log := begin(t, func(o *Options) { o.Endpoint, o.Metrics = to.URL, false })
	end := func(n int) {
		for range n {
			_, span := sent.Tracer().Start(context.Background(), "one")
			span.End()
		}
	}
	end(4) // a batch
	<-asked
	end(10) // nobody takes any of them at the moment
	require.EqualValues(t, 10, sent.Stats().Dropped[DropQueueFull])
	require.Equal(t, 4, sent.Stats().Waiting)
	require.Empty(t, log.String(), "who ends a span may hold locks")
	close(release)
	require.NoError(t, sent.Close(context.Background()))
	require.Contains(t, log.String(), "what=QueueFull")
	require.Contains(t, log.String(), "10 spans")
	require.EqualValues(t, 4, sent.Stats().Spans)
}

func TestTheEndDoesNotWaitForACollectorThatHangs(t *testing.T) {
	to := telemetrytest.New(t)
	release := make(chan struct{})
	defer close(release)
	to.AnswerWith(func(http.ResponseWriter) bool {
		<-release
		return true
	})
	sent, _ := begin(t, func(o *Options) { o.Endpoint = to.URL })
	_, span := sent.Tracer().Start(t.Context(), "one")
	span.End()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, sent.Close(ended))
	require.EqualValues(t, 1, sent.Stats().Dropped[DropShutdown])
	_, span = sent.Tracer().Start(context.Background(), "late")
	span.End() // counts or not, and does not panic
	require.Zero(t, sent.Stats().Waiting)
}

func TestWhatTheCollectorRejectsIsCounted(t *testing.T) {
	to := telemetrytest.New(t)
	to.AnswerWith(func(w http.ResponseWriter) bool {
		body, err := proto.Marshal(&collecttraces.ExportTraceServiceResponse{PartialSuccess: &collecttraces.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too long"}})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(body)
		return true
	})
	sent, log := begin(t, func(o *Options) { o.Endpoint, o.Metrics = to.URL, false })
	for range 3 {
		_, span := sent.Tracer().Start(t.Context(), "one")
		span.End()
	}
	require.NoError(t, sent.Close(context.Background()))
	require.EqualValues(t, 2, sent.Stats().Dropped[DropRejected])
	require.EqualValues(t, 1, sent.Stats().Spans)
	require.Contains(t, log.String(), "too long")
}

// What the SDK would say itself goes past the gateway's log, and has the values of headers.
func TestTheSDKHasNoLogOfItsOwn(t *testing.T) {
	said := new(logged)
	otel.SetLogger(funcr.New(func(_, args string) { _, _ = said.Write([]byte(args)) }, funcr.Options{Verbosity: 9}))
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=50%secret")
	_, log := begin(t, func(o *Options) { o.Endpoint = "http://127.0.0.1:1" })
	require.Empty(t, said.String())
	otel.Handle(errors.New("wrong"))
	otel.Handle(errors.New("wrong"))
	require.Equal(t, 1, strings.Count(log.String(), "error=wrong"), log.String())
	require.NotContains(t, log.String(), "secret")
}

func TestWhichVariablesHold(t *testing.T) {
	o := Options{Traces: true, Metrics: true}
	require.Empty(t, o.Variables(), "nothing is sent")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/v1/traces")
	general := Variables{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"}
	traces := Variables{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"}
	require.Equal(t, []Variables{traces}, o.Variables())
	o.Endpoint = "http://127.0.0.1:1"
	metrics := general
	metrics.Protocol = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
	require.Equal(t, []Variables{traces, metrics}, o.Variables())
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	require.Equal(t, []Variables{metrics}, o.Variables())
	o.Endpoint = ""
	t.Setenv("OTEL_SDK_DISABLED", "true")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	require.Empty(t, o.Variables())
}

func TestALongAnswerOfTheCollectorIsClipped(t *testing.T) {
	to := telemetrytest.New(t)
	to.AnswerWith(func(w http.ResponseWriter) bool {
		http.Error(w, strings.Repeat("€", 1<<16), http.StatusBadRequest)
		return true
	})
	sent, log := begin(t, func(o *Options) { o.Endpoint, o.Metrics = to.URL, false })
	_, span := sent.Tracer().Start(t.Context(), "one")
	span.End()
	require.NoError(t, sent.Close(context.Background()))
	require.Contains(t, log.String(), "what=Failed")
	require.Less(t, len(log.String()), 4096)
}

// Own headers may be keys: they go to no other host than the configured one.
func TestNoRedirectLeadsToAnotherHost(t *testing.T) {
	other := telemetrytest.New(t)
	to := telemetrytest.New(t)
	to.AnswerWith(func(w http.ResponseWriter) bool {
		w.Header().Set("Location", other.URL+"/v1/traces")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	})
	sent, log := begin(t, func(o *Options) {
		o.Endpoint, o.Metrics, o.Headers = to.URL, false, map[string]string{"Api-Key": "abc"}
	})
	_, span := sent.Tracer().Start(t.Context(), "one")
	span.End()
	require.NoError(t, sent.Close(context.Background()))
	require.EqualValues(t, 1, sent.Stats().Dropped[DropFailed])
	require.Contains(t, log.String(), "another host")
}

// A span that ends just as the queue does is counted too.
func TestASpanThatComesAtTheEndIsCounted(t *testing.T) {
	to := telemetrytest.New(t)
	sent, _ := begin(t, func(o *Options) { o.Endpoint, o.Metrics = to.URL, false })
	require.NoError(t, sent.Close(context.Background()))
	sent.spans.closing.Store(false) // as it was when the span looked
	of := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	sent.spans.OnEnd(tracetest.SpanStub{SpanContext: of}.Snapshot())
	require.Zero(t, sent.Stats().Waiting)
	require.EqualValues(t, 1, sent.Stats().Dropped[DropShutdown])
}
