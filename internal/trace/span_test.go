package trace

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestParentsAreReadAsTheyWereWritten(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	require.Equal(t, parent, Parent(Remote(parent)))
	require.Equal(t, parent, Kept(Remote(parent)))
	require.True(t, Remote(parent).IsRemote())

	const dropped = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	require.Equal(t, dropped, Parent(Remote(dropped)))
	require.Empty(t, Kept(Remote(dropped)))

	for _, wrong := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", parent[:50]} {
		require.False(t, Remote(wrong).IsValid(), wrong)
		require.Empty(t, Parent(Remote(wrong)), wrong)
	}
}

func TestRequestsGoOnWithTheTraceOfTheirCaller(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
	r := httptest.NewRequest(http.MethodPost, "/api", http.NoBody)
	r.Header.Set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	span := Request(tracer, Caller(r), time.Now())
	Fail(span, "Parameter", "wrong")
	span.End()
	ended := spans.Ended()
	require.Len(t, ended, 1)
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", ended[0].SpanContext().TraceID().String())
	require.Equal(t, "00f067aa0ba902b7", ended[0].Parent().SpanID().String())
	require.Equal(t, trace.SpanKindServer, ended[0].SpanKind())
}

func FuzzRemote(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, parent string) {
		again := Parent(Remote(parent))
		require.Equal(t, again, Parent(Remote(again)))
	})
}
