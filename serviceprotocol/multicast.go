package serviceprotocol

import "strings"

// Payload is a message in the encoding of one hub protocol, with its framing.
type Payload struct {
	// Protocol is the hub protocol's name: json, messagepack, blazorpack or any other.
	Protocol string
	// Data aliases the parsed body.
	Data []byte
}

// Payloads is one message in every encoding that its sender knows.
type Payloads []Payload

// For returns the message in the encoding of a hub protocol. Names are compared without
// regard to case, as hub servers do.
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

// The multicast messages below go to every hub protocol's clients of one hub. A Filter is
// an expression of which nothing is known; hub servers do not send one.

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
	w := begin(dst, TypeMultiConnectionData, 4, m.Payloads.size())
	w.names(m.Connections)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	return w.end()
}

func (m *MultiConnectionData) read(r *reader) {
	m.Connections = r.names("connections")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
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
	w := begin(dst, TypeUserData, 4, m.Payloads.size())
	w.text(m.User)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	return w.end()
}

func (m *UserData) read(r *reader) {
	m.User = r.name("user")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
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
	w := begin(dst, TypeMultiUserData, 4, m.Payloads.size())
	w.names(m.Users)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	return w.end()
}

func (m *MultiUserData) read(r *reader) {
	m.Users = r.names("users")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
}

// BroadcastData is a message to all connections of the hub but some.
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
	w := begin(dst, TypeBroadcastData, 4, m.Payloads.size())
	w.names(m.Excluded)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	return w.end()
}

func (m *BroadcastData) read(r *reader) {
	m.Excluded = r.names("excluded connections")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
}

// GroupBroadcastData is a message to the connections of a group but some.
type GroupBroadcastData struct {
	Group string
	// Excluded are connections that do not get it.
	Excluded []string
	Payloads Payloads
	// ExcludedUsers are users whose connections do not get it.
	ExcludedUsers []string
	// CallerUser is written by other front ends; what it is for is not known.
	CallerUser string
	Filter     string
	TracingID  uint64
}

// Type returns TypeGroupBroadcastData.
func (*GroupBroadcastData) Type() Type { return TypeGroupBroadcastData }

// Append appends the message with its length prefix.
func (m *GroupBroadcastData) Append(dst []byte) []byte {
	w := begin(dst, TypeGroupBroadcastData, 7, m.Payloads.size())
	w.text(m.Group)
	w.names(m.Excluded)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	w.names(m.ExcludedUsers)
	w.textOrNil(m.CallerUser)
	return w.end()
}

func (m *GroupBroadcastData) read(r *reader) {
	m.Group = r.name("group")
	m.Excluded = r.names("excluded connections")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
	m.ExcludedUsers = r.names("excluded users")
	m.CallerUser = r.name("caller user")
}

// MultiGroupBroadcastData is a message to groups. A connection gets it once for each of
// the groups that it is in.
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
	w := begin(dst, TypeMultiGroupBroadcastData, 4, m.Payloads.size())
	w.names(m.Groups)
	w.payloads(m.Payloads)
	w.extension(extension{tracing: m.TracingID, filter: m.Filter})
	return w.end()
}

func (m *MultiGroupBroadcastData) read(r *reader) {
	m.Groups = r.names("groups")
	m.Payloads = r.payloads()
	e := r.extension(ownsTracing | ownsFilter)
	m.TracingID, m.Filter = e.tracing, e.filter
}
