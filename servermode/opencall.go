package servermode

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/trace"
)

// Latency is told how long hub servers take. Its methods are called concurrently, must be cheap and must not block.
type Latency interface {
	// Pinged: a ping of the gateway was answered.
	Pinged(took time.Duration)
	// Called: a client's call was answered. Streams are not told, nor calls of clients that changed their hub server
	// or their node meanwhile.
	Called(took time.Duration)
}

// openCall is what is known of a client's open invocation.
type openCall struct {
	id string
	// began is when it went to the hub server, in Backend.now; 0 if its time means nothing.
	began time.Duration
	// span is nil without one that is kept.
	span oteltrace.Span
}

// answered is called when the hub server has answered.
func (b *Backend) answered(c *openCall) {
	if c.began > 0 && b.opts.Latency != nil {
		b.opts.Latency.Called(b.now() - c.began)
	}
	if c.span != nil {
		c.span.End()
	}
}

// lost ends the span of an invocation that will not be answered by the hub server.
func (c *openCall) lost(why string) {
	if c.span != nil {
		trace.Fail(c.span, why, "the hub server has not answered")
		c.span.End()
	}
}

// The reasons in spans of calls that are not answered by their hub server, beside those of Loss.
const (
	callClosed  = "ClientClosed"
	callMoved   = "ClientMoved"
	callTooMany = "TooMany" // the client has very many open ones, and this one was forgotten
	callHeld    = "Held"    // it waits for another hub server, and has no span any more
)

// offeredRecord is a record that the hub server has had no room for. It has one span, however often it comes again.
type offeredRecord struct {
	span oteltrace.Span // nil if none is kept
}

// offer returns the span of a record for the hub server, which may come again; nil without one that is kept.
func (s *session) offer(r *gateway.Record) oteltrace.Span {
	if o := s.calls.offered; o != nil {
		s.calls.offered = nil
		return o.span
	}
	return s.traceRecord(r)
}

// refused notes that the hub server has had no room for a record.
func (s *session) refused(span oteltrace.Span) {
	if s.b.opts.Tracer != nil {
		s.calls.offered = &offeredRecord{span}
	}
}

// withdraw ends the span of a record that was offered and does not come again to the hub server.
func (c *openCalls) withdraw(why string) {
	if o := c.offered; o != nil {
		c.offered = nil
		(&openCall{span: o.span}).lost(why)
	}
}

// traceRecord begins the span of what a client says to its hub server; nil without one that is kept. Pings and other
// records that nobody has called for have none.
func (s *session) traceRecord(r *gateway.Record) oteltrace.Span {
	tracer := s.b.opts.Tracer
	if tracer == nil || r.Type != hubprotocol.Invocation && r.Type != hubprotocol.StreamInvocation {
		return nil
	}
	_, span := tracer.Start(context.Background(), "client message", oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	if !span.IsRecording() {
		return nil
	}
	id := s.conn.Identity()
	span.SetAttributes(attribute.String("hubgate.hub", id.Hub), attribute.String("hubgate.connection", id.ID), attribute.Int("hubgate.bytes", len(r.Frame)))
	return span
}

// tracingID is the number under which hub servers log what belongs to a span: the second half of the trace's id. 0
// without a span.
func tracingID(span oteltrace.Span) uint64 {
	if span == nil {
		return 0
	}
	id := span.SpanContext().TraceID()
	return binary.BigEndian.Uint64(id[8:])
}

// tracing is the tracing id of the message that the connection carries out at the moment, as those who trace see it; ""
// if it has none.
func (sc *serverConn) tracing() string { return tracingText(sc.reader.decoder.TracingID()) }

// tracingText is a tracing id in decimal, as hub servers log it; "" for 0, which is none.
func tracingText(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 10)
}

// traceSend has the command carry the tracing id of what a hub server sends to clients, and begins its span. The span
// begins a trace: hub servers do not say what they send it for. End ends it.
func (sc *serverConn) traceSend(cmd *gateway.Command) (end func()) {
	cmd.Trace = sc.tracing()
	tracer := sc.b.opts.Tracer
	if tracer == nil {
		return func() {}
	}
	_, span := tracer.Start(context.Background(), "hub server message", oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	if !span.IsRecording() {
		return func() {}
	}
	span.SetAttributes(attribute.String("hubgate.hub", cmd.Hub), attribute.String("hubgate.server_connection", sc.peer.cid))
	of := span.SpanContext()
	if cmd.Span = trace.Kept(of); cmd.Trace == "" {
		cmd.Trace = of.TraceID().String()
	} else {
		span.SetAttributes(attribute.String("hubgate.tracing_id", cmd.Trace))
	}
	return func() { span.End() }
}

// pinged notes that a ping goes to the hub server.
func (c *serverClock) pinged(now time.Duration) {
	// A hub server answers a ping only if its last answer is more than five seconds ago. Its own clock has begun
	// before this one has heard of it.
	if now-time.Duration(c.lastPong.Load()) > pongInterval {
		c.asked.CompareAndSwap(0, int64(now))
	}
}

// pongInterval is how long a hub server does not answer another ping.
const pongInterval = 5 * time.Second

// ponged notes a ping of the hub server, and tells how long the answer took if it is one.
func (sc *serverConn) ponged() {
	now := sc.b.now()
	sc.clock.lastPong.Store(int64(now))
	if asked := sc.clock.asked.Swap(0); asked > 0 && sc.b.opts.Latency != nil {
		sc.b.opts.Latency.Pinged(now - time.Duration(asked))
	}
}
