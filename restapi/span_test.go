package restapi

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

// A request is a span of its caller's trace, and what it asks of the hub carries it.
func TestRequestsAreSpans(t *testing.T) {
	f := newFixture(t)
	follow := &sends{commands: make(chan *gateway.Command, 1)}
	gw, err := gateway.New(gateway.Options{Backend: &gatewaytest.Backend{}, Observer: follow})
	require.NoError(t, err)
	defer gw.Close()
	spans := tracetest.NewSpanRecorder()
	options := f.options()
	options.Hubs, options.Tracer = gw, sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
	f.handler = New(options)

	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	a := f.do("POST", "/api/hubs/chat/:send", helloJSON, with("traceparent", "00-"+trace+"-00f067aa0ba902b7-01"))
	a.wantStatus(202)
	cmd := <-follow.commands
	span := spans.Ended()[0]
	require.Equal(t, "POST Broadcast", span.Name())
	require.Equal(t, trace, span.SpanContext().TraceID().String())
	require.Equal(t, "00f067aa0ba902b7", span.Parent().SpanID().String())
	require.Equal(t, "00-"+trace+"-"+span.SpanContext().SpanID().String()+"-01", cmd.Span)
	require.Equal(t, trace, cmd.Trace)
	require.Contains(t, span.Attributes(), attribute.String("hubgate.hub", "chat"))
	require.Contains(t, span.Attributes(), attribute.Int("http.response.status_code", 202))

	a = f.do("POST", "/api/hubs/chat/:send", helloJSON, with("X-Request-Id", "order-7"))
	a.wantStatus(202)
	cmd, span = <-follow.commands, spans.Ended()[1]
	require.Equal(t, "order-7", cmd.Trace)
	require.NotEmpty(t, cmd.Span)
	require.Contains(t, span.Attributes(), attribute.String("hubgate.request_id", "order-7"))

	a = f.do("POST", "/api/hubs/chat/:send", helloJSON)
	a.wantStatus(202)
	cmd, span = <-follow.commands, spans.Ended()[2]
	require.Equal(t, span.SpanContext().TraceID().String(), cmd.Trace, "the id of a request without one is that of its trace")
	require.Equal(t, cmd.Trace, a.header.Get("X-Request-Id"))

	f.do("POST", "/api/hubs/chat/:send", helloJSON, with("traceparent", "00-"+trace+"-00f067aa0ba902b7-00")).wantStatus(202)
	require.Empty(t, (<-follow.commands).Span, "the caller does not keep the trace")
	require.Len(t, spans.Ended(), 3)

	f.do("POST", "/api/hubs/chat/:send", "{").wantStatus(400)
	span = spans.Ended()[3]
	require.Contains(t, span.Attributes(), attribute.String("error.type", string(ReasonBody)))
	require.Equal(t, span.SpanContext().TraceID().String(), f.logged.take(t)[0]["trace_id"])
}

// Who has no token does not decide what is kept, nor under which trace.
func TestTheTraceOfACallerWithoutATokenIsNotGoneOnWith(t *testing.T) {
	for ratio, kept := range map[float64]int{0: 0, 1: 1} {
		f := newFixture(t)
		spans := tracetest.NewSpanRecorder()
		options := f.options()
		sampler := sdk.ParentBased(sdk.TraceIDRatioBased(ratio))
		options.Tracer = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithSampler(sampler)).Tracer("test")
		f.handler = New(options)
		const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
		f.do("POST", "/api/hubs/chat/:send", helloJSON, with("traceparent", "00-"+trace+"-00f067aa0ba902b7-01"), with("Authorization", "Bearer x")).wantStatus(401)
		require.Len(t, spans.Ended(), kept)
		for _, span := range spans.Ended() {
			require.NotEqual(t, trace, span.SpanContext().TraceID().String())
			require.False(t, span.Parent().IsValid())
		}
	}
}
