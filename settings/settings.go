package settings

import (
	"slices"
	"time"
)

// EmulatorKey is the access key that every copy of Microsoft's local emulator
// uses. Whoever can reach a gateway that has it may do anything with it.
const EmulatorKey Secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

// Mode is the service mode: who answers what clients send.
type Mode string

// Serverless hands what clients send to upstream webhooks.
const Serverless Mode = "serverless"

// Settings is everything that may change while the gateway runs. A value that
// came from [Store.Current] is shared: nobody may change it or what its slices
// hold. Use [Settings.Clone] to start from it.
type Settings struct {
	Mode     Mode
	Keys     Keys
	Upstream Upstream
	CORS     CORS
	Limits   Limits
	Clients  Clients
	Auth     Auth
}

// Keys are the two access keys. Tokens signed with either are accepted and
// webhooks carry a signature for each, so that one can be replaced at a time.
type Keys struct {
	Primary   Secret
	Secondary Secret // empty: there is none
}

// All returns the keys that are set, the primary one first.
func (k Keys) All() []Secret {
	if k.Secondary == "" {
		return []Secret{k.Primary}
	}
	return []Secret{k.Primary, k.Secondary}
}

// HasEmulatorKey says whether one of the keys is the well-known one.
func (k Keys) HasEmulatorKey() bool {
	return k.Primary == EmulatorKey || k.Secondary == EmulatorKey
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
	// SendTimeout is how long a client may take no byte while bytes wait (D12).
	SendTimeout time.Duration
}

// Auth says how strictly tokens are checked.
type Auth struct {
	// Leeway is added on both ends of a token's validity (D2). 0 means none.
	Leeway time.Duration
	// StrictAudience lists the hosts that a token's audience may name (D7).
	// Empty: the host is not compared.
	StrictAudience []string
}

// Default returns the settings of a gateway that nobody configured: the
// emulator's key and no upstream.
func Default() Settings {
	return Settings{
		Mode:     Serverless,
		Keys:     Keys{Primary: EmulatorKey},
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
			SendTimeout:        10 * time.Second,
		},
		Auth: Auth{Leeway: 5 * time.Minute},
	}
}

// Clone returns a copy that shares no slice with s.
func (s Settings) Clone() Settings {
	s.Upstream.Templates = slices.Clone(s.Upstream.Templates)
	s.Upstream.AllowedEnv = slices.Clone(s.Upstream.AllowedEnv)
	s.Upstream.AllowedFiles = slices.Clone(s.Upstream.AllowedFiles)
	s.CORS.AllowedOrigins = slices.Clone(s.CORS.AllowedOrigins)
	s.Auth.StrictAudience = slices.Clone(s.Auth.StrictAudience)
	return s
}
