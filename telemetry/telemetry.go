// Package telemetry sends traces and metrics by OTLP over HTTP. Spans are those of OpenTelemetry's SDK. Who has no Telemetry sends
// nothing, and nothing of the SDK runs.
//
// Nobody who makes a span waits for its sending: spans wait in a bounded queue, and what finds no room there, or
// cannot be sent, is counted by reason.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/internal/logsum"
)

// Options are what a Telemetry is made of.
type Options struct {
	// Endpoint is the base URL of the collector. Without it OTEL_EXPORTER_OTLP_ENDPOINT and the endpoints of single
	// signals say where each goes.
	Endpoint string
	// Headers of requests to the collector. Nil leaves them to OTEL_EXPORTER_OTLP_HEADERS and those of single signals.
	Headers map[string]string
	// ReadHeaders reads the text of a variable with headers. Its error must not have the text. Required.
	ReadHeaders func(text string) (map[string]string, error)
	// Ratio of the traces that begin here and are kept. Nil leaves it to OTEL_TRACES_SAMPLER, or keeps all.
	Ratio *float64
	// Traces and Metrics are what is sent.
	Traces, Metrics bool
	// Interval between two sendings of metrics; 0 leaves it to OTEL_METRIC_EXPORT_INTERVAL, or is a minute.
	Interval time.Duration
	Resource Resource
	// Gatherer has the metrics. Required.
	Gatherer prometheus.Gatherer
	// Logger gets a line when sending fails, then one a minute. Required.
	Logger *slog.Logger
}

// Resource says of whom traces and metrics are.
type Resource struct {
	// Service is the name of the service; "" leaves it to OTEL_SERVICE_NAME, or is hubgate.
	Service string
	// Version of the program, and the name of the node.
	Version, Instance string
	// Attributes are NAME=VALUE. They go before those of OTEL_RESOURCE_ATTRIBUTES.
	Attributes []string
}

// Telemetry sends traces and metrics until Close. A nil one sends none. All methods may be called concurrently.
type Telemetry struct {
	tracer   trace.Tracer        // nil without traces
	spans    *spans              // likewise
	metrics  *metrics            // nil without metrics
	provider *sdk.TracerProvider // ends the spans
	lines    *logsum.Lines[string]
	cut      context.CancelFunc // ends what is being sent
}

// scope is who makes the spans and the metrics.
const scope = "github.com/hubgate/hubgate"

// flushTime bounds how long the end of a Telemetry waits for the last spans and metrics to be taken.
const flushTime = 5 * time.Second

const envDisabled = "OTEL_SDK_DISABLED"

// New begins to send. It returns nil if nothing is to be sent. It waits for nobody: a collector that cannot be
// reached is told by the log.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	traces, err := o.wanted(o.Traces, tracesSignal)
	if err != nil {
		return nil, err
	}
	metrics, err := o.wanted(o.Metrics, metricsSignal)
	if err != nil || !traces && !metrics {
		return nil, err
	}
	otel.SetLogger(logr.Discard()) // it is no part of the gateway's log, and says values of headers
	about, err := o.Resource.resource(ctx)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{lines: logsum.New(func(failure string, times uint64) {
		o.Logger.Warn("OpenTelemetry: not everything was sent", "what", failure, "times", times)
	})}
	failed := t.failed(o.Logger)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { failed("SDK", err) }))
	sending, cut := context.WithCancel(context.Background())
	t.cut = cut
	if traces {
		err = t.beginTraces(sending, &o, about)
	}
	if metrics && err == nil {
		err = t.beginMetrics(sending, &o, about)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

func (t *Telemetry) beginTraces(sending context.Context, o *Options, about *resource.Resource) error {
	to, err := newCollector(tracesSignal, o)
	if err != nil {
		return err
	}
	exporter, err := otlptrace.New(sending, to)
	if err != nil {
		return fmt.Errorf("exporting traces: %w", err)
	}
	if t.spans, err = newSpans(exporter, sending, t.failed(o.Logger)); err != nil {
		return err
	}
	provider := []sdk.TracerProviderOption{sdk.WithResource(about), sdk.WithSpanProcessor(t.spans)}
	if o.Ratio != nil {
		provider = append(provider, sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(*o.Ratio))))
	}
	t.provider = sdk.NewTracerProvider(provider...)
	t.tracer = t.provider.Tracer(scope, trace.WithInstrumentationVersion(o.Resource.Version))
	return nil
}

func (t *Telemetry) beginMetrics(sending context.Context, o *Options, about *resource.Resource) error {
	to, err := newCollector(metricsSignal, o)
	if err != nil {
		return err
	}
	t.metrics, err = newMetrics(sending, to, o, about, t.failed(o.Logger))
	return err
}

// failed writes the line about what could not be sent: the first one at once, then one a minute.
func (t *Telemetry) failed(log *slog.Logger) func(what string, err error) {
	return func(what string, err error) {
		if t.lines.First(what) {
			log.Warn("OpenTelemetry: not everything was sent", "what", what, "error", err)
		}
	}
}

// resource is what everything that is sent has in common.
func (r *Resource) resource(ctx context.Context) (*resource.Resource, error) {
	own := []attribute.KeyValue{attribute.String("service.name", "hubgate"), attribute.String("service.version", r.Version)}
	if r.Instance != "" {
		own = append(own, attribute.String("service.instance.id", r.Instance))
	}
	named := make([]attribute.KeyValue, 0, len(r.Attributes)+1)
	for _, pair := range r.Attributes {
		name, value, _ := strings.Cut(pair, "=")
		named = append(named, attribute.String(strings.TrimSpace(name), value))
	}
	if r.Service != "" {
		named = append(named, attribute.String("service.name", r.Service))
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(own...),
		resource.WithFromEnv(), resource.WithAttributes(named...)) // what comes later goes before
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return about, nil
}

// Tracer makes spans; nil if there are to be none.
func (t *Telemetry) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// Stats are counters at one moment.
type Stats struct {
	// Spans were taken by the collector, Waiting wait for it, Dropped it will never get.
	Spans   uint64
	Waiting int
	Dropped map[DropReason]uint64
	// Metrics counts the times that metrics were sent, MetricsFailed those that they could not be.
	Metrics, MetricsFailed uint64
}

// Stats returns the counters. Those of a nil Telemetry are zero.
func (t *Telemetry) Stats() Stats {
	s := Stats{Dropped: make(map[DropReason]uint64)}
	for _, r := range DropReasons {
		s.Dropped[r] = 0
	}
	if t == nil {
		return s
	}
	if p := t.spans; p != nil {
		s.Spans, s.Waiting, s.Dropped = p.sent.Load(), int(p.waiting.Load()), p.dropped.Map()
	}
	if m := t.metrics; m != nil {
		s.Metrics, s.MetricsFailed = m.sent.Load(), m.lost.Load()
	}
	return s
}

// Close sends what is left, for flushTime and as long as ctx goes on; then what is left is dropped. No goroutine of
// the Telemetry outlives it.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	defer context.AfterFunc(ctx, t.cut)()
	// Not ctx itself: the SDK would not even begin to end if it is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	defer context.AfterFunc(ctx, t.cut)()
	if t.metrics != nil {
		t.metrics.end()
	}
	if t.provider != nil {
		_ = t.provider.Shutdown(ctx) // what is lost is counted
	}
	if t.metrics != nil {
		<-t.metrics.ended // t.cut sees to it
	}
	t.cut()
	if t.provider != nil {
		<-t.spans.sender.ended
	}
	t.lines.Close()
	return nil
}
