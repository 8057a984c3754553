package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/telemetry"
	"github.com/hubgate/hubgate/telemetry/telemetrytest"
)

// spanOf returns the span of a trace with the name, made by a node. Found is false if there is none.
func spanOf(spans []telemetrytest.Span, trace, name, node string) (span telemetrytest.Span, found bool) {
	i := slices.IndexFunc(spans, func(s telemetrytest.Span) bool {
		return s.Trace == trace && s.Name == name && s.Resource["service.instance.id"] == node
	})
	if i < 0 {
		return span, false
	}
	return spans[i], true
}

// One trace leads from what a client says over the webhook, and the REST call that the webhook makes, to the client of
// another node that gets it.
func TestOneTraceFromAClientToAnotherNode(t *testing.T) {
	t.Parallel()
	to := telemetrytest.New(t)
	var a *program
	said := make(chan http.Header, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-ASRS-Category") != "messages" {
			return
		}
		path := "/api/hubs/chat/users/ann/:send?api-version=2022-06-01"
		status, answer := a.rest(http.MethodPost, path, `{"target":"heard","arguments":[]}`, "traceparent", r.Header.Get("traceparent"))
		if status != http.StatusAccepted {
			t.Error(status, answer)
		}
		said <- r.Header
	}))
	t.Cleanup(hook.Close)
	args := []string{"--cluster-listen=127.0.0.1:0", "--cluster-voter=a", "--otel-endpoint", to.URL, "--upstream", hook.URL, "--drain-timeout", "60s"}
	a = start(t, append([]string{"--node=a"}, args...)...)
	b := start(t, append([]string{"--node=b", "--cluster-peer=" + a.clusterStatus().Address}, args...)...)
	for _, p := range []*program{a, b} {
		p.seesPeers(1)
		p.isReady()
	}
	ann, bob := b.connect("chat", "ann"), a.connect("chat", "bob")
	bob.send(`{"type":1,"target":"say","arguments":[]}`)
	parent := (<-said).Get("traceparent")
	require.Contains(t, ann.next(), `"target":"heard"`)
	require.Zero(t, b.stop())
	require.Zero(t, a.stop())

	trace := strings.Split(parent, "-")[1]
	spans := to.Await(func(spans []telemetrytest.Span) bool {
		_, here := spanOf(spans, trace, "client message", "a")
		_, there := spanOf(spans, trace, "fan-out", "b")
		return here && there
	})
	client, _ := spanOf(spans, trace, "client message", "a")
	call, _ := spanOf(spans, trace, "POST", "a")
	rest, _ := spanOf(spans, trace, "POST SendToUser", "a")
	there, _ := spanOf(spans, trace, "fan-out", "b")
	require.Empty(t, client.Parent)
	require.Equal(t, "say", client.Attributes["hubgate.method"])
	require.Equal(t, client.ID, call.Parent)
	require.Equal(t, parent, "00-"+trace+"-"+call.ID+"-01")
	require.Equal(t, call.ID, rest.Parent)
	require.Equal(t, rest.ID, there.Parent, "the fan-out on the other node")
	require.Equal(t, "1", there.Attributes["hubgate.matched"])
	require.Equal(t, "1", there.Attributes["hubgate.written"])
	_, by := to.AwaitMetric("hubgate_connections_opened_total")
	require.Equal(t, "hubgate", by["service.name"])
}

func TestAnEndpointThatIsNoURLIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	p := tryStart(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--otel-endpoint", "localhost:4318"})
	require.Empty(t, p.URL)
	require.Contains(t, p.logs.String(), "otel.endpoint: must be an http:// or https:// URL")
}

// Without a collector there is nothing of it; with one that cannot be reached the gateway serves, and says so.
func TestACollectorThatIsNotThere(t *testing.T) {
	t.Parallel()
	gone := telemetrytest.New(t)
	gone.Close()
	p := start(t, "--otel-endpoint", gone.URL, "--otel-signals", "traces")
	p.sendTo(":send", "hello")
	require.Zero(t, p.stop())
	p.logs.want(t, "OpenTelemetry: not everything was sent")
	require.NotContains(t, p.logs.String(), "panic")
}

// A machine may have variables for other programs: what they say is an error only if something is sent.
func TestVariablesOfWhatIsNotSentAreNoError(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=50%secret")
	o := telemetry.Options{Traces: true}
	require.NoError(t, checkVariables(&config.OTel{}, o.Variables()))
	o.Endpoint = "http://127.0.0.1:1"
	err := checkVariables(&config.OTel{}, o.Variables())
	require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_PROTOCOL")
	require.NoError(t, checkVariables(&config.OTel{Protocol: config.OTLPProtocol}, o.Variables()))
	o.ReadHeaders, o.Logger = config.ReadOTelHeaders, slog.New(slog.DiscardHandler)
	_, err = telemetry.New(t.Context(), o)
	require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_HEADERS")
	require.NotContains(t, err.Error(), "secret")
}
