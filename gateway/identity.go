package gateway

import "time"

// Claim is one claim of a user: application claims only, no system claims.
type Claim struct{ Type, Value string }

// Header is one header of the request that opened a connection; headers with
// several values are several Headers of one name.
type Header struct{ Name, Value string }

// Identity is who a connection belongs to and how it was opened. It does not
// change while the connection lives, but by Conn.Renew, and is independent of the transport.
type Identity struct {
	// ID is the public connection id.
	ID string
	// Hub is the hub's key, HubName the name as the client wrote it.
	Hub, HubName string
	// User is the user id, empty for anonymous clients.
	User   string
	Claims []Claim
	// Token stands for the token's signature: it is the same for all connections with one token, and nothing
	// secret. A connection that comes from a node of an earlier version has none.
	Token string
	// Groups are those that the connection is in from the start, as if it had been added to each.
	Groups []string
	// TokenClaims are all claims of the token under their names there, system
	// claims (asrs.s.*) included, and Headers those of the request without
	// credentials and what belongs to one hop. Both are empty for hubs whose
	// application does not ask for them.
	TokenClaims []Claim
	Headers     []Header
	// Query is the raw query string of the request that opened the connection,
	// without access_token and id.
	Query string
	// RemoteAddr is the client's address without a port.
	RemoteAddr string
	// TokenExpires bounds how long the id of an ended connection is remembered (D15).
	TokenExpires time.Time
	// CloseAt closes the connection at that moment (claims asrs.s.coae, asrs.s.aeo); zero never.
	CloseAt time.Time
	// HandshakeTimeout replaces the configured one if not zero (claim asrs.s.cht).
	HandshakeTimeout time.Duration
	Diagnostic       bool
}
