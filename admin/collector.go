package admin

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubgate/hubgate/gateway"
)

// nodeCollector turns a node's Stats into metrics at each scrape.
type nodeCollector struct {
	mu      sync.Mutex
	node    Node
	servers Servers // nil: none are shown
	modes   Modes
	cluster Cluster // nil: the node is alone
	// deliveries is nil before WatchDeliveries.
	deliveries Deliveries
	followers  func() Followers // nil before WatchFollowers
	quota      func() int       // nil before WatchQuota
	// transports and kinds are series of each hub from the start.
	transports, kinds []string

	hubs knownHubs
}

func newNodeCollector() *nodeCollector {
	return &nodeCollector{modes: noModes{}, hubs: knownHubs{
		named: make(map[string]bool), served: make(map[string]time.Time), applications: make(map[string]bool),
	}}
}

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

func (c *nodeCollector) watchServers(v Servers) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers = v
}

func (c *nodeCollector) watchCluster(v Cluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster = v
}

func (c *nodeCollector) watchDeliveries(d Deliveries) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliveries = d
}

func (c *nodeCollector) watchModes(m Modes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modes = m
}

func (c *nodeCollector) expect(l Labels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.transports, c.kinds = l.Transports, l.ServerKinds
}

// watched is what one scrape shows.
type watched struct {
	node              Node // nil: nothing yet
	servers           Servers
	modes             Modes
	cluster           Cluster
	deliveries        Deliveries
	followers         func() Followers
	quota             func() int
	transports, kinds []string
}

func (c *nodeCollector) watched() watched {
	c.mu.Lock()
	defer c.mu.Unlock()
	return watched{c.node, c.servers, c.modes, c.cluster, c.deliveries, c.followers, c.quota, c.transports, c.kinds}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("hubgate_"+name, help, labels, nil)
}

var (
	descDraining   = desc("draining", "1 while the node shuts down, or says that it will in a moment.")
	descClosed     = desc("connections_closed_total", "Client connections that ended, by reason.", "reason")
	descBacklog    = desc("backlog_bytes", "Bytes of sends that wait for the fan-out workers.")
	descUnfinished = desc("unfinished_bytes", "Bytes held of messages from clients that have not arrived whole.")

	descLimit  = desc("connections_limit", "Client connections that all nodes together may have; 0 is no limit.")
	descPanics = desc(panicsName, panicsHelp, "part")

	descConnections = desc("connections", "Live client connections.", generationLabel, "hub", "transport")
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
	descNodeUnitsOut   = desc("node_message_units_total", "Messages to clients whose delivery was begun, of all hubs since the start, in units of 2 KiB: one of 2049 bytes counts twice.")
	descNodeBytesOut   = desc("node_sent_bytes_total", "Bytes to clients, of all hubs since the start.")
)

// Describe sends nothing: an unchecked collector, because the labels depend on
// what the node has.
func (c *nodeCollector) Describe(chan<- *prometheus.Desc) {}

func (c *nodeCollector) Collect(ch chan<- prometheus.Metric) {
	w := c.watched()
	if w.node == nil {
		return
	}
	s := w.node.Stats()
	out := sink(ch)
	out.gauge(descDraining, boolean(w.node.Draining()))
	for reason, count := range s.Closed {
		out.counter(descClosed, float64(count), string(reason))
	}
	out.gauge(descBacklog, float64(s.Backlog))
	out.gauge(descUnfinished, float64(s.Unfinished))
	out.counter(descPanics, float64(s.Panics), "gateway")
	var servers ServerStats
	if w.servers != nil {
		servers = w.servers.Stats()
	}
	known := c.hubs.update(time.Now(), s.Hubs, servers.Hubs, w.modes.NamedHubs())
	for _, h := range known.clientSeries(s.Hubs, w.transports, s.Total.Dropped) {
		out.hub(h)
	}
	for hub := range known.named {
		if mode := w.modes.ModeOf(hub); mode != "" {
			out.gauge(descHubInfo, 1, hub, mode)
		}
	}
	if w.servers != nil {
		servers.Hubs = known.serverSeries(servers.Hubs, w.kinds, w.modes.TakesServers)
		out.servers(servers)
	}
	out.total(s.Total)
	if w.cluster != nil {
		stats := w.cluster.Stats()
		out.cluster(&stats)
	}
	if w.deliveries != nil {
		out.deliveries(w.deliveries)
	}
	if w.quota != nil {
		out.gauge(descLimit, float64(w.quota()))
	}
	if w.followers != nil {
		out.followers(w.followers())
	}
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
		s.gauge(descConnections, float64(count), string(generationOf(h.Hub)), h.Hub, transport)
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
	s.counter(descNodeUnitsOut, float64(t.UnitsOut))
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
