package main

import (
	"math"
	"sync/atomic"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/clientaspnet"
	"github.com/hubgate/hubgate/clientws"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/servermode"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/upstream"
)

// live are the settings in force in the words of each package. A new one is
// made for every change of settings, so readers pay one atomic load.
type live struct {
	source   *settings.Settings
	keys     []auth.Secret
	gateway  gateway.Limits
	clients  clientws.Limits
	aspNet   clientaspnet.Limits
	rest     restapi.Limits
	servers  servermode.Limits
	upstream *upstream.Config
	gate     *gateRules
	// groupsPerUser is never 0.
	groupsPerUser int
}

// liveSettings follows a settings.Store.
type liveSettings struct{ current atomic.Pointer[live] }

// follow makes the settings of the store the current ones, now and whenever
// they change, until cancel is called.
func (l *liveSettings) follow(store *settings.Store) (cancel func()) {
	l.current.Store(translate(store.Current()))
	return store.Observe(func(_, next *settings.Settings) { l.current.Store(translate(next)) })
}

func (l *liveSettings) load() *live { return l.current.Load() }

func translate(s *settings.Settings) *live {
	l := &live{
		source: s,
		gateway: gateway.Limits{
			MaxConnections: s.Limits.MaxConnections, MaxDiagnostic: s.Limits.MaxDiagnosticConnections,
			MaxHubs: s.Limits.Hubs, MaxGroups: s.Limits.GroupsPerConnection,
			HandshakeBytes: int(s.Limits.HandshakeBytes), MessageBytes: int(s.Limits.MessageBytes),
			UnfinishedBytes: shareOfMemory(s.Limits.UnfinishedBytes, 8), Stopped: s.Access.Stopped,
			Queues: gateway.Queues{
				OutboxBytes: int(s.Limits.OutboxBytes), OutboxMaxBytes: int(s.Limits.OutboxMaxBytes),
				HubQueuedBytes: int(s.Limits.HubQueuedBytes), QueuedBytes: shareOfMemory(s.Limits.QueuedBytes, 4),
			},
			Periods: gateway.Periods{
				KeepAlive: s.Clients.KeepAlive, Timeout: s.Clients.Timeout, Handshake: s.Clients.HandshakeTimeout,
				Away: s.Clients.StatefulReconnect, Detached: s.Clients.LongPollDisconnect, Lifetime: s.Firewall.MaxLifetime,
			},
		},
		clients: clientws.Limits{
			NegotiateTimeout: s.Clients.NegotiateTimeout, LongPollInterval: s.Clients.LongPollInterval,
			SendTimeout: s.Clients.SendTimeout, PostBytes: s.Limits.PostBytes, URIBytes: int(s.Limits.URIBytes),
			HeaderBytes: s.Limits.HeaderBytes,
		},
		aspNet: translateAspNet(s),
		servers: servermode.Limits{
			MessageBytes: int(s.Servers.MessageBytes), QueueBytes: int(s.Servers.QueueBytes), HeldBytes: int(s.Servers.HeldBytes),
			MaxConnections: s.Servers.MaxConnections, Migration: s.Servers.MigrationTimeout,
			ClientResult: s.Servers.ResultTimeout, Grace: s.Servers.GracePeriod,
		},
		rest: restapi.Limits{BodyBytes: s.Limits.RESTBodyBytes, URIBytes: s.Limits.URIBytes, InvokeTimeout: s.Clients.InvokeTimeout, IdempotencyAge: s.REST.IdempotencyAge},
	}
	if s.REST.IdempotencyAge == 0 {
		l.rest.IdempotencyAge = -1 // in settings 0 is off, there the default
	}
	l.gate = translateGate(s.Access)
	l.keys = s.Keys.All()
	signing := l.keys
	if s.Auth.DisableLocalKeys {
		signing = nil // nobody has the key to check a signature with (section 3.5)
	}
	l.upstream = translateUpstream(&s.Upstream, signing)
	if l.groupsPerUser = s.Limits.GroupsPerUser; l.groupsPerUser == 0 {
		l.groupsPerUser = math.MaxInt // in settings 0 is no limit, in the store the default
	}
	return l
}

// aspNetTransports is how many transports a client of ASP.NET SignalR tries, one after the other.
const aspNetTransports = 3

func translateAspNet(s *settings.Settings) clientaspnet.Limits {
	return clientaspnet.Limits{
		Periods: clientaspnet.Periods{
			KeepAlive: s.AspNet.KeepAlive, KeepAliveTimeout: s.AspNet.Timeout, DisconnectTimeout: s.AspNet.DisconnectTimeout,
			ConnectTimeout: s.AspNet.ConnectTimeout, PollInterval: s.AspNet.LongPollInterval,
			NegotiateTimeout: s.Clients.NegotiateTimeout + aspNetTransports*s.AspNet.ConnectTimeout,
			SendTimeout:      s.Clients.SendTimeout,
		},
		BodyBytes: s.Limits.PostBytes, MessageBytes: int(s.Limits.MessageBytes),
		URIBytes: int(s.Limits.URIBytes), HeaderBytes: s.Limits.HeaderBytes,
	}
}

func translateUpstream(u *settings.Upstream, keys []auth.Secret) *upstream.Config {
	c := &upstream.Config{
		Keys: keys, Timeout: u.Timeout, MaxResponseBytes: u.MaxResponseBytes, MaxPerOrigin: u.MaxConcurrentPerOrigin,
		Queue:           upstream.Queue{Events: u.QueuePerConnection, Bytes: int(u.QueueBytesPerConnection)},
		SilentUnmatched: u.Unmatched == settings.UnmatchedSilent, KeepRejected: u.Rejection == settings.RejectionIgnore,
		Streams: u.Streams, IgnoreEventCase: u.IgnoreEventCase, AllowLinkLocal: u.AllowLinkLocal,
		Credentials: upstream.Credentials{TokenURL: u.TokenURL, ClientID: u.ClientID, ClientSecret: u.ClientSecret},
		Secrets:     upstream.AllowedSecrets{Env: u.AllowedEnv, Files: u.AllowedFiles},
	}
	for _, t := range u.Templates {
		c.Templates = append(c.Templates, upstream.Template{
			URL: t.URLTemplate, Hub: t.HubPattern,
			Category: t.CategoryPattern, Event: t.EventPattern, Bearer: upstream.Bearer(t.Auth),
		})
	}
	return c
}
