package serviceprotocol

// ConnectionKind is what a server connection is for.
type ConnectionKind int32

const (
	// KindDefault: clients may be given to it.
	KindDefault ConnectionKind = 0
	// KindOnDemand: like KindDefault, but opened because the gateway asked for it with a
	// target ping.
	KindOnDemand ConnectionKind = 1
	// KindWeak: it only sends. It is given clients only if there is no other connection.
	KindWeak ConnectionKind = 2
)

// Version is the protocol version, the only one there is.
const Version = 1

// HandshakeRequest is the first message of a hub server.
type HandshakeRequest struct {
	Version int32
	Kind    ConnectionKind
	// Target is empty on the wire, even for OnDemand connections: theirs is in the URL's query.
	Target string
	// MigrationLevel is 1 if clients may be moved to others at a graceful shutdown, else 0.
	MigrationLevel int32
	// AllowStatefulReconnects is a seventh element, which older hub servers do not send: nil. It says
	// whether clients may have stateful reconnect.
	AllowStatefulReconnects *bool
}

// Type returns TypeHandshakeRequest.
func (*HandshakeRequest) Type() Type { return TypeHandshakeRequest }

// Append appends the message with its length prefix.
func (m *HandshakeRequest) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeHandshakeRequest, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *HandshakeRequest) fields(c *codec) {
	c.integer("version", &m.Version)
	c.integer("connection kind", (*int32)(&m.Kind))
	c.text("target", &m.Target)
	c.integer("migration level", &m.MigrationLevel)
	c.extension(&extension{})
	c.optionalFlag("allow stateful reconnects", &m.AllowStatefulReconnects)
}

// HandshakeResponse is the gateway's first message. It answers the HandshakeRequest.
type HandshakeResponse struct {
	// Error refuses the connection; empty accepts it.
	Error string
	// ConnectionID is not read by hub servers.
	ConnectionID string
}

// Type returns TypeHandshakeResponse.
func (*HandshakeResponse) Type() Type { return TypeHandshakeResponse }

// Append appends the message with its length prefix.
func (m *HandshakeResponse) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeHandshakeResponse, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *HandshakeResponse) fields(c *codec) {
	c.text("error", &m.Error)
	c.extension(&extension{})
	c.textOrNil("connection id", &m.ConnectionID)
}
