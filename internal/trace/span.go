package trace

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Tracer makes spans. Who has none makes no spans, and pays nothing for it.
type Tracer = trace.Tracer

// Parent returns the W3C traceparent of a span, for whoever goes on with it; "" for the zero context.
func Parent(of trace.SpanContext) string {
	if !of.IsValid() {
		return ""
	}
	traceID, spanID, flags := of.TraceID(), of.SpanID(), of.TraceFlags()&trace.FlagsSampled
	return traceparent(traceID[:], spanID[:], byte(flags))
}

// Kept is Parent if the span is one that is kept, else "": nobody who goes on with it makes a span then.
func Kept(of trace.SpanContext) string {
	if !of.IsSampled() {
		return ""
	}
	return Parent(of)
}

// Remote returns the context that a traceparent names, as one of another process; the zero one if it is none.
func Remote(parent string) trace.SpanContext {
	if parent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), one(parent))
	return trace.SpanContextFromContext(ctx)
}

// one is a carrier with a traceparent.
type one string

func (o one) Get(key string) string {
	if key == "traceparent" {
		return string(o)
	}
	return ""
}
func (one) Set(string, string) {}
func (one) Keys() []string     { return nil }

// Caller returns the span that a request comes from, by its traceparent; the zero one if it has none.
func Caller(r *http.Request) trace.SpanContext {
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header)))
}

// Request begins the span of a request that came in at a time. It goes on with the trace of its caller; the zero one
// is none, and the trace begins here. Without a tracer it is nil.
func Request(tracer trace.Tracer, caller trace.SpanContext, came time.Time) trace.Span {
	if tracer == nil {
		return nil
	}
	parent := trace.ContextWithRemoteSpanContext(context.Background(), caller)
	_, span := tracer.Start(parent, "HTTP", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(came))
	return span
}

// Fail says what a span failed of: a reason of a closed list, and the error.
func Fail(span trace.Span, reason, text string) {
	span.SetStatus(codes.Error, text)
	span.SetAttributes(attribute.String("error.type", reason))
}
