package serviceprotocol

import "strings"

// Names of the headers of OpenConnection and CloseConnection that have a meaning.
const (
	// HeaderInstanceID names the gateway node that holds the client; offline pings refer to it.
	HeaderInstanceID = "Asrs-Instance-Id"
	// HeaderForwardedFor is the client's IP address, without a port.
	HeaderForwardedFor = "X-Forwarded-For"
	// HeaderMigrateFrom is the server id that a client comes from.
	HeaderMigrateFrom = "Asrs-Migrate-From"
	// HeaderMigrateTo is the server id that a client goes to.
	HeaderMigrateTo = "Asrs-Migrate-To"
	// HeaderDiagnosticClient is "true" for a client whose messages are to be traced.
	HeaderDiagnosticClient = "Asrs-Is-Diagnostic-Client"
)

// Claim is one claim of a client. A type may come up several times, and order counts (H22).
type Claim struct{ Type, Value string }

// Header is one header with its values. Names are compared without regard to case.
type Header struct {
	Name   string
	Values []string
}

// HeaderValue returns the first value of the header of that name, in any letter case.
func HeaderValue(headers []Header, name string) (string, bool) {
	for _, header := range headers {
		if strings.EqualFold(header.Name, name) && len(header.Values) > 0 {
			return header.Values[0], true
		}
	}
	return "", false
}

// OpenConnection tells a hub server of a new client of its.
type OpenConnection struct {
	ConnectionID string
	Claims       []Claim
	Headers      []Header
	// Query is empty or begins with "?".
	Query string
	// Protocol is the client's hub protocol. Newer hub servers cannot do without (H57).
	Protocol  string
	TracingID uint64
}

// Type returns TypeOpenConnection.
func (*OpenConnection) Type() Type { return TypeOpenConnection }

// Append appends the message with its length prefix. Headers whose names differ only in
// case are written as one.
func (m *OpenConnection) Append(dst []byte) []byte {
	w := begin(dst, TypeOpenConnection, 6, 0)
	w.text(m.ConnectionID)
	w.claims(m.Claims)
	w.headers(m.Headers)
	w.text(m.Query)
	w.extension(extension{tracing: m.TracingID, protocol: m.Protocol})
	return w.end()
}

func (m *OpenConnection) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Claims = r.claims()
	m.Headers = r.headers()
	m.Query = r.text("query")
	e := r.extension(ownsTracing | ownsProtocol)
	m.TracingID, m.Protocol = e.tracing, e.protocol
}

// CloseConnection ends a client, in either direction. From a hub server the error is what
// the client is told; from the gateway only HeaderMigrateTo counts.
type CloseConnection struct {
	ConnectionID string
	Error        string
	Headers      []Header
	TracingID    uint64
}

// Type returns TypeCloseConnection.
func (*CloseConnection) Type() Type { return TypeCloseConnection }

// Append appends the message with its length prefix. Headers whose names differ only in
// case are written as one.
func (m *CloseConnection) Append(dst []byte) []byte {
	w := begin(dst, TypeCloseConnection, 5, 0)
	w.text(m.ConnectionID)
	w.text(m.Error)
	w.headers(m.Headers)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CloseConnection) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Error = r.text("error")
	m.Headers = r.headers()
	m.TracingID = r.tracing()
}

// DataKind says what the payload of a ConnectionData is. Older hub servers never say.
type DataKind int32

const (
	// DataUnknown: one or more records of any kind.
	DataUnknown DataKind = 0
	// DataHandshake: the answer to the client's hub handshake.
	DataHandshake DataKind = 1
	// DataInvocation: an invocation, a stream item or a completion.
	DataInvocation DataKind = 2
	// DataOther: a ping, an ack and the like.
	DataOther DataKind = 3
	// DataClose: the record that closes the client.
	DataClose DataKind = 4
)

// ConnectionData is bytes from a client or for one, in the client's hub protocol and with
// its framing.
type ConnectionData struct {
	ConnectionID string
	// Payload aliases the parsed body.
	Payload []byte
	Kind    DataKind
	// Partial marks a payload that ends within a record.
	Partial   bool
	TracingID uint64
}

// Type returns TypeConnectionData.
func (*ConnectionData) Type() Type { return TypeConnectionData }

// Append appends the message with its length prefix.
func (m *ConnectionData) Append(dst []byte) []byte {
	w := begin(dst, TypeConnectionData, 4, len(m.Payload))
	w.text(m.ConnectionID)
	w.binary(m.Payload)
	w.extension(extension{tracing: m.TracingID, kind: m.Kind, partial: m.Partial})
	return w.end()
}

func (m *ConnectionData) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Payload = r.binary("payload")
	e := r.extension(ownsTracing | ownsDataKind | ownsPartial)
	m.TracingID, m.Kind, m.Partial = e.tracing, e.kind, e.partial
}

// ConnectionReconnect tells a hub server to forget a payload of which it has only parts,
// because the client has a new transport.
type ConnectionReconnect struct {
	ConnectionID string
}

// Type returns TypeConnectionReconnect.
func (*ConnectionReconnect) Type() Type { return TypeConnectionReconnect }

// Append appends the message with its length prefix.
func (m *ConnectionReconnect) Append(dst []byte) []byte {
	w := begin(dst, TypeConnectionReconnect, 3, 0)
	w.text(m.ConnectionID)
	w.extension(extension{})
	return w.end()
}

func (m *ConnectionReconnect) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	r.extension(ownsNothing)
}
