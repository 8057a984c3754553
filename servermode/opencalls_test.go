package servermode

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// Hub servers of ASP.NET SignalR never answer calls of hubs that there are not.
func TestOpenCallsAreBounded(t *testing.T) {
	var c openCalls
	for i := range 2 * mostCalls {
		c.add(openCall{id: strconv.Itoa(i)})
	}
	require.Len(t, c.many, mostCalls)
	_, known := c.removeRaw("", []byte(strconv.Itoa(2*mostCalls-1)), nil)
	require.True(t, known, "the last is known")
	require.Len(t, c.take(callClosed), mostCalls-1)
}

// The span of a call that is forgotten ends.
func TestTheSpanOfACallThatIsForgottenEnds(t *testing.T) {
	ended := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(ended)).Tracer("test")
	var c openCalls
	for i := range mostCalls + 1 {
		_, span := tracer.Start(t.Context(), "client message")
		c.add(openCall{id: strconv.Itoa(i), span: span})
	}
	require.Len(t, ended.Ended(), 1)
	require.Contains(t, ended.Ended()[0].Attributes(), attribute.String("error.type", callTooMany))
}
