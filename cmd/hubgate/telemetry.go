package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/trace"
	"github.com/hubgate/hubgate/telemetry"
)

// newTelemetry begins to send traces and metrics, if a collector is named.
func (s *server) newTelemetry() error {
	o := &s.config.OTel
	headers, err := o.OTelHeaders()
	if err != nil {
		return usage(fmt.Errorf("otel.headers: %w", err))
	}
	options := telemetry.Options{
		Endpoint: o.Endpoint, Headers: headers, ReadHeaders: config.ReadOTelHeaders, Interval: o.Interval,
		Traces: slices.Contains(o.Signals, config.OTelTraces), Metrics: slices.Contains(o.Signals, config.OTelMetrics),
		Resource: telemetry.Resource{Service: o.ServiceName, Version: version(), Instance: s.config.Network.Node, Attributes: o.Attributes},
		Gatherer: s.admin.Gatherer(), Logger: s.log.With("part", partTelemetry),
	}
	if err := checkVariables(o, options.Variables()); err != nil {
		return usage(err)
	}
	ratio, set, err := o.Ratio()
	if err != nil {
		return usage(fmt.Errorf("otel.sampling: %w", err))
	}
	if set {
		options.Ratio = &ratio
	}
	t, err := telemetry.New(context.Background(), options)
	if err != nil {
		return usage(fmt.Errorf("OpenTelemetry: %w", err))
	}
	s.seen.tracer = t.Tracer()
	s.admin.WatchTelemetry(t != nil, func() (sent uint64, waiting int, dropped map[string]uint64) {
		now := t.Stats()
		return now.Spans, now.Waiting, byName(now.Dropped)
	}, func() (sent, failed uint64) {
		now := t.Stats()
		return now.Metrics, now.MetricsFailed
	})
	s.built.add("traces and metrics", t.Close)
	return nil
}

// checkVariables says what is wrong with variables that hold where no option does.
func checkVariables(o *config.OTel, all []telemetry.Variables) error {
	for _, v := range all {
		if text := os.Getenv(v.Protocol); o.Protocol == "" && text != "" && text != config.OTLPProtocol {
			return fmt.Errorf("%s: %q: only %s is there", v.Protocol, text, config.OTLPProtocol)
		}
		if err := config.CheckCollector(os.Getenv(v.Endpoint)); o.Endpoint == "" && err != nil {
			return fmt.Errorf("%s: %w", v.Endpoint, err)
		}
	}
	return nil
}

// fanOutSpan makes a span of the fan-out of a send on this node. Came is told too, unless it is nil.
func fanOutSpan(tracer trace.Tracer, cmd *gateway.Command, came func(gateway.SendReport)) func(gateway.SendReport) {
	ctx := oteltrace.ContextWithRemoteSpanContext(context.Background(), trace.Remote(cmd.Span))
	_, span := tracer.Start(ctx, "fan-out")
	if !span.IsRecording() {
		return came
	}
	return func(r gateway.SendReport) {
		span.SetAttributes(
			attribute.String("hubgate.hub", cmd.Hub), attribute.String("hubgate.to", targetName(meantKind(cmd))),
			attribute.String("hubgate.method", cmd.Frames.Target()), attribute.Int("hubgate.bytes", cmd.Frames.Size()),
			attribute.Int("hubgate.matched", r.Matched), attribute.Int("hubgate.written", r.Written),
			attribute.Int("hubgate.queued", r.Queued), attribute.Int("hubgate.dropped", r.Dropped),
		)
		if reason := dropsOf(&r); reason != "" {
			trace.Fail(span, reason, "not everybody got the message")
		}
		span.End()
		if came != nil {
			came(r)
		}
	}
}
