package serviceprotocol

// UserJoinGroup adds a user to a group, unacknowledged, as older hub servers do. The
// membership is the user's: it holds for present and future connections.
type UserJoinGroup struct {
	User  string
	Group string
	// TTL is how many seconds the membership lasts, if HasTTL; else it does not end.
	TTL       int32
	HasTTL    bool
	TracingID uint64
}

// Type returns TypeUserJoinGroup.
func (*UserJoinGroup) Type() Type { return TypeUserJoinGroup }

// Append appends the message with its length prefix.
func (m *UserJoinGroup) Append(dst []byte) []byte {
	w := begin(dst, TypeUserJoinGroup, 4, 0)
	w.text(m.User)
	w.text(m.Group)
	w.extension(extension{tracing: m.TracingID, hasTTL: m.HasTTL, ttl: m.TTL})
	return w.end()
}

func (m *UserJoinGroup) read(r *reader) {
	m.User = r.name("user")
	m.Group = r.name("group")
	e := r.extension(ownsTracing | ownsTTL)
	m.TracingID, m.HasTTL, m.TTL = e.tracing, e.hasTTL, e.ttl
}

// UserLeaveGroup removes a user from a group, unacknowledged.
type UserLeaveGroup struct {
	User  string
	Group string
	// All stands for a group of nil: the user leaves all groups.
	All       bool
	TracingID uint64
}

// Type returns TypeUserLeaveGroup.
func (*UserLeaveGroup) Type() Type { return TypeUserLeaveGroup }

// Append appends the message with its length prefix.
func (m *UserLeaveGroup) Append(dst []byte) []byte {
	w := begin(dst, TypeUserLeaveGroup, 4, 0)
	w.text(m.User)
	w.group(m.Group, m.All)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *UserLeaveGroup) read(r *reader) {
	m.User = r.name("user")
	m.Group, m.All = r.group()
	m.TracingID = r.tracing()
}

// UserJoinGroupWithAck is UserJoinGroup, answered by an Ack.
type UserJoinGroupWithAck struct {
	User  string
	Group string
	AckID int32
	// TTL is how many seconds the membership lasts, if HasTTL; else it does not end.
	TTL       int32
	HasTTL    bool
	TracingID uint64
}

// Type returns TypeUserJoinGroupWithAck.
func (*UserJoinGroupWithAck) Type() Type { return TypeUserJoinGroupWithAck }

// Append appends the message with its length prefix.
func (m *UserJoinGroupWithAck) Append(dst []byte) []byte {
	w := begin(dst, TypeUserJoinGroupWithAck, 5, 0)
	w.text(m.User)
	w.text(m.Group)
	w.integer(m.AckID)
	w.extension(extension{tracing: m.TracingID, hasTTL: m.HasTTL, ttl: m.TTL})
	return w.end()
}

func (m *UserJoinGroupWithAck) read(r *reader) {
	m.User = r.name("user")
	m.Group = r.name("group")
	m.AckID = r.integer("ack id")
	e := r.extension(ownsTracing | ownsTTL)
	m.TracingID, m.HasTTL, m.TTL = e.tracing, e.hasTTL, e.ttl
}

// UserLeaveGroupWithAck is UserLeaveGroup, answered by an Ack.
type UserLeaveGroupWithAck struct {
	User  string
	Group string
	// All stands for a group of nil: the user leaves all groups (H62).
	All       bool
	AckID     int32
	TracingID uint64
}

// Type returns TypeUserLeaveGroupWithAck.
func (*UserLeaveGroupWithAck) Type() Type { return TypeUserLeaveGroupWithAck }

// Append appends the message with its length prefix.
func (m *UserLeaveGroupWithAck) Append(dst []byte) []byte {
	w := begin(dst, TypeUserLeaveGroupWithAck, 5, 0)
	w.text(m.User)
	w.group(m.Group, m.All)
	w.integer(m.AckID)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *UserLeaveGroupWithAck) read(r *reader) {
	m.User = r.name("user")
	m.Group, m.All = r.group()
	m.AckID = r.integer("ack id")
	m.TracingID = r.tracing()
}
