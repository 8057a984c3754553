package auth

import "time"

// Claim is one claim of a user. Claims with several values are several Claims
// of one type.
type Claim struct{ Type, Value string }

// TransportMask is a set of transports as in the claim asrs.s.htt.
type TransportMask uint8

// The transports a client token may be limited to (C18).
const (
	TransportWebSockets       TransportMask = 1
	TransportServerSentEvents TransportMask = 2
	TransportLongPolling      TransportMask = 4

	allTransports = TransportWebSockets | TransportServerSentEvents | TransportLongPolling
)

// Allows reports whether the mask has the transport. The zero mask has all.
func (m TransportMask) Allows(transport TransportMask) bool {
	return m == 0 || m&transport != 0
}

// ServerClaims is what a verified token of a hub server says.
type ServerClaims struct {
	// ServerID is the claim nameid, the one reliable name of the server's
	// process (H13a); "" if the token has none.
	ServerID string
	// Expires is the end of the token's life, without leeway.
	Expires time.Time
}

// Claims is what a verified client token says. Values are shared between the
// callers that present the same token: nobody may change them.
type Claims struct {
	// UserID is the first present of asrs.s.uid, nameid, sub and the long
	// NameIdentifier claim (R49); "" is an anonymous user.
	UserID string
	// User has the user's own claims in the token's order: no system claims
	// (asrs.s.*), no reserved names of JSON web tokens, the prefix asrs.u.
	// removed, an array as one Claim for each value.
	User []Claim
	// Issued: the client has the token from an issuer, and can get another one from there.
	Issued bool
	// Groups are those that the client is in from the start. Only tokens of an issuer name some.
	Groups []string
	// Application is asrs.s.apn as it is written: the application whose hubs a client
	// of ASP.NET SignalR may use. "" for clients of ASP.NET Core SignalR.
	Application string
	// Expires is the end of the token's life, without leeway.
	Expires time.Time
	// HandshakeTimeout is asrs.s.cht, 1 s to 30 s; 0 means the gateway's own.
	HandshakeTimeout time.Duration
	// LongPollInterval is asrs.s.ttl, 1 s to 300 s; 0 means the gateway's own.
	LongPollInterval time.Duration
	// Transports is asrs.s.htt; 0 means all.
	Transports TransportMask
	// CloseAt is when the connection must be closed (R52): with asrs.s.coae at the
	// second that asrs.s.aeo names, or when the token expires if that claim is
	// missing or no whole number of seconds. The zero time means never.
	CloseAt time.Time
	// Diagnostic marks a diagnostic client (asrs.s.dc).
	Diagnostic bool
	// DetailedErrors asks for errors with detail (asrs.s.derror).
	DetailedErrors bool
}
