package telemetry

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

// moments are the times of what is converted, in nanoseconds since 1970: of what counts from the beginning, and now.
type moments struct{ began, now uint64 }

// converted makes metrics of OTLP from those of Prometheus, under the same names. Native histograms come without
// their buckets, and kinds that OTLP does not have are left out.
func converted(families []*dto.MetricFamily, at moments) []*metricspb.Metric {
	all := make([]*metricspb.Metric, 0, len(families))
	for _, of := range families {
		metric := &metricspb.Metric{Name: of.GetName(), Description: of.GetHelp()}
		if of.Metric == nil || !at.fill(metric, of) {
			continue
		}
		all = append(all, metric)
	}
	return all
}

func (at moments) fill(metric *metricspb.Metric, of *dto.MetricFamily) bool {
	switch of.GetType() {
	case dto.MetricType_COUNTER:
		metric.Data = &metricspb.Metric_Sum{Sum: &metricspb.Sum{
			AggregationTemporality: cumulative, IsMonotonic: true, DataPoints: each(of, at.counter),
		}}
	case dto.MetricType_GAUGE, dto.MetricType_UNTYPED:
		metric.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: each(of, at.gauge)}}
	case dto.MetricType_HISTOGRAM:
		metric.Data = &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
			AggregationTemporality: cumulative, DataPoints: each(of, at.histogram),
		}}
	case dto.MetricType_SUMMARY:
		metric.Data = &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: each(of, at.summary)}}
	default:
		return false
	}
	return true
}

func each[P any](of *dto.MetricFamily, point func(*dto.Metric) P) []P {
	all := make([]P, len(of.Metric))
	for i, m := range of.Metric {
		all[i] = point(m)
	}
	return all
}

func (at moments) counter(m *dto.Metric) *metricspb.NumberDataPoint {
	return &metricspb.NumberDataPoint{
		Attributes: labels(m), StartTimeUnixNano: at.since(m.Counter.GetCreatedTimestamp()), TimeUnixNano: at.of(m),
		Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: m.Counter.GetValue()},
	}
}

func (at moments) gauge(m *dto.Metric) *metricspb.NumberDataPoint {
	value := m.Gauge.GetValue()
	if m.Untyped != nil {
		value = m.Untyped.GetValue()
	}
	return &metricspb.NumberDataPoint{
		Attributes: labels(m), TimeUnixNano: at.of(m), Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: value},
	}
}

func (at moments) histogram(m *dto.Metric) *metricspb.HistogramDataPoint {
	h := m.Histogram
	sum := h.GetSampleSum()
	point := &metricspb.HistogramDataPoint{
		Attributes: labels(m), StartTimeUnixNano: at.since(h.GetCreatedTimestamp()), TimeUnixNano: at.of(m),
		Count: h.GetSampleCount(), Sum: &sum,
	}
	if len(h.Bucket) == 0 {
		return point
	}
	// Prometheus counts what is below a bound, OTLP what is between two; beyond the last one is what is left.
	var below uint64
	for _, b := range h.Bucket {
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		point.ExplicitBounds = append(point.ExplicitBounds, b.GetUpperBound())
		point.BucketCounts = append(point.BucketCounts, b.GetCumulativeCount()-below)
		below = b.GetCumulativeCount()
	}
	point.BucketCounts = append(point.BucketCounts, h.GetSampleCount()-below)
	return point
}

func (at moments) summary(m *dto.Metric) *metricspb.SummaryDataPoint {
	s := m.Summary
	point := &metricspb.SummaryDataPoint{
		Attributes: labels(m), StartTimeUnixNano: at.since(s.GetCreatedTimestamp()), TimeUnixNano: at.of(m),
		Count: s.GetSampleCount(), Sum: s.GetSampleSum(),
	}
	for _, q := range s.GetQuantile() {
		point.QuantileValues = append(point.QuantileValues, &metricspb.SummaryDataPoint_ValueAtQuantile{Quantile: q.GetQuantile(), Value: q.GetValue()})
	}
	return point
}

func (at moments) since(created *timestamppb.Timestamp) uint64 {
	if created == nil {
		return at.began
	}
	return uint64(created.AsTime().UnixNano())
}

func (at moments) of(m *dto.Metric) uint64 {
	if m.TimestampMs == nil {
		return at.now
	}
	return uint64(time.UnixMilli(m.GetTimestampMs()).UnixNano())
}

func labels(m *dto.Metric) []*commonpb.KeyValue {
	all := make([]*commonpb.KeyValue, len(m.Label))
	for i, l := range m.Label {
		all[i] = text(l.GetName(), l.GetValue())
	}
	return all
}

// text is an attribute.
func text(name, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: name, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}
