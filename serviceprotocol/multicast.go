package serviceprotocol

import "strings"

// Payload is a message in the encoding and framing of one hub protocol.
type Payload struct {
	// Protocol is the hub protocol's name: json, messagepack, blazorpack or any other.
	Protocol string
	// Data aliases the parsed body.
	Data []byte
}

// Payloads is one message in every encoding that its sender supports.
type Payloads []Payload

// For returns the message in the encoding of a hub protocol. The letter case of names does
// not matter, as with hub servers.
func (p Payloads) For(protocol string) ([]byte, bool) {
	for _, payload := range p {
		if strings.EqualFold(payload.Protocol, protocol) {
			return payload.Data, true
		}
	}
	return nil, false
}

func (p Payloads) size() (n int) {
	for _, payload := range p {
		n += len(payload.Data)
	}
	return n
}

// The multicast messages below go to clients of one hub, whatever their hub protocol. A
// Filter is an expression that hub servers do not send; its syntax is not known.

// MultiConnectionData is a message to connections.
type MultiConnectionData struct {
	Connections []string
	Payloads    Payloads
	Filter      string
	TracingID   uint64
}

// Type returns TypeMultiConnectionData.
func (*MultiConnectionData) Type() Type { return TypeMultiConnectionData }

// Append appends the message with its length prefix.
func (m *MultiConnectionData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeMultiConnectionData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *MultiConnectionData) fields(c *codec) {
	c.names("connections", &m.Connections)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
}

// UserData is a message to the connections of a user.
type UserData struct {
	User      string
	Payloads  Payloads
	Filter    string
	TracingID uint64
}

// Type returns TypeUserData.
func (*UserData) Type() Type { return TypeUserData }

// Append appends the message with its length prefix.
func (m *UserData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeUserData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *UserData) fields(c *codec) {
	c.name("user", &m.User)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
}

// MultiUserData is a message to the connections of users.
type MultiUserData struct {
	Users     []string
	Payloads  Payloads
	Filter    string
	TracingID uint64
}

// Type returns TypeMultiUserData.
func (*MultiUserData) Type() Type { return TypeMultiUserData }

// Append appends the message with its length prefix.
func (m *MultiUserData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeMultiUserData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *MultiUserData) fields(c *codec) {
	c.names("users", &m.Users)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
}

// BroadcastData is a message to all connections of the hub except those in Excluded.
type BroadcastData struct {
	// Excluded are connections that do not get it.
	Excluded  []string
	Payloads  Payloads
	Filter    string
	TracingID uint64
}

// Type returns TypeBroadcastData.
func (*BroadcastData) Type() Type { return TypeBroadcastData }

// Append appends the message with its length prefix.
func (m *BroadcastData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeBroadcastData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *BroadcastData) fields(c *codec) {
	c.names("excluded connections", &m.Excluded)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
}

// GroupBroadcastData is a message to the connections of a group except those in Excluded.
type GroupBroadcastData struct {
	Group string
	// Excluded are connections that do not get it.
	Excluded []string
	Payloads Payloads
	// ExcludedUsers are users whose connections do not get it.
	ExcludedUsers []string
	// CallerUser is written by some senders. Its purpose is not known.
	CallerUser string
	Filter     string
	TracingID  uint64
}

// Type returns TypeGroupBroadcastData.
func (*GroupBroadcastData) Type() Type { return TypeGroupBroadcastData }

// Append appends the message with its length prefix.
func (m *GroupBroadcastData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeGroupBroadcastData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *GroupBroadcastData) fields(c *codec) {
	c.name("group", &m.Group)
	c.names("excluded connections", &m.Excluded)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
	c.names("excluded users", &m.ExcludedUsers)
	c.nameOrNil("caller user", &m.CallerUser)
}

// MultiGroupBroadcastData is a message to several groups. A connection receives it once for
// each of these groups that it is in.
type MultiGroupBroadcastData struct {
	Groups    []string
	Payloads  Payloads
	Filter    string
	TracingID uint64
}

// Type returns TypeMultiGroupBroadcastData.
func (*MultiGroupBroadcastData) Type() Type { return TypeMultiGroupBroadcastData }

// Append appends the message with its length prefix.
func (m *MultiGroupBroadcastData) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeMultiGroupBroadcastData, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *MultiGroupBroadcastData) fields(c *codec) {
	c.names("groups", &m.Groups)
	c.payloads(&m.Payloads)
	c.extension(&extension{tracing: &m.TracingID, filter: &m.Filter})
}
