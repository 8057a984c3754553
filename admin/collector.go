package admin

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubgate/hubgate/gateway"
)

// maxHubLabels bounds the hubs that have series of their own. A token can
// create a hub, so their number is not ours; all further hubs are one series.
const (
	maxHubLabels = 200
	otherHubs    = "_other"
)

// nodeCollector turns a node's Stats into metrics at each scrape.
type nodeCollector struct {
	mu      sync.Mutex
	node    Node
	servers Servers // nil: none are shown
	// named are the hubs with series of their own: the first ones seen, so that
	// a series does not jump between a hub and the rest.
	named map[string]bool
}

func newNodeCollector() *nodeCollector { return &nodeCollector{named: make(map[string]bool)} }

func (c *nodeCollector) watch(n Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node = n
}

func (c *nodeCollector) current() Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.node
}

func (c *nodeCollector) serverStats() (stats ServerStats, ok bool) {
	c.mu.Lock()
	v := c.servers
	c.mu.Unlock()
	if v == nil {
		return stats, false
	}
	return v.Stats(), true
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hubgate_"+name, help, labels, nil)
}

var (
	descDraining = desc("draining", "1 while the node refuses new clients because it is shutting down.")
	descClosed   = desc("connections_closed_total", "Client connections that ended, by reason.", "reason")
	descBacklog  = desc("backlog_bytes", "Bytes of sends that wait for the fan-out workers.")

	descPanics = desc(panicsName, panicsHelp, "part")

	descConnections = desc("connections", "Live client connections.", "hub", "transport")
	descAttempted   = desc("deliveries_attempted_total", "Deliveries to single clients that were begun: written, dropped and queued add up to it.", "hub")
	descWritten     = desc("deliveries_written_total", "Deliveries that were handed to the client's socket.", "hub")
	descDropped     = desc("deliveries_dropped_total", "Deliveries that were given up, by reason.", "hub", "reason")
	descQueued      = desc("deliveries_queued", "Deliveries that wait for their client.", "hub")
	descQueuedBytes = desc("queued_bytes", "Bytes that wait for clients.", "hub")
	descMessagesIn  = desc("messages_received_total", "Records from clients.", "hub")
	descBytesIn     = desc("received_bytes_total", "Bytes of hub protocol from clients.", "hub")
	descBytesOut    = desc("sent_bytes_total", "Bytes to clients.", "hub")

	// The same for all hubs together, also those whose series have ended.
	descNodeAttempted  = desc("node_deliveries_attempted_total", "Deliveries to single clients that were begun, of all hubs since the start.")
	descNodeWritten    = desc("node_deliveries_written_total", "Deliveries that were handed to the client's socket, of all hubs since the start.")
	descNodeDropped    = desc("node_deliveries_dropped_total", "Deliveries that were given up, of all hubs since the start, by reason.", "reason")
	descNodeMessagesIn = desc("node_messages_received_total", "Records from clients, of all hubs since the start.")
	descNodeBytesIn    = desc("node_received_bytes_total", "Bytes of hub protocol from clients, of all hubs since the start.")
	descNodeBytesOut   = desc("node_sent_bytes_total", "Bytes to clients, of all hubs since the start.")
)

// Describe sends nothing: an unchecked collector, because the labels depend on
// what the node has.
func (c *nodeCollector) Describe(chan<- *prometheus.Desc) {}

func (c *nodeCollector) Collect(ch chan<- prometheus.Metric) {
	n := c.current()
	if n == nil {
		return
	}
	s := n.Stats()
	out := sink(ch)
	out.gauge(descDraining, boolean(n.Draining()))
	for reason, count := range s.Closed {
		out.counter(descClosed, float64(count), string(reason))
	}
	out.gauge(descBacklog, float64(s.Backlog))
	out.counter(descPanics, float64(s.Panics), "gateway")
	servers, ok := c.serverStats()
	present := make(map[string]bool, len(s.Hubs))
	for i := range s.Hubs {
		present[s.Hubs[i].Hub] = true
	}
	for i := range servers.Hubs {
		present[servers.Hubs[i].Hub] = true
	}
	named := c.nameHubs(present)
	for _, h := range bounded(s.Hubs, named) {
		out.hub(h)
	}
	if ok {
		servers.Hubs = boundedServers(servers.Hubs, named)
		out.servers(servers)
	}
	out.total(s.Total)
}

// sink writes constant metrics to a scrape.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (s sink) hub(h gateway.HubStats) {
	for transport, count := range h.ByTransport {
		s.gauge(descConnections, float64(count), h.Hub, transport)
	}
	s.counter(descAttempted, float64(h.Attempted), h.Hub)
	s.counter(descWritten, float64(h.Written), h.Hub)
	for reason, count := range h.Dropped {
		s.counter(descDropped, float64(count), h.Hub, string(reason))
	}
	s.gauge(descQueued, float64(h.Queued), h.Hub)
	s.gauge(descQueuedBytes, float64(h.QueuedBytes), h.Hub)
	s.counter(descMessagesIn, float64(h.MessagesIn), h.Hub)
	s.counter(descBytesIn, float64(h.BytesIn), h.Hub)
	s.counter(descBytesOut, float64(h.BytesOut), h.Hub)
}

func (s sink) total(t gateway.Traffic) {
	s.counter(descNodeAttempted, float64(t.Attempted))
	s.counter(descNodeWritten, float64(t.Written))
	for reason, count := range t.Dropped {
		s.counter(descNodeDropped, float64(count), string(reason))
	}
	s.counter(descNodeMessagesIn, float64(t.MessagesIn))
	s.counter(descNodeBytesIn, float64(t.BytesIn))
	s.counter(descNodeBytesOut, float64(t.BytesOut))
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// nameHubs decides which of the hubs have series of their own: those that have
// them already, then the first ones by name.
func (c *nodeCollector) nameHubs(hubs map[string]bool) (named map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.named, func(hub string, _ bool) bool { return !hubs[hub] })
	for _, hub := range slices.Sorted(maps.Keys(hubs)) {
		if len(c.named) >= maxHubLabels {
			break
		}
		c.named[hub] = true
	}
	return maps.Clone(c.named)
}

// bounded returns the hubs' stats with all those made one that are not named.
func bounded(hubs []gateway.HubStats, named map[string]bool) []gateway.HubStats {
	var list []gateway.HubStats
	var other *gateway.HubStats
	for _, h := range hubs {
		if named[h.Hub] {
			list = append(list, h)
			continue
		}
		if other == nil {
			other = &gateway.HubStats{Hub: otherHubs, ByTransport: make(map[string]int)}
		}
		for transport, count := range h.ByTransport {
			other.ByTransport[transport] += count
		}
		other.Add(h.Traffic)
	}
	if other != nil {
		list = append(list, *other)
	}
	return list
}
