// Package telemetrytest is a collector for tests: it takes traces and metrics by OTLP over HTTP, as protobuf.
package telemetrytest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Patience is how long tests wait for what must come.
const Patience = 2 * time.Minute

// Span is a span as the collector got it.
type Span struct {
	Name string
	// Trace, ID and Parent are hexadecimal; Parent is "" for the first span of a trace.
	Trace, ID, Parent string
	Kind              traces.Span_SpanKind
	// Attributes of the span, Resource those of whom it is.
	Attributes, Resource map[string]string
	Links                []string // their traces
	Failed               bool
}

// Collector keeps what it gets.
type Collector struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	spans    []Span
	metrics  map[string]*metrics.Metric
	of       map[string]string // resource of the metrics
	headers  http.Header       // of the last request
	requests int
	answer   func(w http.ResponseWriter) bool // nil, or what answers instead; false goes on
	changed  chan struct{}                    // closed at the next request
}

// New returns a collector that serves on loopback until the test ends.
func New(t *testing.T) *Collector {
	c := &Collector{t: t, metrics: make(map[string]*metrics.Metric), changed: make(chan struct{})}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

// AnswerWith has all requests answered by f, unless it returns false.
func (c *Collector) AnswerWith(f func(w http.ResponseWriter) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answer := c.answer
	c.mu.Unlock()
	if answer != nil && answer(w) {
		c.note(func() { c.headers = r.Header })
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" || !c.take(r.URL.Path, data) {
		http.Error(w, "no OTLP", http.StatusBadRequest)
		return
	}
	c.note(func() { c.headers = r.Header })
}

func (c *Collector) note(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
	c.requests++
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Collector) take(path string, data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch path {
	case "/v1/traces":
		var request collecttraces.ExportTraceServiceRequest
		if proto.Unmarshal(data, &request) != nil {
			return false
		}
		for _, of := range request.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, s := range scope.Spans {
					c.spans = append(c.spans, spanOf(of.Resource, s))
				}
			}
		}
	case "/v1/metrics":
		var request collectmetrics.ExportMetricsServiceRequest
		if proto.Unmarshal(data, &request) != nil {
			return false
		}
		for _, of := range request.ResourceMetrics {
			c.of = texts(of.Resource.GetAttributes())
			for _, scope := range of.ScopeMetrics {
				for _, m := range scope.Metrics {
					c.metrics[m.Name] = m
				}
			}
		}
	default:
		return false
	}
	return true
}

func spanOf(of *resource.Resource, s *traces.Span) Span {
	span := Span{
		Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Kind: s.Kind, Attributes: texts(s.Attributes), Resource: texts(of.GetAttributes()), Failed: s.Status.GetCode() == traces.Status_STATUS_CODE_ERROR,
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, hex.EncodeToString(l.TraceId))
	}
	return span
}

func texts(list []*common.KeyValue) map[string]string {
	all := make(map[string]string, len(list))
	for _, one := range list {
		switch v := one.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[one.Key] = v.StringValue
		default:
			all[one.Key] = plain(one.Value)
		}
	}
	return all
}

// Await waits until the spans so far are such as wanted, and returns them.
func (c *Collector) Await(wanted func(spans []Span) bool) []Span {
	c.t.Helper()
	over := time.After(Patience)
	for {
		c.mu.Lock()
		have, changed := slices.Clone(c.spans), c.changed
		c.mu.Unlock()
		if wanted(have) {
			return have
		}
		select {
		case <-changed:
		case <-over:
			require.Fail(c.t, "spans that did not come", "there are: %+v", have)
		}
	}
}

// AwaitSpan waits for the first span with the name.
func (c *Collector) AwaitSpan(name string) Span {
	c.t.Helper()
	var found Span
	c.Await(func(spans []Span) bool {
		i := slices.IndexFunc(spans, func(s Span) bool { return s.Name == name })
		if i >= 0 {
			found = spans[i]
		}
		return i >= 0
	})
	return found
}

// AwaitMetric waits for a metric, and returns it with the resource that it is of.
func (c *Collector) AwaitMetric(name string) (*metrics.Metric, map[string]string) {
	c.t.Helper()
	over := time.After(Patience)
	for {
		c.mu.Lock()
		m, of, changed := c.metrics[name], c.of, c.changed
		c.mu.Unlock()
		if m != nil {
			return m, of
		}
		select {
		case <-changed:
		case <-over:
			require.Fail(c.t, "a metric that did not come", name)
		}
	}
}

// AwaitRequests waits until there have been so many requests, and returns the headers of the last one.
func (c *Collector) AwaitRequests(n int) http.Header {
	c.t.Helper()
	over := time.After(Patience)
	for {
		c.mu.Lock()
		have, headers, changed := c.requests, c.headers, c.changed
		c.mu.Unlock()
		if have >= n {
			return headers
		}
		select {
		case <-changed:
		case <-over:
			require.Fail(c.t, "requests that did not come")
		}
	}
}

// plain is a value that is no text, as one.
func plain(v *common.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	}
	return v.String()
}
