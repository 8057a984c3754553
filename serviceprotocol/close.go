package serviceprotocol

// The messages below close clients of any hub server. The gateway answers with an Ack. An
// empty reason is written as nil.

// CloseConnectionWithAck closes one client.
type CloseConnectionWithAck struct {
	ConnectionID string
	Reason       string
	AckID        int32
	TracingID    uint64
}

// Type returns TypeCloseConnectionWithAck.
func (*CloseConnectionWithAck) Type() Type { return TypeCloseConnectionWithAck }

// Append appends the message with its length prefix.
func (m *CloseConnectionWithAck) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCloseConnectionWithAck, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CloseConnectionWithAck) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.textOrNil("reason", &m.Reason)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}

// CloseConnections closes all clients of the hub except those in Excluded.
type CloseConnections struct {
	Reason    string
	AckID     int32
	Excluded  []string
	TracingID uint64
}

// Type returns TypeCloseConnections.
func (*CloseConnections) Type() Type { return TypeCloseConnections }

// Append appends the message with its length prefix.
func (m *CloseConnections) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCloseConnections, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CloseConnections) fields(c *codec) {
	c.textOrNil("reason", &m.Reason)
	c.integer("ack id", &m.AckID)
	c.names("excluded connections", &m.Excluded)
	c.tracing(&m.TracingID)
}

// CloseUserConnections closes a user's clients except those in Excluded.
type CloseUserConnections struct {
	User      string
	Reason    string
	AckID     int32
	Excluded  []string
	TracingID uint64
}

// Type returns TypeCloseUserConnections.
func (*CloseUserConnections) Type() Type { return TypeCloseUserConnections }

// Append appends the message with its length prefix.
func (m *CloseUserConnections) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCloseUserConnections, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CloseUserConnections) fields(c *codec) {
	c.name("user", &m.User)
	c.textOrNil("reason", &m.Reason)
	c.integer("ack id", &m.AckID)
	c.names("excluded connections", &m.Excluded)
	c.tracing(&m.TracingID)
}

// CloseGroupConnections closes a group's clients except those in Excluded.
type CloseGroupConnections struct {
	Group     string
	Reason    string
	AckID     int32
	Excluded  []string
	TracingID uint64
}

// Type returns TypeCloseGroupConnections.
func (*CloseGroupConnections) Type() Type { return TypeCloseGroupConnections }

// Append appends the message with its length prefix.
func (m *CloseGroupConnections) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCloseGroupConnections, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CloseGroupConnections) fields(c *codec) {
	c.name("group", &m.Group)
	c.textOrNil("reason", &m.Reason)
	c.integer("ack id", &m.AckID)
	c.names("excluded connections", &m.Excluded)
	c.tracing(&m.TracingID)
}
