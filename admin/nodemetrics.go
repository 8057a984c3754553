package admin

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
)

// overviewFamilies are what the overview of the portal shows, in order.
var overviewFamilies = []string{
	"hubgate_backlog_bytes", "hubgate_build_info", "hubgate_connections", "hubgate_connections_closed_total",
	"hubgate_deliveries_written_total", "hubgate_draining", "hubgate_hub_info", "hubgate_node_deliveries_written_total",
	"hubgate_node_messages_received_total", "hubgate_node_received_bytes_total", "hubgate_node_sent_bytes_total",
	"hubgate_outbox_circuits_open", "hubgate_server_clients", "hubgate_server_clients_waiting", "hubgate_server_connections",
	"hubgate_upstream_queued_events", "hubgate_upstream_requests_total",
	"process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds",
}

// NodeMetrics are metrics of one node, in the text format of Prometheus, or why there are none.
type NodeMetrics struct {
	Node    string `json:"node"`
	Metrics string `json:"metrics,omitempty"`
	Error   string `json:"error,omitempty"`
}

// shownMetrics is the name of the question.
const shownMetrics = "metrics"

// metricsEvery is how often all nodes are asked at most, however many look.
const metricsEvery = time.Second

// nodeMetrics are those of all nodes, for all who look within a moment.
type nodeMetrics struct {
	mu   sync.Mutex // held while nodes are asked: who comes meanwhile wants the same
	at   time.Time
	last []NodeMetrics
}

func (m *nodeMetrics) of(n *allNodes) []NodeMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last != nil && time.Since(m.at) < metricsEvery {
		return m.last
	}
	// Not with the context of who looks: others wait for the answer too.
	m.last = nil
	for _, shown := range gather[string](context.Background(), n, shownMetrics) {
		one := NodeMetrics{Node: shown.Node, Metrics: shown.What}
		if shown.Err != nil {
			one.Error = shown.Err.Error()
		}
		m.last = append(m.last, one)
	}
	m.at = time.Now()
	return m.last
}

// overviewMetrics are those of this node that the overview shows. Their number is bounded as that of all series is.
func (a *Admin) overviewMetrics() (any, error) {
	families, err := a.registry.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	to := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if _, shown := slices.BinarySearch(overviewFamilies, family.GetName()); !shown {
			continue
		}
		if err := to.Encode(family); err != nil {
			return nil, err
		}
	}
	return text.String(), nil
}

// routeNodeMetrics serves what the overview shows, of all nodes.
func (a *Admin) routeNodeMetrics() {
	a.nodes.show(shownMetrics, a.overviewMetrics)
	var all nodeMetrics
	a.pages.HandleFunc("GET /api/nodes/metrics", a.Managed(func(_ *Management, _ string, w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, struct {
			Nodes []NodeMetrics `json:"nodes"`
		}{all.of(&a.nodes)})
	}))
}
