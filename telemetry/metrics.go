package telemetry

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
)

// metrics sends all metrics at each interval, and once more at the end. It counts how often. What could not be sent
// is not sent again: the next sending has all that this one had.
type metrics struct {
	to       *collector
	gatherer prometheus.Gatherer
	about    *metricspb.ResourceMetrics // without the metrics
	began    uint64                     // nanoseconds since 1970
	timeout  time.Duration              // for one sending with its repetitions
	sending  context.Context            // ends what is being sent
	failed   func(what string, err error)

	sent, lost atomic.Uint64
	end        context.CancelFunc // sends for the last time
	ended      chan struct{}      // closed when nothing is sent any more
}

func newMetrics(sending context.Context, to *collector, o *Options, about *resource.Resource, failed func(string, error)) (*metrics, error) {
	interval, err := milliseconds("OTEL_METRIC_EXPORT_INTERVAL", time.Minute)
	if err != nil {
		return nil, err
	}
	timeout, err := milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30*time.Second)
	if err != nil {
		return nil, err
	}
	interval = cmp.Or(o.Interval, interval)
	m := &metrics{
		to: to, gatherer: o.Gatherer, about: aboutMetrics(about, o.Resource.Version),
		began: uint64(time.Now().UnixNano()), timeout: timeout, sending: sending, failed: failed,
		ended: make(chan struct{}),
	}
	ending, end := context.WithCancel(context.Background())
	m.end = end
	go m.run(interval, ending.Done())
	return m, nil
}

func aboutMetrics(of *resource.Resource, version string) *metricspb.ResourceMetrics {
	about := &resourcepb.Resource{}
	for _, a := range of.Attributes() { // all are texts
		about.Attributes = append(about.Attributes, text(string(a.Key), a.Value.AsString()))
	}
	return &metricspb.ResourceMetrics{
		Resource: about, SchemaUrl: of.SchemaURL(),
		ScopeMetrics: []*metricspb.ScopeMetrics{{Scope: &commonpb.InstrumentationScope{Name: scope, Version: version}}},
	}
}

func (m *metrics) run(interval time.Duration, end <-chan struct{}) {
	defer close(m.ended)
	defer m.to.close()
	at := time.NewTicker(interval)
	defer at.Stop()
	for {
		select {
		case <-at.C:
			m.send()
		case <-end:
			m.send()
			return
		}
	}
}

func (m *metrics) send() {
	families, err := m.gatherer.Gather()
	if err != nil {
		m.failed("metrics", err) // what is right is sent
	}
	ctx, cancel := context.WithTimeout(m.sending, m.timeout)
	defer cancel()
	m.about.ScopeMetrics[0].Metrics = converted(families, moments{began: m.began, now: uint64(time.Now().UnixNano())})
	// On the wire this is the same as the request.
	err = m.to.send(ctx, &metricspb.MetricsData{ResourceMetrics: []*metricspb.ResourceMetrics{m.about}})
	m.about.ScopeMetrics[0].Metrics = nil
	said, taken := errors.AsType[*rejection](err)
	if err == nil || taken && said.items == 0 {
		m.sent.Add(1)
	} else {
		m.lost.Add(1)
	}
	if err != nil && m.sending.Err() == nil {
		m.failed("metrics", err)
	}
}
