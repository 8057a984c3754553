package serviceprotocol

// JoinGroup adds a connection to a group. It is not acknowledged; older hub servers use it.
type JoinGroup struct {
	ConnectionID string
	Group        string
	TracingID    uint64
}

// Type returns TypeJoinGroup.
func (*JoinGroup) Type() Type { return TypeJoinGroup }

// Append appends the message with its length prefix.
func (m *JoinGroup) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeJoinGroup, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *JoinGroup) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.name("group", &m.Group)
	c.tracing(&m.TracingID)
}

// LeaveGroup removes a connection from a group. It is not acknowledged.
type LeaveGroup struct {
	ConnectionID string
	Group        string
	// All replaces the group: the connection leaves all groups. It is nil on the wire.
	All       bool
	TracingID uint64
}

// Type returns TypeLeaveGroup.
func (*LeaveGroup) Type() Type { return TypeLeaveGroup }

// Append appends the message with its length prefix.
func (m *LeaveGroup) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeLeaveGroup, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *LeaveGroup) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.group(&m.Group, &m.All)
	c.tracing(&m.TracingID)
}

// JoinGroupWithAck adds a connection to a group. The Ack follows once later messages on every
// server connection see the membership (H61).
type JoinGroupWithAck struct {
	ConnectionID string
	Group        string
	AckID        int32
	TracingID    uint64
}

// Type returns TypeJoinGroupWithAck.
func (*JoinGroupWithAck) Type() Type { return TypeJoinGroupWithAck }

// Append appends the message with its length prefix.
func (m *JoinGroupWithAck) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeJoinGroupWithAck, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *JoinGroupWithAck) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.name("group", &m.Group)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}

// LeaveGroupWithAck removes a connection from a group.
type LeaveGroupWithAck struct {
	ConnectionID string
	Group        string
	// All replaces the group: the connection leaves all groups (H62). It is nil on the wire.
	All       bool
	AckID     int32
	TracingID uint64
}

// Type returns TypeLeaveGroupWithAck.
func (*LeaveGroupWithAck) Type() Type { return TypeLeaveGroupWithAck }

// Append appends the message with its length prefix.
func (m *LeaveGroupWithAck) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeLeaveGroupWithAck, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *LeaveGroupWithAck) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.group(&m.Group, &m.All)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}
