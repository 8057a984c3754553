package admin

import "github.com/prometheus/client_golang/prometheus"

// reasonCounter is a counter for each reason of a closed list, which somebody else counts.
type reasonCounter struct {
	desc  *prometheus.Desc
	count func() map[string]uint64
}

// WatchReasons shows hubgate_NAME, whose label is the reason. Count is called at each scrape,
// concurrently, and returns every reason of a closed list from the start.
func (a *Admin) WatchReasons(name, help string, count func() map[string]uint64) {
	a.registry.MustRegister(&reasonCounter{desc(name, help, "reason"), count})
}

// Describe implements prometheus.Collector.
func (c *reasonCounter) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *reasonCounter) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range c.count() {
		sink(ch).counter(c.desc, float64(n), reason)
	}
}
