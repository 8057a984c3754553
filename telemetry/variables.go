package telemetry

import (
	"fmt"
	"os"
	"strconv"
)

// Variables are the names of the variables that say of a signal what no option does.
type Variables struct{ Endpoint, Protocol string }

// signal is one of what is sent, with its part of the names of variables and the path that is added to the base of the collector.
type signal struct{ name, path, exporter string }

var (
	tracesSignal  = signal{"TRACES_", "/v1/traces", "OTEL_TRACES_EXPORTER"}
	metricsSignal = signal{"METRICS_", "/v1/metrics", "OTEL_METRICS_EXPORTER"}
)

const (
	prefix      = "OTEL_EXPORTER_OTLP_"
	envEndpoint = prefix + "ENDPOINT"
)

// variable is the name of the signal's own variable if that is set, else of the one for all signals.
func (s signal) variable(what string) string {
	if own := prefix + s.name + what; os.Getenv(own) != "" {
		return own
	}
	return prefix + what
}

func (s signal) variables() Variables {
	return Variables{s.variable("ENDPOINT"), s.variable("PROTOCOL")}
}

// sent says whether the signal has a collector, and is not switched off.
func (o *Options) sent(on bool, s signal) bool {
	off, _ := strconv.ParseBool(os.Getenv(envDisabled))
	named := o.Endpoint != "" || !off && os.Getenv(s.variable("ENDPOINT")) != ""
	return on && named && os.Getenv(s.exporter) != "none"
}

// Variables are those of the signals that are sent. What others say has no effect, and is no error.
func (o *Options) Variables() []Variables {
	var all []Variables
	if o.sent(o.Traces, tracesSignal) {
		all = append(all, tracesSignal.variables())
	}
	if o.sent(o.Metrics, metricsSignal) {
		all = append(all, metricsSignal.variables())
	}
	return all
}

// wanted is sent, or the error of a signal that would be sent by an exporter that is not there.
func (o *Options) wanted(on bool, s signal) (bool, error) {
	if !o.sent(on, s) {
		return false, nil
	}
	if text := os.Getenv(s.exporter); text != "" && text != "otlp" {
		return false, fmt.Errorf("%s: %q is neither otlp nor none", s.exporter, text)
	}
	return true, nil
}
