package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

type fakeNode struct {
	mu       sync.Mutex
	stats    gateway.Stats
	check    error
	draining bool
}

func (n *fakeNode) Stats() gateway.Stats { n.mu.Lock(); defer n.mu.Unlock(); return n.stats }
func (n *fakeNode) Check() error         { return n.check }
func (n *fakeNode) Draining() bool       { return n.draining }

func get(t *testing.T, h http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	data, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(data)
}

func chat() gateway.HubStats {
	return gateway.HubStats{
		Hub: "chat", Connections: 3, ByTransport: map[string]int{"WebSockets": 2, "LongPolling": 1},
		Traffic: gateway.Traffic{
			Books: gateway.Books{
				Attempted: 10, Written: 6, Queued: 3, QueuedBytes: 300,
				Dropped: map[gateway.DropReason]uint64{"SlowClient": 1, "ConnectionClosed": 0},
			},
			MessagesIn: 4, BytesIn: 40, BytesOut: 600,
		},
	}
}

func TestMetricsShowTheBooks(t *testing.T) {
	a := New("v1.2.3")
	a.Watch(&fakeNode{stats: gateway.Stats{
		Closed: map[gateway.CloseReason]uint64{gateway.CloseNormal: 2}, Backlog: 7, Unfinished: 8, Panics: 1, Hubs: []gateway.HubStats{chat()},
		Total: gateway.Traffic{
			Books:      gateway.Books{Attempted: 110, Written: 106, Dropped: map[gateway.DropReason]uint64{"SlowClient": 1}, Queued: 3},
			MessagesIn: 104, BytesIn: 140, BytesOut: 700,
		},
	}})
	status, body := get(t, a, "/metrics")
	require.Equal(t, http.StatusOK, status)
	for _, line := range []string{
		`hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 2`,
		`hubgate_connections{generation="aspnetcore",hub="chat",transport="LongPolling"} 1`,
		`hubgate_panics_total{part="gateway"} 1`,
		`hubgate_unfinished_bytes 8`,
		`hubgate_connections_closed_total{reason="Normal"} 2`,
		`hubgate_deliveries_attempted_total{hub="chat"} 10`,
		`hubgate_deliveries_written_total{hub="chat"} 6`,
		`hubgate_deliveries_dropped_total{hub="chat",reason="SlowClient"} 1`,
		`hubgate_deliveries_dropped_total{hub="chat",reason="ConnectionClosed"} 0`,
		`hubgate_deliveries_queued{hub="chat"} 3`,
		`hubgate_queued_bytes{hub="chat"} 300`,
		`hubgate_messages_received_total{hub="chat"} 4`,
		`hubgate_received_bytes_total{hub="chat"} 40`,
		`hubgate_sent_bytes_total{hub="chat"} 600`,
		"\nhubgate_node_deliveries_attempted_total 110\n",
		"\nhubgate_node_deliveries_written_total 106\n",
		"\nhubgate_node_deliveries_dropped_total{reason=\"SlowClient\"} 1\n",
		"\nhubgate_node_messages_received_total 104\n",
		"\nhubgate_node_received_bytes_total 140\n",
		"\nhubgate_node_sent_bytes_total 700\n",
		`hubgate_backlog_bytes 7`,
		`hubgate_draining 0`,
		`hubgate_build_info{goversion=`,
		`version="v1.2.3"`,
		`go_goroutines `,
	} {
		require.Contains(t, body, line)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	a := New("test")
	m := a.Metrics
	m.UpstreamCalled(0, "messages", "ok", 20*time.Millisecond)
	m.UpstreamCalled(0, "messages", "timeout", time.Second)
	m.UpstreamCalled(maxTemplateLabels, "connections", "ok", time.Millisecond)
	m.UpstreamSkipped("messages", "unmatched")
	m.UpstreamQueued(3)
	m.UpstreamQueued(-1)
	m.RESTAnswered("broadcast", http.StatusAccepted, 2*time.Millisecond)
	m.RESTAnswered("broadcast", http.StatusBadRequest, time.Millisecond)
	m.Negotiated(AspNetCore)
	m.ClientOpened(AspNetCore, "WebSockets")
	for g, refused := range map[Generation]uint64{AspNetCore: 1, AspNet: 2} {
		a.WatchClientReasons("client_requests_refused_total", "Requests of clients that were refused.", g, func() map[string]uint64 {
			return map[string]uint64{"QuotaReached": refused, "Draining": 0}
		})
	}
	m.Panicked("clientws")
	a.Watch(&fakeNode{stats: gateway.Stats{Panics: 2}})
	_, body := get(t, a, "/metrics")
	for _, line := range []string{
		`hubgate_upstream_requests_total{category="messages",result="ok",template="0"} 1`,
		`hubgate_upstream_requests_total{category="messages",result="timeout",template="0"} 1`,
		`hubgate_upstream_requests_total{category="connections",result="ok",template="other"} 1`,
		`hubgate_upstream_request_duration_seconds_count{category="messages",template="0"} 2`,
		`hubgate_upstream_request_duration_seconds_sum{category="messages",template="0"} 1.02`,
		`hubgate_upstream_skipped_total{category="messages",reason="unmatched"} 1`,
		`hubgate_upstream_queued_events 2`,
		`hubgate_rest_requests_total{operation="broadcast",status="202"} 1`,
		`hubgate_rest_request_duration_seconds_bucket{operation="broadcast",le="0.001"} 1`,
		`hubgate_rest_request_duration_seconds_bucket{operation="broadcast",le="0.0025"} 2`,
		`hubgate_rest_request_duration_seconds_sum{operation="broadcast"} 0.003`,
		`hubgate_negotiations_total{generation="aspnetcore"} 1`,
		`hubgate_connections_opened_total{generation="aspnetcore",transport="WebSockets"} 1`,
		`hubgate_client_requests_refused_total{generation="aspnetcore",reason="QuotaReached"} 1`,
		`hubgate_client_requests_refused_total{generation="aspnet",reason="QuotaReached"} 2`,
		`hubgate_client_requests_refused_total{generation="aspnetcore",reason="Draining"} 0`,
		`hubgate_panics_total{part="clientws"} 1`,
		`hubgate_panics_total{part="gateway"} 2`,
	} {
		require.Contains(t, body, line)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestExpectedSeriesStartAtZero(t *testing.T) {
	a := New("test")
	a.Expect(Labels{
		Transports: []string{"WebSockets"}, Parts: []string{"rest"},
		Categories: []string{"messages"}, Skips: []string{"url"},
	})
	_, body := get(t, a, "/metrics")
	for _, line := range []string{
		`hubgate_connections_opened_total{generation="aspnetcore",transport="WebSockets"} 0`,
		`hubgate_connections_opened_total{generation="aspnet",transport="WebSockets"} 0`,
		`hubgate_negotiations_total{generation="aspnet"} 0`,
		`hubgate_panics_total{part="rest"} 0`,
		`hubgate_upstream_skipped_total{category="messages",reason="url"} 0`,
	} {
		require.Contains(t, body, line)
	}
}

func TestHubLabelsAreBounded(t *testing.T) {
	n := &fakeNode{}
	for i := range maxHubLabels + 50 {
		h := chat()
		h.Hub = fmt.Sprintf("hub%03d", i)
		n.stats.Hubs = append(n.stats.Hubs, h)
	}
	a := New("test")
	a.Watch(n)
	_, body := get(t, a, "/metrics")
	require.Equal(t, maxHubLabels+1, strings.Count(body, "hubgate_deliveries_written_total{"))
	require.Contains(t, body, `hubgate_deliveries_written_total{hub="_other"} 300`)
	require.Contains(t, body, `hubgate_deliveries_dropped_total{hub="_other",reason="SlowClient"} 50`)
	require.Contains(t, body, `hubgate_connections{generation="aspnetcore",hub="_other",transport="LongPolling"} 50`)

	// A hub keeps its series when one that sorts before it appears, and gets
	// one when another has gone.
	n.stats.Hubs = append(n.stats.Hubs[1:], gateway.HubStats{Hub: "a"})
	_, body = get(t, a, "/metrics")
	require.Contains(t, body, `{hub="hub199"}`)
	require.Contains(t, body, `{hub="a"}`)
	require.NotContains(t, body, `{hub="hub200"}`)
	require.Equal(t, maxHubLabels+1, strings.Count(body, "hubgate_deliveries_written_total{"))
}

type fakeServers struct{ stats ServerStats }

func (s *fakeServers) Stats() ServerStats { return s.stats }

func TestMetricsShowHubServers(t *testing.T) {
	a := New("test")
	a.Watch(&fakeNode{stats: gateway.Stats{Panics: 1, Hubs: []gateway.HubStats{chat()}}})
	_, body := get(t, a, "/metrics")
	require.NotContains(t, body, "hubgate_server_")
	a.WatchServers(&fakeServers{ServerStats{
		Opened: 9, Closed: map[string]uint64{"Silent": 2}, Refused: map[string]uint64{"Mode": 3}, Lost: map[string]uint64{"Migration": 4, "ClientResult": 0},
		Migrated: 5, Recovered: 6, BytesIn: 70, MessagesIn: 7, BytesOut: 80, Panics: 2,
		Hubs: []ServerHubStats{{
			Hub: "chat", ByKind: map[string]int{"Default": 5, "OnDemand": 1, "Weak": 2}, Leaving: 1, Clients: 11, Waiting: 12, QueuedBytes: 13,
		}},
	}})
	_, body = get(t, a, "/metrics")
	for _, line := range []string{
		`hubgate_server_connections{hub="chat",kind="Default"} 5`,
		`hubgate_server_connections{hub="chat",kind="OnDemand"} 1`,
		`hubgate_server_connections{hub="chat",kind="Weak"} 2`,
		`hubgate_server_connections_leaving{hub="chat"} 1`,
		`hubgate_server_clients{hub="chat"} 11`,
		`hubgate_server_clients_waiting{hub="chat"} 12`,
		`hubgate_server_queued_bytes{hub="chat"} 13`,
		`hubgate_server_connections_opened_total 9`,
		`hubgate_server_connections_closed_total{reason="Silent"} 2`,
		`hubgate_server_connections_refused_total{reason="Mode"} 3`,
		`hubgate_server_losses_total{reason="Migration"} 4`,
		`hubgate_server_losses_total{reason="ClientResult"} 0`,
		`hubgate_server_client_moves_total{cause="migration"} 5`,
		`hubgate_server_client_moves_total{cause="recovery"} 6`,
		`hubgate_server_messages_received_total 7`,
		`hubgate_server_received_bytes_total 70`,
		`hubgate_server_sent_bytes_total 80`,
		`hubgate_panics_total{part="gateway"} 1`,
		`hubgate_panics_total{part="servermode"} 2`,
		`hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"} 2`,
	} {
		require.Contains(t, body, line)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestHubLabelsOfHubServersAreBounded(t *testing.T) {
	n, servers := &fakeNode{}, &fakeServers{}
	for i := range maxHubLabels {
		n.stats.Hubs = append(n.stats.Hubs, gateway.HubStats{Hub: fmt.Sprintf("hub%03d", i)})
	}
	for _, hub := range []string{"hub007", "zoo1", "zoo2"} {
		servers.stats.Hubs = append(servers.stats.Hubs, ServerHubStats{Hub: hub, ByKind: map[string]int{"Weak": 1}, Leaving: 1, Clients: 2, Waiting: 3, QueuedBytes: 4})
	}
	a := New("test")
	a.Watch(n)
	a.WatchServers(servers)
	_, body := get(t, a, "/metrics")
	for _, line := range []string{
		`hubgate_server_connections{hub="hub007",kind="Weak"} 1`,
		`hubgate_server_connections{hub="_other",kind="Weak"} 2`,
		`hubgate_server_connections_leaving{hub="_other"} 2`,
		`hubgate_server_clients{hub="_other"} 4`,
		`hubgate_server_clients_waiting{hub="_other"} 6`,
		`hubgate_server_queued_bytes{hub="_other"} 8`,
	} {
		require.Contains(t, body, line)
	}
	require.NotContains(t, body, "zoo")
}

func TestHealthFollowsTheNode(t *testing.T) {
	a := New("test")
	status, body := get(t, a, "/livez")
	require.Equal(t, http.StatusOK, status, body)
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "starting\n", body)
	status, _ = get(t, a, "/debug/check")
	require.Equal(t, http.StatusServiceUnavailable, status)

	n := &fakeNode{}
	a.Watch(n)
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready\n", body)
	n.draining = true
	status, body = get(t, a, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "draining\n", body)
	status, _ = get(t, a, "/livez")
	require.Equal(t, http.StatusOK, status)
	_, body = get(t, a, "/metrics")
	require.Contains(t, body, "hubgate_draining 1")
}

func TestCheckShowsWhatIsWrong(t *testing.T) {
	a, n := New("test"), &fakeNode{}
	a.Watch(n)
	status, body := get(t, a, "/debug/check")
	require.Equal(t, http.StatusOK, status, body)
	n.check = errors.New("hub chat: books do not balance")
	status, body = get(t, a, "/debug/check")
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, "hub chat: books do not balance\n", body)
}

func TestIndexListsPagesThatExist(t *testing.T) {
	a := New("test")
	a.Watch(&fakeNode{})
	status, body := get(t, a, "/")
	require.Equal(t, http.StatusOK, status)
	listed := 0
	for line := range strings.Lines(body) {
		if path, _, _ := strings.Cut(line, " "); strings.HasPrefix(path, "/") {
			listed++
			want := http.StatusOK
			if path == "/watch" || path == "/cluster" || path == "/deliveries" || path == "/api/trace" {
				want = http.StatusServiceUnavailable // the first has no end once there is a gateway, the others are there only then
			}
			status, _ := get(t, a, path)
			require.Equal(t, want, status, path)
		}
	}
	require.Equal(t, 11, listed)
	status, _ = get(t, a, "/other")
	require.Equal(t, http.StatusNotFound, status)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/metrics", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
}
