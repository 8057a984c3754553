package telemetry

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// metrics counts how often metrics were sent. To the SDK it never fails: the next sending has all that this one had.
type metrics struct {
	metric.Exporter
	sending    context.Context // ends what is being sent
	sent, lost atomic.Uint64
	failed     func(what string, err error)
}

// Export implements metric.Exporter.
func (m *metrics) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.sending, cancel)()
	if err := m.Exporter.Export(ctx, data); err != nil {
		m.lost.Add(1)
		if m.sending.Err() == nil {
			m.failed("metrics", err)
		}
		return nil
	}
	m.sent.Add(1)
	return nil
}
