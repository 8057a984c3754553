package admin

import "github.com/prometheus/client_golang/prometheus"

// telemetryCollector shows what became of traces and metrics that are sent to a collector.
type telemetryCollector struct {
	spans   func() (sent uint64, waiting int, dropped map[string]uint64)
	metrics func() (sent, failed uint64)
}

var (
	spansSentDesc     = prometheus.NewDesc("hubgate_otel_spans_sent_total", "Spans that the collector has taken.", nil, nil)
	spansWaitingDesc  = prometheus.NewDesc("hubgate_otel_spans_waiting", "Spans that wait for the collector.", nil, nil)
	spansDroppedDesc  = prometheus.NewDesc("hubgate_otel_spans_dropped_total", "Spans that the collector will never get, by reason.", []string{"reason"}, nil)
	metricsSentDesc   = prometheus.NewDesc("hubgate_otel_metrics_sent_total", "Times that the collector has taken the metrics.", nil, nil)
	metricsFailedDesc = prometheus.NewDesc("hubgate_otel_metrics_failed_total", "Times that the metrics could not be sent to the collector.", nil, nil)
)

// WatchTelemetry shows what became of spans and metrics, unless nothing is sent. Both are called at each scrape,
// concurrently.
func (a *Admin) WatchTelemetry(sends bool, spans func() (sent uint64, waiting int, dropped map[string]uint64), metrics func() (sent, failed uint64)) {
	if sends {
		a.registry.MustRegister(&telemetryCollector{spans, metrics})
	}
}

// Describe implements prometheus.Collector.
func (c *telemetryCollector) Describe(ch chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, ch)
}

// Collect implements prometheus.Collector.
func (c *telemetryCollector) Collect(ch chan<- prometheus.Metric) {
	sent, waiting, dropped := c.spans()
	sink(ch).counter(spansSentDesc, float64(sent))
	sink(ch).gauge(spansWaitingDesc, float64(waiting))
	for reason, n := range dropped {
		sink(ch).counter(spansDroppedDesc, float64(n), reason)
	}
	taken, failed := c.metrics()
	sink(ch).counter(metricsSentDesc, float64(taken))
	sink(ch).counter(metricsFailedDesc, float64(failed))
}
