// Package admin is what operators see of a running gateway: Prometheus
// metrics, liveness and readiness, the live view of what happens, profiles and
// the gateway's own check of its books. It belongs on an address that clients cannot reach, since profiles
// show what the process has in memory.
package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hubgate/hubgate/gateway"
)

// Node is what is watched; *gateway.Gateway is one. Its methods may be called
// concurrently.
type Node interface {
	Stats() gateway.Stats
	Check() error
	Draining() bool
}

// Admin serves the admin pages and holds the metrics of the process. It is
// made before the gateway, whose parts report to its Metrics, and shows the
// gateway once Watch was called.
type Admin struct {
	// Metrics are what the parts of the gateway report to.
	Metrics  *Metrics
	registry *prometheus.Registry
	node     *nodeCollector
	pages    *pageMux
	view     atomic.Pointer[View]    // nil before WatchLive
	cluster  atomic.Pointer[Cluster] // nil before WatchCluster, and for a node alone
	// deliveries is nil before WatchDeliveries.
	deliveries atomic.Pointer[Deliveries]
	management atomic.Pointer[Management] // nil before WatchManagement
	traces     atomic.Pointer[Traces]     // nil before WatchTrace
	// portal is where the portal is, nil before ServePortal.
	portal atomic.Pointer[string]
	// help is where the documentation is, nil before ServeHelp.
	help  atomic.Pointer[string]
	nodes allNodes
}

// New returns an Admin with metrics of its own registry. The version is a
// label of hubgate_build_info.
func New(version string) *Admin {
	a := &Admin{registry: prometheus.NewRegistry(), node: newNodeCollector(), pages: newPageMux()}
	a.Metrics = newMetrics(a.registry)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hubgate_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	a.registry.MustRegister(build, a.node, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.route()
	return a
}

// Gatherer has all metrics that are shown.
func (a *Admin) Gatherer() prometheus.Gatherer { return a.registry }

// Watch makes n the node that is shown.
func (a *Admin) Watch(n Node) { a.node.watch(n) }

func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.pages.ServeHTTP(w, r) }

const index = `hubgate, for operators

/inspector      the live view, for browsers
/watch          the live view as Server-Sent Events; ?hub= &user= &connection= &trace= &kind=
/metrics        Prometheus metrics
/cluster        the nodes of the cluster, for browsers and as JSON
/api/trace      what happened last on all nodes, as JSON; ?hub= &user= &connection= &group= &trace= &since= &until= &kind= &limit=
/deliveries     dead letters of webhooks, as JSON; /deliveries/waiting
/api/admin.yaml settings and keys, with the admin token: the contract
/livez          200 while the process serves
/readyz         200 while clients are taken, 503 before, while draining, while a node does not know the others, and while one alone cannot store its outbox
/debug/pprof/   profiles
/debug/check    whether the books balance (exact only when nothing is under way)
`

func (a *Admin) route() {
	a.pages.HandleFunc("GET /{$}", a.serveIndex)
	a.pages.HandleFunc("GET /inspector", servePage)
	a.pages.HandleFunc("GET /inspector/{file}", servePage)
	a.pages.HandleFunc("POST /inspector/send", a.live(serveSend))
	a.pages.HandleFunc("GET /watch", a.live(serveEvents))
	a.pages.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}))
	a.pages.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "alive\n") })
	a.pages.HandleFunc("GET /readyz", a.serveReady)
	a.pages.HandleFunc("GET /cluster", a.clustered(serveCluster))
	a.pages.HandleFunc("DELETE /cluster/voters/{name}", a.clustered(serveRemoveVoter))
	a.pages.HandleFunc("GET /cluster/settings", a.proven(serveSettings))
	a.pages.HandleFunc("PUT /cluster/settings", a.proven(serveChange))
	a.pages.HandleFunc("GET /cluster/export", a.clustered(serveExport))
	a.pages.HandleFunc("POST /cluster/import", a.clustered(serveImport))
	a.routeDeliveries()
	a.routeAPI()
	a.routeNodeMetrics()
	a.pages.HandleFunc("GET /api/trace", a.looking(a.serveTrace))
	a.pages.HandleFunc("GET /debug/check", a.serveCheck)
	// No cmdline: it may hold access keys and the secrets of webhooks.
	a.pages.HandleFunc("GET /debug/pprof/", pprof.Index)
	a.pages.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	a.pages.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	a.pages.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	a.pages.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

func (a *Admin) serveReady(w http.ResponseWriter, r *http.Request) {
	n := a.node.current()
	switch {
	case n == nil:
		text(w, http.StatusServiceUnavailable, "starting\n")
		return
	case n.Draining():
		text(w, http.StatusServiceUnavailable, "draining\n")
		return
	}
	if c := a.cluster.Load(); c != nil {
		if why := (*c).NotReady(r.Context()); why != "" {
			text(w, http.StatusServiceUnavailable, why+"\n")
			return
		}
		stats := (*c).Stats()
		if own := stats.ownSettings(); own != "" {
			text(w, http.StatusOK, "ready, with settings of its own: "+own+"\n")
			return
		}
	}
	text(w, http.StatusOK, "ready\n")
}

// ownSettings is why one of several nodes does not have the settings that they share, "" if it has.
func (s *ClusterStats) ownSettings() string {
	switch {
	case s.Incarnation == "":
		return ""
	case !s.Settings.Known:
		return "the store has not told which settings the nodes share"
	}
	return s.Settings.Error
}

func (a *Admin) serveCheck(w http.ResponseWriter, _ *http.Request) {
	n := a.node.current()
	if n == nil {
		text(w, http.StatusServiceUnavailable, "starting\n")
		return
	}
	if err := n.Check(); err != nil {
		text(w, http.StatusInternalServerError, fmt.Sprintf("%v\n", err))
		return
	}
	text(w, http.StatusOK, "the books balance\n")
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // a reader that left needs no answer
}
