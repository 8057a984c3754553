package upstream

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/internal/trace"
)

// traced is the span of an event, from when it came until nothing more is done for it. Nil without a
// tracer.
type traced struct {
	// span is nil if the event was another node's, which is dead.
	span oteltrace.Span
	// parent is the W3C traceparent of the span.
	parent string
}

// trace begins the span of an event of this client.
func (s *session) trace(e *event) {
	tracer := s.backend.opts.Tracer
	if tracer == nil || e.kind > kindDisconnected {
		return
	}
	name := "client message"
	if e.kind != kindMessage {
		name = "client " + e.name()
	}
	_, span := tracer.Start(context.Background(), name, oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	e.traced = &traced{span: span, parent: trace.Parent(span.SpanContext())} // also if nobody keeps it: webhooks hear that
	if !span.IsRecording() {
		return
	}
	id := s.conn.Identity()
	span.SetAttributes(
		attribute.String("hubgate.hub", id.Hub), attribute.String("hubgate.connection", id.ID),
		attribute.String("hubgate.method", clip(e.name())), attribute.Int("hubgate.bytes", len(e.body)),
	)
}

// end ends the span of an event with what became of it: a result, or why there was none.
func (t *traced) end(result string, failed bool) {
	if t == nil || t.span == nil {
		return
	}
	if t.span.IsRecording() {
		t.span.SetAttributes(attribute.String("hubgate.result", result))
		if failed {
			trace.Fail(t.span, result, "the event was not delivered")
		}
	}
	t.span.End()
}

// over ends the span of an event that was handled.
func (e *event) over(r Result) {
	switch {
	case e.traced == nil:
	case r == "":
		e.traced.end(string(SkipURL), true)
	default:
		e.traced.end(string(r), r != ResultOK && r != ResultRejected)
	}
}

// calling is one call of a webhook for those who trace.
type calling struct {
	// id is that of the trace, parent the W3C traceparent that the webhook gets.
	id, parent string
	span       oteltrace.Span // nil without one
}

// calls begins a call: its span, or at least ids that logs and the webhook have in common.
func (s *session) calls(e *event) calling {
	tracer := s.backend.opts.Tracer
	if tracer == nil || e.traced == nil {
		id, parent := trace.New()
		return calling{id: id, parent: parent}
	}
	ctx := oteltrace.ContextWithRemoteSpanContext(context.Background(), trace.Remote(e.traced.parent))
	if e.traced.span != nil {
		ctx = oteltrace.ContextWithSpan(context.Background(), e.traced.span)
	}
	_, span := tracer.Start(ctx, http.MethodPost, oteltrace.WithSpanKind(oteltrace.SpanKindClient))
	of := span.SpanContext()
	return calling{id: of.TraceID().String(), parent: trace.Parent(of), span: span}
}

// end ends the call's span.
func (p *calling) end(s *session, e *event, a *answer) {
	if p.span == nil {
		return
	}
	if p.span.IsRecording() {
		p.span.SetAttributes(
			attribute.String("http.request.method", http.MethodPost), attribute.String("hubgate.result", string(a.result)),
			attribute.String("url.full", e.template.shown(s.names(e.kind, e.target))),
		)
		if a.status != 0 {
			p.span.SetAttributes(attribute.Int("http.response.status_code", a.status))
		}
		if e.kept != nil {
			p.span.SetAttributes(attribute.Int("hubgate.attempt", e.kept.attempt))
		}
		if a.result != ResultOK && a.result != ResultRejected {
			trace.Fail(p.span, string(a.result), a.detail)
		}
	}
	p.span.End()
}
