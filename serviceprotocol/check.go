package serviceprotocol

// The questions below are answered by an Ack: AckOK for yes, AckNotFound for no.

// CheckUserInGroup asks whether a user is in a group.
type CheckUserInGroup struct {
	User      string
	Group     string
	AckID     int32
	TracingID uint64
}

// Type returns TypeCheckUserInGroup.
func (*CheckUserInGroup) Type() Type { return TypeCheckUserInGroup }

// Append appends the message with its length prefix.
func (m *CheckUserInGroup) Append(dst []byte) []byte {
	w := begin(dst, TypeCheckUserInGroup, 5, 0)
	w.text(m.User)
	w.text(m.Group)
	w.integer(m.AckID)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *CheckUserInGroup) read(r *reader) {
	m.User = r.name("user")
	m.Group = r.name("group")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

// CheckGroupExistence asks whether a group has a connection.
type CheckGroupExistence struct {
	Group     string
	AckID     int32
	TracingID uint64
}

// Type returns TypeCheckGroupExistence.
func (*CheckGroupExistence) Type() Type { return TypeCheckGroupExistence }

// Append appends the message with its length prefix.
func (m *CheckGroupExistence) Append(dst []byte) []byte {
	return appendCheck(dst, TypeCheckGroupExistence, m.Group, m.AckID, m.TracingID)
}

func (m *CheckGroupExistence) read(r *reader) {
	m.Group = r.name("group")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

// CheckConnectionExistence asks whether a connection exists.
type CheckConnectionExistence struct {
	ConnectionID string
	AckID        int32
	TracingID    uint64
}

// Type returns TypeCheckConnectionExistence.
func (*CheckConnectionExistence) Type() Type { return TypeCheckConnectionExistence }

// Append appends the message with its length prefix.
func (m *CheckConnectionExistence) Append(dst []byte) []byte {
	return appendCheck(dst, TypeCheckConnectionExistence, m.ConnectionID, m.AckID, m.TracingID)
}

func (m *CheckConnectionExistence) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

// CheckUserExistence asks whether a user has a connection.
type CheckUserExistence struct {
	User      string
	AckID     int32
	TracingID uint64
}

// Type returns TypeCheckUserExistence.
func (*CheckUserExistence) Type() Type { return TypeCheckUserExistence }

// Append appends the message with its length prefix.
func (m *CheckUserExistence) Append(dst []byte) []byte {
	return appendCheck(dst, TypeCheckUserExistence, m.User, m.AckID, m.TracingID)
}

func (m *CheckUserExistence) read(r *reader) {
	m.User = r.name("user")
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}

func appendCheck(dst []byte, t Type, name string, ack int32, tracing uint64) []byte {
	w := begin(dst, t, 4, 0)
	w.text(name)
	w.integer(ack)
	w.tracing(tracing)
	return w.end()
}
