package main

import (
	"net/http"
	"time"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/clientaspnet"
	"github.com/hubgate/hubgate/clientws"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/modes"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/upstream"
)

// backends are the applications behind hubs, by the modes that hubs can have.
type backends struct {
	webhooks *upstream.Backend
	servers  *servermode.Backend
	modes    *modes.Backend
	// cutOff counts what is lost at the end; set by newHub.
	cutOff *losses
}

func (s *server) newBackends(node string, verifier *auth.Verifier) backends {
	var b backends
	b.webhooks = upstream.New(upstream.Options{
		Config:  func() *upstream.Config { return s.live.load().upstream },
		Metrics: upstreamMetrics{s.admin.Metrics}, Logger: s.log.With("part", partUpstream),
		Watcher: watchedWebhooks{s.seen}, Recorder: s.seen.account.forWebhooks(), Tracer: s.seen.tracer,
		Slow: func(hub string) time.Duration {
			if f := s.faults.Load(); f != nil {
				return f.Webhook(hub)
			}
			return 0
		},
	})
	modeOf := func(hub string) modes.Mode { return modes.Mode(s.live.load().source.ModeOf(hub)) }
	b.servers = servermode.New(servermode.Options{
		Verifier: verifier, Node: node,
		Rules: func(hub string) servermode.Rules {
			mode := modeOf(hub)
			return servermode.Rules{Closed: mode == modes.Serverless || s.live.load().source.Access.Stopped, LastResort: mode == modes.Default}
		},
		Limits: func() servermode.Limits { return s.live.load().servers },
		Logger: noteRefusals(s.log, s.seen.account).With("part", partServers), Observer: watchedServers{s.seen}, Peers: s.nodes.peers(),
		Latency: serverLatency{s.admin.Metrics}, Tracer: s.seen.tracer, MessageLog: s.seen.account.readsMessages,
	})
	b.modes = modes.New(modes.Options{Mode: modeOf, Servers: b.servers, Webhooks: b.webhooks})
	return b
}

func (s *server) newVerifier() *auth.Verifier {
	return auth.NewVerifier(auth.VerifierOptions{
		Keys:           func() []auth.Secret { return s.live.load().keys },
		LocalKeys:      func() bool { return !s.live.load().source.Auth.DisableLocalKeys },
		Own:            s.own,
		Issuers:        s.newIssuers(),
		Leeway:         func() time.Duration { return s.live.load().source.Auth.Leeway },
		StrictAudience: func() []string { return s.live.load().source.Auth.StrictAudience },
		MaxTokenBytes:  func() int { return int(s.live.load().source.Limits.TokenBytes) },
		BasePath:       s.config.BasePath(),
	})
}

// newHub makes the core, with what is behind it.
func (s *server) newHub(node string, behind *backends) (*gateway.Gateway, error) {
	hub, err := gateway.New(gateway.Options{
		Node: node, NodeOf: auth.NodeOf, Backend: behind.modes, Logger: s.log.With("part", partGateway), Observer: s.seen, Recorder: s.seen.account.forGateway(),
		Limits:     func() gateway.Limits { return s.live.load().gateway },
		UserGroups: s.userGroups(), Backplane: s.nodes.backplane(),
	})
	if err != nil {
		return nil, s.explain(err)
	}
	s.nodes.hub.Store(hub)
	behind.cutOff = &losses{hub: hub}
	s.built.add("messages of clients", behind.cutOff.check) // when the last client has ended
	s.built.add("gateway", ignoreContext(hub.Close))
	s.seen.gateway = hub
	s.giveMemoryBack(hub.Held)
	s.injectFaults(hub)
	behind.servers.Use(hub)
	behind.modes.Use(hub)
	s.built.add("hub servers", behind.servers.Close)
	s.built.add("modes", ignoreContext(s.store.Observe(func(old, next *settings.Settings) {
		if !old.SameModes(next) {
			behind.modes.Changed()
		}
	})))
	return hub, nil
}

// newEndpoints makes what answers requests.
func (s *server) newEndpoints(hub *gateway.Gateway, behind *backends, verifier *auth.Verifier, node string) (rest http.Handler, err error) {
	sealer, err := auth.NewSealer(s.nodes.keys.tokens...)
	if err != nil {
		return nil, err
	}
	clients := s.newClients(hub, behind.modes, verifier, sealer, node)
	s.built.add("client endpoint", clients.Close)
	aspNet := s.newAspNetClients(hub, verifier, sealer, node)
	s.built.add("client endpoint of ASP.NET SignalR", aspNet.Close)
	rates := s.limitRates(hub, verifier)
	api := restapi.New(restapi.Options{
		Limit: rates.rest,
		Hubs:  hub, UserGroups: hub, Tokens: verifier, SignClient: s.signClient,
		Limits: func() restapi.Limits { return s.live.load().rest }, Traced: s.seen.traced, Tracer: s.seen.tracer, Available: s.nodes.available,
		Claims: s.claims(), Answered: s.seen.account.forREST(),
		Logger: s.log.With("part", partREST), Metrics: restMetrics{s.admin.Metrics},
	})
	who := s.newPresence(hub, verifier, rates)
	inside := routes{clients: clients, rest: api, servers: behind.servers, presence: who, trace: s.seen.account.live, aspNetClients: aspNet, aspNetServers: behind.servers.AspNet(), limits: func() (uri, headers int64) {
		l := &s.live.load().source.Limits
		return l.URIBytes, l.HeaderBytes
	}}
	outside := inside
	outside.refuses = s.newGate().refuse
	s.handler, s.outside = below(s.config.BasePath(), &inside), below(s.config.BasePath(), &outside)
	s.watchReasons(clients, aspNet, api)
	s.openPortal(api, who)
	s.admin.WatchReasons("presence_requests_failed_total", "Requests about who is connected that failed, by reason.",
		func() map[string]uint64 { return byName(who.Failed()) })
	return api, nil
}

// newPresence makes what tells who is connected.
func (s *server) newPresence(hub *gateway.Gateway, verifier *auth.Verifier, rates *rateLimits) *presence.Endpoint {
	who := presence.New(presence.Options{
		Hub: hub, Tokens: verifier, Limit: rates.rest, Peers: s.nodes.peers(), Available: s.nodes.available,
		Events: func() bool { return s.live.load().source.Presence.Events }, Forward: s.nodes.forward(),
		Access: func() presence.Access { return presence.Access(s.live.load().source.Presence.Access) },
		Logger: s.log.With("part", partPresence), Metrics: restMetrics{s.admin.Metrics}, Tracer: s.seen.tracer,
	})
	s.seen.who.Store(who)
	s.built.add("presence", ignoreContext(who.Close))
	return who
}

func (s *server) newClients(hub *gateway.Gateway, behind *modes.Backend, verifier *auth.Verifier, sealer *auth.Sealer, node string) *clientws.Handler {
	return clientws.New(clientws.Options{
		Gateway: hub, Verifier: verifier, Sealer: sealer, Node: node, Forwarder: s.nodes.forwarder(), Peers: s.nodes.peers(), Available: s.nodes.isolation.available,
		Origins:        func() []string { return s.live.load().source.CORS.AllowedOrigins },
		Limits:         func() clientws.Limits { return s.live.load().clients },
		Stateful:       func(hub string) bool { return s.live.load().gateway.Away > 0 && behind.Stateful(hub) },
		KeepHeaders:    func(hub string) bool { return s.live.load().source.ModeOf(hub) != settings.Serverless },
		TrustedProxies: s.config.Proxies(),
		Logger:         noteRefusals(s.log, s.seen.account).With("part", partClients), Metrics: clientMetrics{s.admin.Metrics, admin.AspNetCore},
	})
}

// newAspNetClients is newClients for ASP.NET SignalR.
func (s *server) newAspNetClients(hub *gateway.Gateway, verifier *auth.Verifier, sealer *auth.Sealer, node string) *clientaspnet.Handler {
	return clientaspnet.New(clientaspnet.Options{
		Gateway: hub, Verifier: verifier, Sealer: sealer, Node: node, BasePath: s.config.BasePath(), Forwarder: s.nodes.forwarder(), Available: s.nodes.isolation.available,
		Serverless:     func(application string) bool { return s.live.load().source.ModeOf(application) == settings.Serverless },
		Origins:        func() []string { return s.live.load().source.CORS.AllowedOrigins },
		Limits:         func() clientaspnet.Limits { return s.live.load().aspNet },
		TrustedProxies: s.config.Proxies(),
		Logger:         noteRefusals(s.log, s.seen.account).With("part", partClients), Metrics: clientMetrics{s.admin.Metrics, admin.AspNet},
	})
}
