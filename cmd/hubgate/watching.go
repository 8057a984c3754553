package main

import (
	"maps"
	"slices"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/clientaspnet"
	"github.com/hubgate/hubgate/clientws"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/upstream"
)

// The parts of the gateway declare what they want counted; these give it to
// the one registry. Every label comes from a closed list of the part.

// expected are the labels of series that begin at zero.
func expected() admin.Labels {
	l := admin.Labels{
		Transports: []string{"WebSockets", "ServerSentEvents", "LongPolling"},
		Categories: []string{"connections", "messages"},
		Parts:      []string{partClients, partUpstream},
		Targets:    []string{toAll, toConnections, toUsers, toGroups},

		ServerKinds: []string{kindDefault, kindOnDemand, kindWeak},
	}
	for _, r := range upstream.SkipReasons {
		l.Skips = append(l.Skips, string(r))
	}
	return l
}

// The parts of the gateway, in logs and metrics.
const (
	partGateway   = "gateway"
	partClients   = "clients"
	partREST      = "rest"
	partUpstream  = "upstream"
	partTokens    = "tokens"
	partServers   = "servers"
	partCluster   = "cluster"
	partPresence  = "presence"
	partARM       = "arm"
	partLimits    = "limits"
	partTrace     = "live trace"
	partTelemetry = "opentelemetry"
	partFaults    = "faults"
)

// The kinds of server connections, in metrics.
const (
	kindDefault  = "Default"
	kindOnDemand = "OnDemand"
	kindWeak     = "Weak"
)

// clientMetrics are those of the clients of one generation.
type clientMetrics struct {
	of *admin.Metrics
	admin.Generation
}

func (m clientMetrics) Negotiated()             { m.of.Negotiated(m.Generation) }
func (m clientMetrics) Opened(transport string) { m.of.ClientOpened(m.Generation, transport) }
func (m clientMetrics) Panicked()               { m.of.Panicked(partClients) }

// serverLatency is how long hub servers take, for the metrics.
type serverLatency struct{ of *admin.Metrics }

func (l serverLatency) Pinged(took time.Duration) { l.of.ServerPinged(took) }
func (l serverLatency) Called(took time.Duration) { l.of.ServerCalled(took) }

// watchReasons shows why requests were refused or failed.
func (s *server) watchReasons(clients *clientws.Handler, aspNet *clientaspnet.Handler, rest *restapi.Endpoint) {
	const refused, help = "client_requests_refused_total", "Requests of clients that were refused, by generation of SignalR and reason."
	s.admin.WatchClientReasons(refused, help, admin.AspNetCore,
		func() map[string]uint64 { return byName(clients.Refused()) })
	s.admin.WatchClientReasons(refused, help, admin.AspNet,
		func() map[string]uint64 { return byName(aspNet.Refused()) })
	s.admin.WatchReasons("rest_requests_failed_total", "REST requests that failed, by reason.",
		func() map[string]uint64 { return byName(rest.Failed()) })
}

type restMetrics struct{ *admin.Metrics }

func (m restMetrics) Request(operation string, status int, took time.Duration) {
	m.RESTAnswered(operation, status, took)
}

type upstreamMetrics struct{ *admin.Metrics }

func (m upstreamMetrics) Called(template int, category string, result upstream.Result, took time.Duration) {
	m.UpstreamCalled(template, category, string(result), took)
}

func (m upstreamMetrics) Skipped(category string, reason upstream.SkipReason) {
	m.UpstreamSkipped(category, string(reason))
	if reason == upstream.SkipPanic {
		m.Panicked(partUpstream)
	}
}

func (m upstreamMetrics) Queued(delta int) { m.UpstreamQueued(delta) }

// serverStats says what admin shows of hub servers.
type serverStats struct {
	backend *servermode.Backend
	modes   *modes.Backend
}

func (s serverStats) Stats() admin.ServerStats {
	from := s.backend.Stats()
	to := admin.ServerStats{
		Opened: from.Opened, Closed: byName(from.Ended), Refused: byName(from.Refused), Lost: byName(from.Lost),
		Migrated: from.Migrated, Recovered: from.Recovered,
		BytesIn: from.BytesIn, MessagesIn: from.MessagesIn, BytesOut: from.BytesOut,
		Panics: from.Panics,
	}
	to.Lost["NoServer"] = s.modes.Unanswered()
	for _, h := range from.Hubs {
		if h == (servermode.HubStats{Hub: h.Hub}) {
			continue // an application that the name of a hub server may mean, but nobody is
		}
		to.Hubs = append(to.Hubs, admin.ServerHubStats{
			Hub:     h.Hub,
			ByKind:  map[string]int{kindDefault: h.Default, kindOnDemand: h.OnDemand, kindWeak: h.Weak},
			Leaving: h.Draining, Clients: h.Clients, Waiting: h.Waiting, QueuedBytes: h.QueuedBytes,
		})
	}
	return to
}

// liveModes says which hubs the settings name, and what modes hubs have.
type liveModes struct{ live *liveSettings }

func (m liveModes) NamedHubs() []string { return slices.Collect(maps.Keys(m.live.load().source.Hubs)) }

func (m liveModes) ModeOf(hub string) string { return string(m.live.load().source.ModeOf(hub)) }

func (m liveModes) TakesServers(hub string) bool {
	return m.live.load().source.ModeOf(hub) != settings.Serverless
}

func byName[T ~string](counts map[T]uint64) map[string]uint64 {
	named := make(map[string]uint64, len(counts))
	for name, n := range counts {
		named[string(name)] = n
	}
	return named
}
