package admin

import "github.com/prometheus/client_golang/prometheus"

// limitCounter counts what rules of the operator did, by rule and outcome.
type limitCounter struct {
	desc  *prometheus.Desc
	count func() map[string]map[string]uint64
}

// WatchLimits shows hubgate_limits_over_total. Count is called at each scrape, concurrently, and returns
// what each rule did, by the rule's name and outcome.
func (a *Admin) WatchLimits(count func() map[string]map[string]uint64) {
	a.registry.MustRegister(&limitCounter{prometheus.NewDesc("hubgate_limits_over_total",
		"What was over a rule of limits.rules, by rule and by what was done: Held, Refused, or Reported where the rule only counts.", []string{"rule", "outcome"}, nil), count})
}

// Describe implements prometheus.Collector.
func (c *limitCounter) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *limitCounter) Collect(ch chan<- prometheus.Metric) {
	for rule, outcomes := range c.count() {
		for outcome, n := range outcomes {
			sink(ch).counter(c.desc, float64(n), rule, outcome)
		}
	}
}
