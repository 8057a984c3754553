package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hubgate/hubgate/telemetry/telemetrytest"
)

// collected is an effect of an option that is seen by a collector, for which the program makes a span.
func collected(t *testing.T, e effect, see func(to *telemetrytest.Collector, span telemetrytest.Span) string) effect {
	to := telemetrytest.New(t)
	e.with = append(patientEnd, "--otel-endpoint", to.URL)
	e.see = func(t *testing.T, p *program) string {
		p.sendTo(":send", "hello")
		p.cancel() // which sends what waits
		<-p.ended
		return see(to, to.AwaitSpan("POST Broadcast"))
	}
	return e
}

// patientEnd lets the program send at its end what waits, however slow it is.
var patientEnd = slices.Clip([]string{"--drain-timeout", "60s"})

// Effects of the options about traces and metrics that are sent: all read at the start.
var otelEffects = map[string]func(*testing.T) effect{
	"otel-endpoint": func(t *testing.T) effect {
		to := telemetrytest.New(t)
		return effect{unusual: to.URL, with: patientEnd, before: "nothing", after: "traces and metrics", see: func(t *testing.T, p *program) string {
			if _, metrics := p.get(p.Admin + "/metrics"); firstMatch(`(hubgate_otel_spans_sent_total)`, metrics) == "" {
				return "nothing"
			}
			p.sendTo(":send", "hello")
			p.cancel()
			<-p.ended
			to.AwaitSpan("POST Broadcast")
			to.AwaitMetric("hubgate_rest_requests_total")
			return "traces and metrics"
		}}
	},
	"otel.headers": func(t *testing.T) effect {
		return collected(t, effect{unusual: "api-key=a%20b", before: "", after: "a b"}, func(to *telemetrytest.Collector, _ telemetrytest.Span) string {
			return to.AwaitRequests(1).Get("Api-Key")
		})
	},
	"otel-protocol": func(t *testing.T) effect {
		return effect{usual: "grpc", unusual: "http/protobuf", before: "only http/protobuf is there", after: "serves", see: func(_ *testing.T, p *program) string {
			p.sendTo(":send", "hello")
			return "serves"
		}}
	},
	"otel-sampling": func(t *testing.T) effect {
		to := telemetrytest.New(t)
		return effect{usual: "0", unusual: "1", with: append(patientEnd, "--otel-endpoint", to.URL, "--otel-signals", "traces"), before: "0", after: "2", see: func(_ *testing.T, p *program) string {
			p.sendTo(":send", "hello")
			p.cancel()
			<-p.ended
			return fmt.Sprint(len(to.Await(func([]telemetrytest.Span) bool { return true })))
		}}
	},
	"otel-service-name": func(t *testing.T) effect {
		return collected(t, effect{unusual: "gate", before: "hubgate", after: "gate"}, func(_ *telemetrytest.Collector, s telemetrytest.Span) string {
			return s.Resource["service.name"]
		})
	},
	"otel-attributes": func(t *testing.T) effect {
		return collected(t, effect{unusual: "deployment.environment=test", before: "", after: "test"}, func(_ *telemetrytest.Collector, s telemetrytest.Span) string {
			return s.Resource["deployment.environment"]
		})
	},
	"otel-signals": func(t *testing.T) effect {
		to := telemetrytest.New(t)
		return effect{unusual: "metrics", with: append(patientEnd, "--otel-endpoint", to.URL), before: "traces", after: "no traces", see: func(_ *testing.T, p *program) string {
			p.sendTo(":send", "hello")
			p.cancel()
			<-p.ended
			to.AwaitMetric("hubgate_rest_requests_total")
			if len(to.Await(func([]telemetrytest.Span) bool { return true })) == 0 {
				return "no traces"
			}
			return "traces"
		}}
	},
	"otel-interval": func(t *testing.T) effect {
		to := telemetrytest.New(t)
		return effect{unusual: "1s", with: []string{"--otel-endpoint", to.URL}, before: never, after: "sent", see: func(*testing.T, *program) string {
			to.AwaitMetric("hubgate_build_info")
			return "sent"
		}}
	},
}
