package upstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// awaited are spans that have ended; their number is told.
type awaited struct {
	*tracetest.SpanRecorder
	ended chan struct{}
}

func newAwaited() *awaited {
	return &awaited{tracetest.NewSpanRecorder(), make(chan struct{}, 64)}
}

func (a *awaited) OnEnd(s sdk.ReadOnlySpan) {
	a.SpanRecorder.OnEnd(s)
	a.ended <- struct{}{}
}

// await returns the spans when there are so many.
func (a *awaited) await(t *testing.T, n int) []sdk.ReadOnlySpan {
	t.Helper()
	for len(a.Ended()) < n {
		want(t, a.ended)
	}
	return a.Ended()
}

func TestAnEventAndItsWebhookAreSpans(t *testing.T) {
	h := newHook(t, nil)
	spans := newAwaited()
	cfg := toAll(h.URL)
	b := New(Options{Config: func() *Config { return cfg }, Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")})
	defer func() { require.NoError(t, b.Close(t.Context())) }()
	s := newSession(b, newConn("c1"))
	s.Opened()
	got := want(t, h.posts)
	all := spans.await(t, 2)
	call, of := all[0], all[1]
	require.Equal(t, "client connected", of.Name())
	require.Equal(t, oteltrace.SpanKindServer, of.SpanKind())
	require.Equal(t, "POST", call.Name())
	require.Equal(t, oteltrace.SpanKindClient, call.SpanKind())
	require.Equal(t, of.SpanContext().SpanID(), call.Parent().SpanID())
	require.Equal(t, "00-"+call.SpanContext().TraceID().String()+"-"+call.SpanContext().SpanID().String()+"-01", got.Header.Get("traceparent"))
	require.Contains(t, call.Attributes(), attribute.String("hubgate.result", string(ResultOK)))
	require.Contains(t, of.Attributes(), attribute.String("hubgate.connection", "c1"))
}

func TestAWebhookHearsThatNobodyKeepsTheTrace(t *testing.T) {
	h := newHook(t, nil)
	cfg := toAll(h.URL)
	b := New(Options{Config: func() *Config { return cfg }, Tracer: sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample())).Tracer("test")})
	defer func() { require.NoError(t, b.Close(t.Context())) }()
	newSession(b, newConn("c1")).Opened()
	require.Regexp(t, "^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", want(t, h.posts).Header.Get("traceparent"))
}

// What another node delivers belongs to the trace of the client's event all the same, and what nodes of before there
// were spans have written is read.
func TestASpanIsInTheRecordOfItsEvent(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e := event{kind: kindMessage, protocol: hubprotocol.JSON, target: "m", id: "c1.7", body: []byte(send("m"))}
	of := &gateway.Identity{ID: "c1", Hub: "chat"}
	_, got, _, err := parseDelivery(appendDelivery(nil, of, &e, time.Now()))
	require.NoError(t, err)
	require.Nil(t, got.traced)
	e.traced = &traced{parent: parent}
	_, got, _, err = parseDelivery(appendDelivery(nil, of, &e, time.Now()))
	require.NoError(t, err)
	require.Equal(t, parent, got.traced.parent)

	spans := newAwaited()
	s := &session{backend: &Backend{opts: Options{Tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")}}, conn: newConn("c1")}
	call := s.calls(&got)
	got.template = newPlan(toAll("http://a.example/")).templates[0]
	call.end(s, &got, &answer{result: ResultOK})
	got.over(ResultOK) // ends no span: it was the other node's
	all := spans.await(t, 1)
	require.Equal(t, "00f067aa0ba902b7", all[0].Parent().SpanID().String())
	require.Len(t, spans.Ended(), 1)
}
