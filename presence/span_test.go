package presence_test

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/hubgate/hubgate/presence"
)

// startTraced starts nodes whose spans are all kept.
func startTraced(t *testing.T, count int, change func(o *presence.Options)) ([]*node, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test")
	return startNodesWith(t, count, func(o *presence.Options, _ *set) {
		o.Tracer = tracer
		change(o)
	}), spans
}

func TestRequestsAreSpans(t *testing.T) {
	nodes, spans := startTraced(t, 2, func(*presence.Options) {})
	w := nodes[0].ask("/hubgate/v1/hubs/chat/users", nil, false)
	require.Equal(t, http.StatusOK, w.Code)
	span := spans.Ended()[0]
	require.Equal(t, "GET PresenceUsers", span.Name())
	require.Equal(t, oteltrace.SpanKindServer, span.SpanKind())
	require.Subset(t, span.Attributes(), []attribute.KeyValue{
		attribute.String("hubgate.hub", "chat"), attribute.String("http.route", "/hubgate/v1/hubs/{hub}/users"),
		attribute.Int("http.response.status_code", http.StatusOK),
	})
	require.Equal(t, span.SpanContext().TraceID().String(), w.Header().Get("X-Request-Id"))

	w = nodes[0].ask("/hubgate/v1/hubs/chat/users", url.Values{"maxpagesize": {"0x"}}, false)
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Contains(t, spans.Ended()[1].Attributes(), attribute.String("error.type", string(presence.ReasonParameter)))

	w = nodes[0].askWith("x", "/hubgate/v1/hubs/chat/users", nil)
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Len(t, spans.Ended(), 3)
	require.Len(t, spans.Started(), 3)
}

// A request that follows changes is answered for as long as it is read. Its span ends with the beginning of the answer.
func TestTheSpanOfAFeedEndsWhenItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, spans := startTraced(t, 1, func(*presence.Options) {})
		r := nodes[0].follow("")
		r.want("ready")
		require.Len(t, spans.Ended(), 1)
		require.Equal(t, "GET PresenceEvents", spans.Ended()[0].Name())
		require.Contains(t, spans.Ended()[0].Attributes(), attribute.String("hubgate.hub", "chat"))
		time.Sleep(time.Hour / 2)
		nodes[0].connect("c1", "")
		r.want("connected c1")
		r.leave()
		require.Len(t, spans.Started(), 1)
		require.Len(t, spans.Ended(), 1)
	})
}

// A feed that another node goes on with is a span there too, below the one of the node that was asked.
func TestTheSpanOfAFeedThatAnotherNodeGoesOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var nodes []*node
		var spans *tracetest.SpanRecorder
		nodes, spans = startTraced(t, 2, func(o *presence.Options) {
			o.Forward = func(w http.ResponseWriter, r *http.Request, _ string) error {
				nodes[1].ServeHTTP(w, r)
				return nil
			}
		})
		first := nodes[1].follow("")
		id := first.want("ready")
		first.leave()
		r := nodes[0].follow(id)
		nodes[1].connect("c1", "")
		r.want("connected c1")
		ended := spans.Ended()
		require.Len(t, ended, 3)
		there, here := ended[1], ended[2]
		require.Equal(t, here.SpanContext().TraceID(), there.SpanContext().TraceID())
		require.Equal(t, here.SpanContext().SpanID(), there.Parent().SpanID())
	})
}
