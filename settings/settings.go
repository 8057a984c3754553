package settings

import (
	"maps"
	"slices"
	"time"

	"github.com/hubgate/hubgate/secret"
)

// Settings is everything that may change while the gateway runs. A value that
// came from [Store.Current] is shared: nobody may change it or what its slices
// hold. Use [Settings.Clone] to start from it.
type Settings struct {
	Mode Mode
	// Hubs holds what single hubs have for themselves, by the hub's key in lower case.
	Hubs     map[string]Hub
	Keys     Keys
	Upstream Upstream
	CORS     CORS
	Limits   Limits
	Clients  Clients
	AspNet   AspNet
	Servers  Servers
	Auth     Auth
	Presence Presence
	REST     REST
	OIDC     OIDC
	// Access, Firewall and Trace have no options: they are changed while the gateway runs.
	Access   Access
	Firewall Firewall
	Trace    Trace
}

// Keys are the two access keys. Tokens signed with either are accepted and
// webhooks carry a signature for each, so that one can be replaced at a time.
type Keys struct {
	Primary   secret.Text
	Secondary secret.Text // empty: there is none
}

// All returns the keys that are set, the primary one first.
func (k Keys) All() []secret.Text {
	if k.Secondary == "" {
		return []secret.Text{k.Primary}
	}
	return []secret.Text{k.Primary, k.Secondary}
}

// HasEmulatorKey says whether one of the keys is the well-known one.
func (k Keys) HasEmulatorKey() bool {
	return k.Primary == secret.EmulatorKey || k.Secondary == secret.EmulatorKey
}

// Clients holds the timers of client connections.
type Clients struct {
	// KeepAlive is how long nothing may have been sent before a Ping is, 1 to 120 s.
	KeepAlive time.Duration
	// Timeout is how long a client that has pinged once may be silent, 1 to 120 s.
	Timeout time.Duration
	// HandshakeTimeout bounds the wait for the handshake request, 1 to 120 s.
	HandshakeTimeout time.Duration
	// NegotiateTimeout is how long a negotiated id that nobody connects lives (D1).
	NegotiateTimeout time.Duration
	// LongPollInterval is after how long a poll is answered with nothing.
	LongPollInterval time.Duration
	// LongPollDisconnect is how long a long-polling client may be without a poll.
	LongPollDisconnect time.Duration
	// StatefulReconnect is how long a client with stateful reconnect may be without a connection. 0 grants
	// stateful reconnect to nobody.
	StatefulReconnect time.Duration
	// SendTimeout is how long a client may take no byte while bytes wait (D12).
	SendTimeout time.Duration
	// InvokeTimeout is how long a REST caller waits for the answer of a client (R42).
	InvokeTimeout time.Duration
}

// Servers bounds the connections of hub servers and what happens when one goes.
type Servers struct {
	// GracePeriod is how long the clients of a hub server that is lost are held
	// for another one to take them, up to 5 minutes. 0 closes them at once.
	GracePeriod time.Duration
	// MigrationTimeout is how long a client that moves to another hub server
	// waits for its invocations to end.
	MigrationTimeout time.Duration
	// ResultTimeout is how long a hub server waits for a client's result.
	ResultTimeout time.Duration
	// MaxConnections bounds the server connections of the node. 0 means no limit.
	MaxConnections int
	// MessageBytes bounds one message of a hub server, with its payloads for all protocols.
	MessageBytes int64
	// QueueBytes is how much may wait for one server connection before its
	// clients are not read from (D14); four times as much ends it.
	QueueBytes int64
	// HeldBytes bounds what is held back of one client while it moves.
	HeldBytes int64
}

// Auth says how strictly tokens are checked.
type Auth struct {
	// Leeway is added on both ends of a token's validity (D2). 0 means none.
	Leeway time.Duration
	// StrictAudience lists the hosts that a token's audience may name (D7).
	// Empty: the host is not compared.
	StrictAudience []string
	// DisableLocalKeys refuses every token that is signed with an access key (R12). Tokens
	// of clients that are signed with a key of GET /api/v1/auth/accessKey are still accepted.
	DisableLocalKeys bool
}

// Default returns the settings of a gateway that nobody configured: the
// emulator's key and no upstream.
func Default() Settings {
	return Settings{
		Mode:     Serverless,
		Keys:     Keys{Primary: secret.EmulatorKey},
		Upstream: defaultUpstream(),
		CORS:     CORS{AllowedOrigins: []string{"*"}},
		Limits:   defaultLimits(),
		Clients: Clients{
			KeepAlive:          15 * time.Second,
			Timeout:            30 * time.Second,
			HandshakeTimeout:   15 * time.Second,
			NegotiateTimeout:   15 * time.Second,
			LongPollInterval:   90 * time.Second,
			LongPollDisconnect: 15 * time.Second,
			StatefulReconnect:  30 * time.Second,
			SendTimeout:        10 * time.Second,
			InvokeTimeout:      30 * time.Second,
		},
		AspNet: defaultAspNet(),
		Servers: Servers{
			MigrationTimeout: 5 * time.Second,
			ResultTimeout:    10 * time.Minute,
			MessageBytes:     32 * mib,
			QueueBytes:       4 * mib,
			HeldBytes:        256 * kib,
		},
		Auth:     Auth{Leeway: 5 * time.Minute},
		Presence: Presence{Access: PresenceKey},
		REST:     defaultREST(),
		OIDC:     defaultOIDC(),
	}
}

// Clone returns a copy that shares no slice with s.
func (s Settings) Clone() Settings {
	s.Hubs = maps.Clone(s.Hubs)
	s.Upstream.Templates = slices.Clone(s.Upstream.Templates)
	s.Upstream.AllowedEnv = slices.Clone(s.Upstream.AllowedEnv)
	s.Upstream.AllowedFiles = slices.Clone(s.Upstream.AllowedFiles)
	s.CORS.AllowedOrigins = slices.Clone(s.CORS.AllowedOrigins)
	s.Auth.StrictAudience = slices.Clone(s.Auth.StrictAudience)
	s.OIDC = s.OIDC.clone()
	s.Limits.Rules = slices.Clone(s.Limits.Rules)
	s.Access = s.Access.clone()
	s.Firewall.Counts, s.Firewall.Traffic = slices.Clone(s.Firewall.Counts), slices.Clone(s.Firewall.Traffic)
	s.Trace.LiveCategories, s.Trace.LogCategories = slices.Clone(s.Trace.LiveCategories), slices.Clone(s.Trace.LogCategories)
	return s
}
