package config

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hubgate/hubgate/secret"
)

// OTel says where traces and metrics go by OTLP.
type OTel struct {
	Endpoint    string        `help:"Base URL of the collector that gets traces and metrics by OTLP, such as http://localhost:4318; /v1/traces and /v1/metrics are added. Without it the variables OTEL_EXPORTER_OTLP_ENDPOINT and their like say so, and without these nothing is sent. See tracing.md." placeholder:"URL"`
	Headers     secret.Text   `help:"Headers for the collector, such as api-key=abc; several with commas, values percent-encoded. They are no flag, since others on the machine can read those. Without it: OTEL_EXPORTER_OTLP_HEADERS." hidden:"" noflag:""`
	Protocol    string        `help:"The one protocol that there is, http/protobuf. Any other is an error. Without it: OTEL_EXPORTER_OTLP_PROTOCOL." placeholder:"PROTOCOL"`
	Sampling    string        `help:"Share of the traces that begin here and are kept, 0 to 1. A trace that a caller has begun is kept if the caller keeps it. Without it: OTEL_TRACES_SAMPLER, or all." placeholder:"RATIO"`
	ServiceName string        `help:"service.name of the traces and metrics. Without it: OTEL_SERVICE_NAME, or hubgate." placeholder:"NAME"`
	Attributes  []string      `help:"Further resource attributes, NAME=VALUE; repeatable, or with commas. They go before those of OTEL_RESOURCE_ATTRIBUTES. service.version and service.instance.id, which is the name of the node, are there anyway." placeholder:"NAME=VALUE"`
	Signals     []string      `help:"What is sent: traces, and the metrics that /metrics has." default:"traces,metrics" placeholder:"SIGNAL"`
	Interval    time.Duration `help:"Time between two sendings of metrics. 0s: as OTEL_METRIC_EXPORT_INTERVAL says, or a minute." default:"0s"`
}

// OTelHeaders returns the headers for the collector; nil if none are configured.
func (o *OTel) OTelHeaders() (map[string]string, error) {
	if o.Headers == "" {
		return nil, nil
	}
	return ReadOTelHeaders(o.Headers.Reveal())
}

// ReadOTelHeaders returns the headers for the collector that a text has. Its error has no word of them.
func ReadOTelHeaders(text string) (map[string]string, error) {
	headers := make(map[string]string)
	for pair := range strings.SplitSeq(text, ",") {
		name, escaped, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if !ok || err != nil || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, errors.New("must be NAME=VALUE pairs with commas between them, values percent-encoded")
		}
		headers[http.CanonicalHeaderKey(name)] = value
	}
	return headers, nil
}

// Ratio returns the share of traces that are kept; set is false if none is configured.
func (o *OTel) Ratio() (ratio float64, set bool, err error) {
	if o.Sampling == "" {
		return 0, false, nil
	}
	ratio, err = strconv.ParseFloat(o.Sampling, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return 0, false, fmt.Errorf("%q is no number between 0 and 1", o.Sampling)
	}
	return ratio, true, nil
}

// maxInterval bounds the time between two sendings of metrics.
const maxInterval = 24 * time.Hour

func (c *Config) validateOTel(add func(name string, err error)) {
	o := &c.OTel
	add("otel.endpoint", CheckCollector(o.Endpoint))
	_, err := o.OTelHeaders()
	add("otel.headers", err)
	_, _, err = o.Ratio()
	add("otel.sampling", err)
	if o.Protocol != "" && o.Protocol != OTLPProtocol {
		add("otel.protocol", fmt.Errorf("%q: only %s is there", o.Protocol, OTLPProtocol))
	}
	for _, pair := range o.Attributes {
		if name, _, ok := strings.Cut(pair, "="); !ok || strings.TrimSpace(name) == "" {
			add("otel.attributes", fmt.Errorf("%q is not NAME=VALUE", pair))
		}
	}
	for _, signal := range o.Signals {
		if signal != OTelTraces && signal != OTelMetrics {
			add("otel.signals", fmt.Errorf("%q is neither %s nor %s", signal, OTelTraces, OTelMetrics))
		}
	}
	if d := o.Interval; d < 0 || d > maxInterval || d > 0 && d < time.Second {
		add("otel.interval", fmt.Errorf("must be between 1s and %v, or 0s, not %v", maxInterval, d))
	}
}

// The signals of otel.signals.
const (
	OTelTraces  = "traces"
	OTelMetrics = "metrics"
)

// OTLPProtocol is the one protocol for traces and metrics.
const OTLPProtocol = "http/protobuf"

// CheckCollector says what is wrong with the URL of a collector; "" is none, and right.
func CheckCollector(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("must be an http:// or https:// URL without user, query and fragment, such as http://localhost:4318")
	}
	return nil
}
