package trace

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Served is a request to the gateway as those see it who trace: the id under which it is shown, and its span. Without
// a tracer it has no span, and allocates nothing. The zero one has neither. It is for one goroutine.
type Served struct {
	// ID is the one that the caller gave, or that of the trace; "" if there is none.
	ID     string
	tracer Tracer
	came   time.Time
	span   trace.Span // nil without a tracer, and until it begins
	ended  bool
}

// Begin reads the id that a request brings which came at that time, and begins its span. The span of one that brings a
// trace waits for Accepted: who has no token decides nothing.
func (s *Served) Begin(tracer Tracer, r *http.Request, came time.Time) {
	*s = Served{ID: Of(r.Header), tracer: tracer, came: came}
	if tracer == nil || Caller(r).IsValid() {
		return
	}
	s.span = Request(tracer, trace.SpanContext{}, came)
	if of := s.span.SpanContext(); s.ID == "" && of.IsValid() {
		s.ID = of.TraceID().String()
	}
}

// Accepted says that the token is right: the request goes on with the trace of its caller.
func (s *Served) Accepted(r *http.Request) {
	if s.tracer != nil && s.span == nil {
		s.span = Request(s.tracer, Caller(r), s.came)
	}
}

// On says whether the request has a span, or will have one: only then is an Outcome needed.
func (s *Served) On() bool { return s.tracer != nil && !s.ended }

// Kept is the traceparent for whoever goes on with the request; "" without a span that is kept.
func (s *Served) Kept() string {
	if s.span == nil {
		return ""
	}
	return Kept(s.span.SpanContext())
}

// Trace is the id of the trace; "" without one that is kept.
func (s *Served) Trace() string {
	if s.span == nil || !s.span.SpanContext().IsSampled() {
		return ""
	}
	return s.span.SpanContext().TraceID().String()
}

// Onward returns the request for another node, which answers it in the place of this one: it goes on with the span.
func (s *Served) Onward(r *http.Request) *http.Request {
	if s.span == nil {
		return r
	}
	on := new(http.Request)
	*on = *r
	on.Header = r.Header.Clone()
	on.Header[parentHeader] = []string{Parent(s.span.SpanContext())}
	return on
}

// Outcome is what became of a request.
type Outcome struct {
	// Operation is that of the contract, Known whether the contract has it.
	Operation string
	Known     bool
	// Hub and Route, the pattern of the path, may be "".
	Hub, Route string
	Status     int
	// Reason is what it failed of, from a closed list, and Err the error; "" and nil if it did not.
	Reason string
	Err    error
}

// End ends the span with what became of the request. One that brought a trace and was never accepted has a trace of
// its own. What comes after the first call does nothing.
func (s *Served) End(r *http.Request, o *Outcome) {
	if !s.On() {
		return
	}
	if s.ended = true; s.span == nil {
		s.span = Request(s.tracer, trace.SpanContext{}, s.came)
	}
	if s.span.IsRecording() {
		s.describe(r, o)
	}
	s.span.End()
}

func (s *Served) describe(r *http.Request, o *Outcome) {
	method := "_OTHER" // callers write any word
	if o.Known {
		method = r.Method
		s.span.SetName(method + " " + o.Operation)
	}
	attributes := []attribute.KeyValue{
		attribute.String("http.request.method", method), attribute.Int("http.response.status_code", o.Status),
		attribute.String("hubgate.operation", o.Operation),
	}
	for _, of := range []attribute.KeyValue{attribute.String("hubgate.hub", o.Hub), attribute.String("http.route", o.Route)} {
		if of.Value.AsString() != "" {
			attributes = append(attributes, of)
		}
	}
	if s.ID != s.span.SpanContext().TraceID().String() {
		attributes = append(attributes, attribute.String("hubgate.request_id", s.ID))
	}
	s.span.SetAttributes(attributes...)
	switch {
	case o.Err == nil:
	case o.Status >= http.StatusInternalServerError:
		Fail(s.span, o.Reason, o.Err.Error())
	default: // what the caller did wrong is no error of the server
		s.span.SetAttributes(attribute.String("error.type", o.Reason))
	}
}
