package telemetry

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hubgate/hubgate/telemetry/telemetrytest"
)

var (
	created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	stamped = time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)
)

// gathered is every kind of metric, with what is special about each.
func gathered() []*dto.MetricFamily {
	family := func(name string, kind dto.MetricType, metrics ...*dto.Metric) *dto.MetricFamily {
		return &dto.MetricFamily{Name: &name, Help: proto.String("Help of " + name + "."), Type: &kind, Metric: metrics}
	}
	label := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
	bucket := func(bound float64, count uint64) *dto.Bucket {
		return &dto.Bucket{UpperBound: &bound, CumulativeCount: &count}
	}
	quantile := func(q, value float64) *dto.Quantile { return &dto.Quantile{Quantile: &q, Value: &value} }
	since, at := timestamppb.New(created), proto.Int64(stamped.UnixMilli())
	return []*dto.MetricFamily{
		family("counter_total", dto.MetricType_COUNTER,
			&dto.Metric{Counter: &dto.Counter{Value: proto.Float64(0)}},
			&dto.Metric{
				Label:   []*dto.LabelPair{label("a", "1"), label("b", "é")},
				Counter: &dto.Counter{Value: proto.Float64(3), CreatedTimestamp: since}, TimestampMs: at,
			}),
		family("gauge_seconds", dto.MetricType_GAUGE,
			&dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(-1.5)}},
			&dto.Metric{Label: []*dto.LabelPair{label("a", "")}, Gauge: &dto.Gauge{Value: proto.Float64(math.Inf(1))}, TimestampMs: at}),
		family("untyped", dto.MetricType_UNTYPED, &dto.Metric{Untyped: &dto.Untyped{Value: proto.Float64(7)}}),
		family("histogram_bytes", dto.MetricType_HISTOGRAM,
			&dto.Metric{Histogram: &dto.Histogram{
				SampleCount: proto.Uint64(10), SampleSum: proto.Float64(55), CreatedTimestamp: since,
				Bucket: []*dto.Bucket{bucket(1, 2), bucket(2.5, 2), bucket(5, 9)},
			}, TimestampMs: at},
			&dto.Metric{Label: []*dto.LabelPair{label("with", "+Inf")}, Histogram: &dto.Histogram{
				SampleCount: proto.Uint64(3), SampleSum: proto.Float64(4), Bucket: []*dto.Bucket{bucket(1, 2), bucket(math.Inf(1), 3)},
			}}),
		family("summary_seconds", dto.MetricType_SUMMARY,
			&dto.Metric{Summary: &dto.Summary{
				SampleCount: proto.Uint64(4), SampleSum: proto.Float64(1.25), CreatedTimestamp: since,
				Quantile: []*dto.Quantile{quantile(0.5, 0.25), quantile(1, 1)},
			}, TimestampMs: at},
			&dto.Metric{Label: []*dto.LabelPair{label("of", "none")}, Summary: &dto.Summary{}}),
		family("of_none", dto.MetricType_GAUGE),
	}
}

// settled has the times of this run replaced: 1 for the beginning, 2 for now.
func settled(t *testing.T, m *metricspb.Metric, began time.Time) *metricspb.Metric {
	settle := func(start, now *uint64) {
		if *start != uint64(created.UnixNano()) && *start != 0 {
			*start = 1
		}
		if *now != uint64(stamped.UnixNano()) {
			require.GreaterOrEqual(t, *now, uint64(began.UnixNano()))
			*now = 2
		}
	}
	for _, p := range m.GetSum().GetDataPoints() {
		settle(&p.StartTimeUnixNano, &p.TimeUnixNano)
	}
	for _, p := range m.GetGauge().GetDataPoints() {
		settle(&p.StartTimeUnixNano, &p.TimeUnixNano)
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		settle(&p.StartTimeUnixNano, &p.TimeUnixNano)
	}
	for _, p := range m.GetSummary().GetDataPoints() {
		settle(&p.StartTimeUnixNano, &p.TimeUnixNano)
	}
	return m
}

// testdata/metrics.json is what OpenTelemetry's own bridge from Prometheus made of the same metrics.
func TestMetricsAreThoseOfTheBridge(t *testing.T) {
	to := telemetrytest.New(t)
	began := time.Now()
	sent, _ := begin(t, func(o *Options) {
		o.Endpoint, o.Traces, o.Gatherer = to.URL, false, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return gathered(), nil })
	})
	require.NoError(t, sent.Close(context.Background()))
	text, err := os.ReadFile("testdata/metrics.json")
	require.NoError(t, err)
	var wanted []json.RawMessage
	require.NoError(t, json.Unmarshal(text, &wanted))
	require.Len(t, wanted, 5)
	for _, one := range wanted {
		var want metricspb.Metric
		require.NoError(t, protojson.Unmarshal(one, &want))
		got, _ := to.AwaitMetric(want.Name)
		settled(t, got, began)
		require.True(t, proto.Equal(&want, got), "%s\nwant %v\ngot  %v", want.Name, &want, got)
	}
}
