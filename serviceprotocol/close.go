package serviceprotocol

// The messages below close clients from outside of their hub server, and are answered by
// an Ack. An empty reason is written as nil.

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
	w := begin(dst, TypeCloseConnectionWithAck, 5, 0)
	w.text(m.ConnectionID)
	w.textOrNil(m.Reason)
	w.integer(m.AckID)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CloseConnectionWithAck) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Reason = r.text("reason")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

// CloseConnections closes all clients of the hub but some.
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
	w := begin(dst, TypeCloseConnections, 5, 0)
	w.textOrNil(m.Reason)
	w.integer(m.AckID)
	w.names(m.Excluded)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CloseConnections) read(r *reader) {
	m.Reason = r.text("reason")
	m.AckID = r.integer("ack id")
	m.Excluded = r.names("excluded connections")
	m.TracingID = r.tracing()
}

// CloseUserConnections closes a user's clients but some.
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
	w := begin(dst, TypeCloseUserConnections, 6, 0)
	w.text(m.User)
	w.textOrNil(m.Reason)
	w.integer(m.AckID)
	w.names(m.Excluded)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CloseUserConnections) read(r *reader) {
	m.User = r.name("user")
	m.Reason = r.text("reason")
	m.AckID = r.integer("ack id")
	m.Excluded = r.names("excluded connections")
	m.TracingID = r.tracing()
}

// CloseGroupConnections closes a group's clients but some.
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
	w := begin(dst, TypeCloseGroupConnections, 6, 0)
	w.text(m.Group)
	w.textOrNil(m.Reason)
	w.integer(m.AckID)
	w.names(m.Excluded)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CloseGroupConnections) read(r *reader) {
	m.Group = r.name("group")
	m.Reason = r.text("reason")
	m.AckID = r.integer("ack id")
	m.Excluded = r.names("excluded connections")
	m.TracingID = r.tracing()
}
