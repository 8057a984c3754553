package admin

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// maxTemplateLabels bounds the upstream templates with series of their own.
const maxTemplateLabels = 64

// The core counts its own panics, the other parts report theirs: one family.
const (
	panicsName = "panics_total"
	panicsHelp = "Faults that ended one connection, request or command, by the part that had them."
)

// Metrics are counted as things happen. All methods may be called concurrently
// and are cheap.
type Metrics struct {
	upstreamMetrics
	notAccepted  prometheus.Counter
	restRequests *prometheus.CounterVec
	restTook     *prometheus.HistogramVec
	negotiations *prometheus.CounterVec
	opened       *prometheus.CounterVec
	unheard      *prometheus.CounterVec
	panics       *prometheus.CounterVec
	// serverPing and serverCall are how long hub servers take.
	serverPing, serverCall prometheus.Histogram
}

// upstreamMetrics are those of webhooks.
type upstreamMetrics struct {
	upstreamCalls  *prometheus.CounterVec
	upstreamTook   *prometheus.HistogramVec
	upstreamSkips  *prometheus.CounterVec
	upstreamQueued prometheus.Gauge
}

// upstreamBuckets are seconds. Webhooks may take as long as their timeout, 100 s
// by default.
var upstreamBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 100}

// restBuckets are seconds. An answer takes well below a millisecond, unless the
// body is slow to arrive, for which it has 30 s.
var restBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1, 5, 30}

// serverBuckets are seconds. The way to a hub server takes below a millisecond in one network; a call takes what its
// method takes.
var serverBuckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func newMetrics(registry *prometheus.Registry) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hubgate_" + name, Help: help}, labels)
	}
	m := &Metrics{
		upstreamMetrics: upstreamMetrics{
			upstreamCalls: counter("upstream_requests_total", "Webhooks that ended, by template, category of the event and result.", "template", "category", "result"),
			upstreamTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: "hubgate_upstream_request_duration_seconds", Buckets: upstreamBuckets,
				Help: "Time of webhooks, from the event's turn to the end of the answer.",
			}, []string{"template", "category"}),
			upstreamSkips: counter("upstream_skipped_total", "Events for which no webhook was called, by category and reason.", "category", "reason"),
			upstreamQueued: prometheus.NewGauge(prometheus.GaugeOpts{
				Name: "hubgate_upstream_queued_events", Help: "Events that wait for earlier ones of their connection.",
			}),
		},
		notAccepted: promauto.With(registry).NewCounter(prometheus.CounterOpts{
			Name: "hubgate_accept_failures_total", Help: "Times that a connection could not be accepted, for example for want of file descriptors.",
		}),
		restRequests: counter("rest_requests_total", "REST requests, by operation and status.", "operation", "status"),
		restTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hubgate_rest_request_duration_seconds", Buckets: restBuckets,
			Help: "Time of REST requests, by operation, from their headers to the end of the answer.",
		}, []string{"operation"}),
		negotiations: counter("negotiations_total", "Negotiate requests of clients that were granted, by generation of SignalR.", generationLabel),
		opened:       counter("connections_opened_total", "Client connections since the start, by generation of SignalR and transport.", generationLabel, "transport"),
		unheard:      counter("sends_unheard_total", "Sends for which nobody was connected, by the kind of their receivers.", "to"),
		panics:       counter(panicsName, panicsHelp, "part"),
		serverPing: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hubgate_server_ping_duration_seconds", Buckets: serverBuckets,
			Help: "Time of the way to a hub server and back: from a ping to its answer.",
		}),
		serverCall: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hubgate_server_call_duration_seconds", Buckets: serverBuckets,
			Help: "Time of calls of clients at hub servers, from the gateway to the hub server's answer. Streams do not count.",
		}),
	}
	registry.MustRegister(m.upstreamCalls, m.upstreamTook, m.upstreamSkips, m.upstreamQueued,
		m.restRequests, m.restTook, m.negotiations, m.opened, m.unheard, m.panics)
	return m
}

// Labels are values that are known before anything has happened.
type Labels struct {
	Transports []string
	// Categories and Skips are those of upstream events.
	Categories, Skips []string
	Parts             []string
	// Targets are the kinds of receivers of sends.
	Targets []string
	// ServerKinds are the kinds of server connections.
	ServerKinds []string
}

// Expect begins series at zero, so that the first time something happens is
// seen as an increase, and the end of the last one as a zero.
func (a *Admin) Expect(l Labels) {
	a.Metrics.expect(l)
	a.node.expect(l)
}

func (m *Metrics) expect(l Labels) {
	expect := func(vec *prometheus.CounterVec, values []string) {
		for _, v := range values {
			vec.WithLabelValues(v)
		}
	}
	expect(m.negotiations, generations)
	for _, g := range generations {
		for _, transport := range l.Transports {
			m.opened.WithLabelValues(g, transport)
		}
	}
	expect(m.unheard, l.Targets)
	expect(m.panics, l.Parts)
	for _, category := range l.Categories {
		for _, skip := range l.Skips {
			m.upstreamSkips.WithLabelValues(category, skip)
		}
	}
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

// AcceptFailed counts a connection that could not be accepted.
func (m *Metrics) AcceptFailed() { m.notAccepted.Inc() }

// RESTAnswered counts a REST request. The operation must be one of the
// contract's, or one name for all others.
func (m *Metrics) RESTAnswered(operation string, status int, took time.Duration) {
	m.restRequests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.restTook.WithLabelValues(operation).Observe(took.Seconds())
}

// ServerPinged notes how long the answer of a hub server to a ping took, ServerCalled that to a call of a client.
func (m *Metrics) ServerPinged(took time.Duration) { m.serverPing.Observe(took.Seconds()) }
func (m *Metrics) ServerCalled(took time.Duration) { m.serverCall.Observe(took.Seconds()) }

// Negotiated counts a negotiate request that was granted.
func (m *Metrics) Negotiated(g Generation) { m.negotiations.WithLabelValues(string(g)).Inc() }

// ClientOpened counts a connection; the transport must come from a closed list.
func (m *Metrics) ClientOpened(g Generation, transport string) {
	m.opened.WithLabelValues(string(g), transport).Inc()
}

// SendUnheard counts a send for which nobody was connected. What it was sent to must come from a
// closed list.
func (m *Metrics) SendUnheard(to string) { m.unheard.WithLabelValues(to).Inc() }

// Panicked counts a fault that was contained. The part is a package's name.
func (m *Metrics) Panicked(part string) { m.panics.WithLabelValues(part).Inc() }
