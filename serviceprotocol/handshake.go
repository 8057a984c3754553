package serviceprotocol

// ConnectionKind is what a server connection is for.
type ConnectionKind int32

const (
	// KindDefault: clients may be given to it.
	KindDefault ConnectionKind = 0
	// KindOnDemand: as Default, opened because the gateway asked for it with a target ping.
	KindOnDemand ConnectionKind = 1
	// KindWeak: it sends; clients are given to it only if there is no other.
	KindWeak ConnectionKind = 2
)

// Version is the protocol version, the only one there is.
const Version = 1

// HandshakeRequest is the first message of a hub server.
type HandshakeRequest struct {
	Version int32
	Kind    ConnectionKind
	// Target is empty on the wire even for OnDemand connections: it is in the URL's query.
	Target string
	// MigrationLevel is 1 if clients may be moved away at a graceful shutdown, else 0.
	MigrationLevel int32
	// AllowStatefulReconnects is a seventh element, which older hub servers do not have. It
	// is only written when it is true.
	AllowStatefulReconnects bool
}

// Type returns TypeHandshakeRequest.
func (*HandshakeRequest) Type() Type { return TypeHandshakeRequest }

// Append appends the message with its length prefix.
func (m *HandshakeRequest) Append(dst []byte) []byte {
	elements := uint32(6)
	if m.AllowStatefulReconnects {
		elements = 7
	}
	w := begin(dst, TypeHandshakeRequest, elements, 0)
	w.integer(m.Version)
	w.integer(int32(m.Kind))
	w.text(m.Target)
	w.integer(m.MigrationLevel)
	w.extension(extension{})
	if m.AllowStatefulReconnects {
		w.boolean(true)
	}
	return w.end()
}

func (m *HandshakeRequest) read(r *reader) {
	m.Version = r.integer("version")
	m.Kind = ConnectionKind(r.integer("connection kind"))
	m.Target = r.text("target")
	m.MigrationLevel = r.integer("migration level")
	r.extension(ownsNothing)
	m.AllowStatefulReconnects = r.boolean("allow stateful reconnects")
}

// HandshakeResponse is the first message of the gateway, and answers a HandshakeRequest.
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
	w := begin(dst, TypeHandshakeResponse, 4, 0)
	w.text(m.Error)
	w.extension(extension{})
	w.textOrNil(m.ConnectionID)
	return w.end()
}

func (m *HandshakeResponse) read(r *reader) {
	m.Error = r.text("error")
	r.extension(ownsNothing)
	m.ConnectionID = r.text("connection id")
}
