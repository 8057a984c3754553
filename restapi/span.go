package restapi

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/trace"
)

// begin begins the span of the request, if there is a tracer. A request that brings no id of its own gets that of
// the trace.
func (c *call) begin(tracer trace.Tracer, r *http.Request) {
	span := trace.Request(tracer, r)
	if span == nil {
		return
	}
	c.wants.span = span
	if of := span.SpanContext(); c.wants.trace == "" && of.IsValid() {
		c.wants.trace = of.TraceID().String()
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
		span.SetName(r.Method + " " + c.operation)
		attributes := []attribute.KeyValue{
			attribute.String("http.request.method", r.Method), attribute.Int("http.response.status_code", c.status),
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
