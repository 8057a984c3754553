package admin

import "github.com/prometheus/client_golang/prometheus"

// Issuer is how it stands with an issuer of tokens.
type Issuer struct {
	// Name is its URL. Keys is how many keys of it are known.
	Name string
	Keys int
	// Failing: its keys could not be read when this was last tried.
	Failing bool
}

// WatchIssuers shows how it stands with the issuers of tokens, which list returns. It is called for each
// reading of the metrics.
func (a *Admin) WatchIssuers(list func() []Issuer) {
	a.registry.MustRegister(issuerGauges{
		list: list,
		up:   prometheus.NewDesc("hubgate_oidc_issuer_up", "1 if the issuer's keys could be read when this was last tried, else 0.", []string{"issuer"}, nil),
		keys: prometheus.NewDesc("hubgate_oidc_issuer_keys", "Keys of the issuer that are known.", []string{"issuer"}, nil),
	})
}

// issuerGauges implements prometheus.Collector.
type issuerGauges struct {
	list     func() []Issuer
	up, keys *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (g issuerGauges) Describe(to chan<- *prometheus.Desc) {
	to <- g.up
	to <- g.keys
}

// Collect implements prometheus.Collector.
func (g issuerGauges) Collect(to chan<- prometheus.Metric) {
	for _, i := range g.list() {
		up := 1.0
		if i.Failing {
			up = 0
		}
		to <- prometheus.MustNewConstMetric(g.up, prometheus.GaugeValue, up, i.Name)
		to <- prometheus.MustNewConstMetric(g.keys, prometheus.GaugeValue, float64(i.Keys), i.Name)
	}
}
