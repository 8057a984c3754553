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
	a.watchReasons(name, help, nil, count)
}

// WatchClientReasons is WatchReasons for the clients of one generation, which is a second label. It is
// called once for each generation, with the same name and help.
func (a *Admin) WatchClientReasons(name, help string, g Generation, count func() map[string]uint64) {
	a.watchReasons(name, help, prometheus.Labels{generationLabel: string(g)}, count)
}

func (a *Admin) watchReasons(name, help string, always prometheus.Labels, count func() map[string]uint64) {
	a.watchByLabel(name, help, "reason", always, count)
}

// watchByLabel is watchReasons where the label has another name.
func (a *Admin) watchByLabel(name, help, label string, always prometheus.Labels, count func() map[string]uint64) {
	a.registry.MustRegister(&reasonCounter{prometheus.NewDesc("hubgate_"+name, help, []string{label}, always), count})
}

// Describe implements prometheus.Collector.
func (c *reasonCounter) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *reasonCounter) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range c.count() {
		sink(ch).counter(c.desc, float64(n), reason)
	}
}
