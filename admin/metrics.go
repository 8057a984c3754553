package admin

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxTemplateLabels bounds the upstream templates with series of their own.
const maxTemplateLabels = 64

// Metrics are counted as things happen. All methods may be called concurrently
// and are cheap.
type Metrics struct {
	upstreamCalls  *prometheus.CounterVec
	upstreamTook   *prometheus.HistogramVec
	upstreamSkips  *prometheus.CounterVec
	upstreamQueued prometheus.Gauge
	restRequests   *prometheus.CounterVec
	restTook       *prometheus.HistogramVec
	panics         *prometheus.CounterVec
}

// Buckets of latencies, in seconds. Webhooks may take as long as their timeout
// of 100 s, REST answers do not wait for anybody.
var (
	upstreamBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 100}
	restBuckets     = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1}
)

func newMetrics(registry *prometheus.Registry) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hubgate_" + name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hubgate_" + name, Help: help, Buckets: buckets}, labels)
		registry.MustRegister(h)
		return h
	}
	m := &Metrics{
		upstreamCalls: counter("upstream_requests_total", "Webhooks that ended, by template, category of the event and result.", "template", "category", "result"),
		upstreamTook:  histogram("upstream_request_duration_seconds", "Time of webhooks, from the event's turn to the end of the answer.", upstreamBuckets, "template", "category"),
		upstreamSkips: counter("upstream_skipped_total", "Events for which no webhook was called, by category and reason.", "category", "reason"),
		upstreamQueued: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hubgate_upstream_queued_events", Help: "Events that wait for earlier ones of their connection.",
		}),
		restRequests: counter("rest_requests_total", "REST requests, by operation and status.", "operation", "status"),
		restTook:     histogram("rest_request_duration_seconds", "Time of REST requests, by operation.", restBuckets, "operation"),
		panics:       counter("panics_total", "Faults that ended one connection or request, by the part that had them.", "part"),
	}
	registry.MustRegister(m.upstreamQueued)
	return m
}

// UpstreamCalled counts a webhook that ended. Category and result must come
// from closed lists.
func (m *Metrics) UpstreamCalled(template int, category, result string, took time.Duration) {
	label := "other"
	if template >= 0 && template < maxTemplateLabels {
		label = strconv.Itoa(template)
	}
	m.upstreamCalls.WithLabelValues(label, category, result).Inc()
	m.upstreamTook.WithLabelValues(label, category).Observe(took.Seconds())
}

// UpstreamSkipped counts an event for which no webhook was called. Category
// and reason must come from closed lists.
func (m *Metrics) UpstreamSkipped(category, reason string) {
	m.upstreamSkips.WithLabelValues(category, reason).Inc()
}

// UpstreamQueued changes the number of events that wait.
func (m *Metrics) UpstreamQueued(delta int) { m.upstreamQueued.Add(float64(delta)) }

// RESTAnswered counts a REST request. The operation must be one of the
// contract's, or one name for all others.
func (m *Metrics) RESTAnswered(operation string, status int, took time.Duration) {
	m.restRequests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.restTook.WithLabelValues(operation).Observe(took.Seconds())
}

// Panicked counts a fault that was contained. The part is a package's name.
func (m *Metrics) Panicked(part string) { m.panics.WithLabelValues(part).Inc() }
