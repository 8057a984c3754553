package restapi

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/trace"
)

// begin begins the span of a request that brings no trace, if there is a tracer. A request that brings no id of its
// own gets that of the trace. What brings a trace waits for accepted: who has no token decides nothing.
func (c *call) begin(tracer trace.Tracer, r *http.Request) {
	if tracer == nil || trace.Caller(r).IsValid() {
		return
	}
	c.wants.span = trace.Request(tracer, oteltrace.SpanContext{}, c.began)
	if of := c.wants.span.SpanContext(); c.wants.trace == "" && of.IsValid() {
		c.wants.trace = of.TraceID().String()
	}
}

// accepted begins the span of a request whose token is right: it goes on with the trace of its caller.
func (c *call) accepted(tracer trace.Tracer, r *http.Request) {
	if tracer != nil && c.wants.span == nil {
		c.wants.span = trace.Request(tracer, trace.Caller(r), c.began)
	}
}

// refused begins the span of a request that brings a trace and was never accepted: a trace of its own.
func (c *call) refused(tracer trace.Tracer) {
	if tracer != nil && c.wants.span == nil {
		c.wants.span = trace.Request(tracer, oteltrace.SpanContext{}, c.began)
	}
}

// sign says in a command which request it is of.
func (c *call) sign(cmd *gateway.Command) {
	cmd.Trace = c.wants.trace
	if c.wants.span != nil {
		cmd.Span = trace.Kept(c.wants.span.SpanContext())
	}
}

// end ends the span of the request.
func (c *call) end(r *http.Request) {
	span := c.wants.span
	if span == nil {
		return
	}
	if span.IsRecording() {
		method := "_OTHER" // callers write any word
		if c.operation != UnknownOperation && c.operation != "" {
			method = r.Method
			span.SetName(method + " " + c.operation)
		}
		attributes := []attribute.KeyValue{
			attribute.String("http.request.method", method), attribute.Int("http.response.status_code", c.status),
			attribute.String("hubgate.operation", c.operation),
		}
		if hub := c.route.URLParam("hub"); hub != "" {
			attributes = append(attributes, attribute.String("hubgate.hub", hub))
		}
		if route := c.route.RoutePattern(); route != "" {
			attributes = append(attributes, attribute.String("http.route", route))
		}
		if id := c.wants.trace; id != span.SpanContext().TraceID().String() {
			attributes = append(attributes, attribute.String("hubgate.request_id", id))
		}
		span.SetAttributes(attributes...)
		switch f := c.failed; {
		case f != nil && c.status >= http.StatusInternalServerError:
			trace.Fail(span, string(f.reason), f.Error())
		case f != nil: // what the caller did wrong is no error of the server
			span.SetAttributes(attribute.String("error.type", string(f.reason)))
		}
	}
	span.End()
}
