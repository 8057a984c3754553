package serviceprotocol

// JoinGroup adds a connection to a group, unacknowledged, as older hub servers do.
type JoinGroup struct {
	ConnectionID string
	Group        string
	TracingID    uint64
}

// Type returns TypeJoinGroup.
func (*JoinGroup) Type() Type { return TypeJoinGroup }

// Append appends the message with its length prefix.
func (m *JoinGroup) Append(dst []byte) []byte {
	w := begin(dst, TypeJoinGroup, 4, 0)
	w.text(m.ConnectionID)
	w.text(m.Group)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *JoinGroup) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Group = r.name("group")
	m.TracingID = r.tracing()
}

// LeaveGroup removes a connection from a group, unacknowledged.
type LeaveGroup struct {
	ConnectionID string
	Group        string
	// All stands for a group of nil: the connection leaves all its groups.
	All       bool
	TracingID uint64
}

// Type returns TypeLeaveGroup.
func (*LeaveGroup) Type() Type { return TypeLeaveGroup }

// Append appends the message with its length prefix.
func (m *LeaveGroup) Append(dst []byte) []byte {
	w := begin(dst, TypeLeaveGroup, 4, 0)
	w.text(m.ConnectionID)
	w.group(m.Group, m.All)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *LeaveGroup) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Group, m.All = r.group()
	m.TracingID = r.tracing()
}

// JoinGroupWithAck adds a connection to a group. The Ack follows when later messages on any
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
	w := begin(dst, TypeJoinGroupWithAck, 5, 0)
	w.text(m.ConnectionID)
	w.text(m.Group)
	w.integer(m.AckID)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *JoinGroupWithAck) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Group = r.name("group")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

// LeaveGroupWithAck removes a connection from a group.
type LeaveGroupWithAck struct {
	ConnectionID string
	Group        string
	// All stands for a group of nil: the connection leaves all its groups (H62).
	All       bool
	AckID     int32
	TracingID uint64
}

// Type returns TypeLeaveGroupWithAck.
func (*LeaveGroupWithAck) Type() Type { return TypeLeaveGroupWithAck }

// Append appends the message with its length prefix.
func (m *LeaveGroupWithAck) Append(dst []byte) []byte {
	w := begin(dst, TypeLeaveGroupWithAck, 5, 0)
	w.text(m.ConnectionID)
	w.group(m.Group, m.All)
	w.integer(m.AckID)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *LeaveGroupWithAck) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Group, m.All = r.group()
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}
