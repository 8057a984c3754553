package serviceprotocol

import "strings"

// Headers of OpenConnection and CloseConnection that the protocol defines.
const (
	// HeaderInstanceID names the gateway node that holds the client; offline pings refer to it.
	HeaderInstanceID = "Asrs-Instance-Id"
	// HeaderForwardedFor is the client's IP address, without a port.
	HeaderForwardedFor = "X-Forwarded-For"
	// HeaderMigrateFrom is the id of the hub server that a moved client comes from.
	HeaderMigrateFrom = "Asrs-Migrate-From"
	// HeaderMigrateTo is the id of the hub server that a client is moved to.
	HeaderMigrateTo = "Asrs-Migrate-To"
	// HeaderDiagnosticClient is "true" for a client whose messages are traced.
	HeaderDiagnosticClient = "Asrs-Is-Diagnostic-Client"
)

// Claim is one claim of a client. A type may occur several times, and order counts (H22).
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

// OpenConnection announces a new client to its hub server.
type OpenConnection struct {
	ConnectionID string
	Claims       []Claim
	Headers      []Header
	// Query is empty or begins with "?".
	Query string
	// Protocol is the client's hub protocol. Newer hub servers require it (H57).
	Protocol  string
	TracingID uint64
}

// Type returns TypeOpenConnection.
func (*OpenConnection) Type() Type { return TypeOpenConnection }

// Append appends the message with its length prefix. Headers whose names differ only in
// case are written as one.
func (m *OpenConnection) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeOpenConnection, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *OpenConnection) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.claims(&m.Claims)
	c.headers(&m.Headers)
	c.text("query", &m.Query)
	c.extension(&extension{tracing: &m.TracingID, protocol: &m.Protocol})
}

// CloseConnection ends a client; both sides send it. The error of a hub server is told to
// the client. Of a gateway's message only HeaderMigrateTo counts.
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
	var c codec
	c.begin(dst, TypeCloseConnection, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CloseConnection) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.text("error", &m.Error)
	c.headers(&m.Headers)
	c.tracing(&m.TracingID)
}

// DataKind says what the payload of a ConnectionData is. Older hub servers do not say it.
type DataKind int32

const (
	// DataUnknown: one or more records of any kind.
	DataUnknown DataKind = 0
	// DataHandshake: the answer to the client's hub handshake.
	DataHandshake DataKind = 1
	// DataInvocation: an invocation, a stream item or a completion.
	DataInvocation DataKind = 2
	// DataOther: a ping, an ack or another control record.
	DataOther DataKind = 3
	// DataClose: the record that closes the client.
	DataClose DataKind = 4
)

// ConnectionData carries bytes from a client or to a client, in the framing of the client's
// hub protocol.
type ConnectionData struct {
	ConnectionID string
	// Payload aliases the parsed body.
	Payload []byte
	Kind    DataKind
	// Partial says that the payload ends within a record.
	Partial   bool
	TracingID uint64
}

// Type returns TypeConnectionData.
func (*ConnectionData) Type() Type { return TypeConnectionData }

// Append appends the message with its length prefix.
func (m *ConnectionData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeConnectionData, len(m.Payload))
	m.fields(&c)
	return c.w.end()
}

func (m *ConnectionData) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.binary("payload", &m.Payload)
	c.extension(&extension{tracing: &m.TracingID, kind: &m.Kind, partial: &m.Partial})
}

// ConnectionReconnect tells a hub server that the client has a new transport. The hub server
// drops what it has of an unfinished payload.
type ConnectionReconnect struct {
	ConnectionID string
}

// Type returns TypeConnectionReconnect.
func (*ConnectionReconnect) Type() Type { return TypeConnectionReconnect }

// Append appends the message with its length prefix.
func (m *ConnectionReconnect) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeConnectionReconnect, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ConnectionReconnect) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.extension(&extension{})
}
