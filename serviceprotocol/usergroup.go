package serviceprotocol

// UserJoinGroup adds a user to a group: all connections, present and future. It is not
// acknowledged; older hub servers use it.
type UserJoinGroup struct {
	User  string
	Group string
	// TTL is the duration of the membership in seconds. It only counts if HasTTL is true;
	// otherwise the membership does not end.
	TTL       int32
	HasTTL    bool
	TracingID uint64
}

// Type returns TypeUserJoinGroup.
func (*UserJoinGroup) Type() Type { return TypeUserJoinGroup }

// Append appends the message with its length prefix.
func (m *UserJoinGroup) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeUserJoinGroup, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *UserJoinGroup) fields(c *codec) {
	c.name("user", &m.User)
	c.name("group", &m.Group)
	c.extension(&extension{tracing: &m.TracingID, hasTTL: &m.HasTTL, ttl: &m.TTL})
}

// UserLeaveGroup removes a user from a group. It is not acknowledged.
type UserLeaveGroup struct {
	User  string
	Group string
	// All replaces the group: the user leaves all groups. It is nil on the wire.
	All       bool
	TracingID uint64
}

// Type returns TypeUserLeaveGroup.
func (*UserLeaveGroup) Type() Type { return TypeUserLeaveGroup }

// Append appends the message with its length prefix.
func (m *UserLeaveGroup) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeUserLeaveGroup, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *UserLeaveGroup) fields(c *codec) {
	c.name("user", &m.User)
	c.group(&m.Group, &m.All)
	c.tracing(&m.TracingID)
}

// UserJoinGroupWithAck is UserJoinGroup with an Ack.
type UserJoinGroupWithAck struct {
	User  string
	Group string
	AckID int32
	// TTL is the duration of the membership in seconds. It only counts if HasTTL is true;
	// otherwise the membership does not end.
	TTL       int32
	HasTTL    bool
	TracingID uint64
}

// Type returns TypeUserJoinGroupWithAck.
func (*UserJoinGroupWithAck) Type() Type { return TypeUserJoinGroupWithAck }

// Append appends the message with its length prefix.
func (m *UserJoinGroupWithAck) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeUserJoinGroupWithAck, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *UserJoinGroupWithAck) fields(c *codec) {
	c.name("user", &m.User)
	c.name("group", &m.Group)
	c.integer("ack id", &m.AckID)
	c.extension(&extension{tracing: &m.TracingID, hasTTL: &m.HasTTL, ttl: &m.TTL})
}

// UserLeaveGroupWithAck is UserLeaveGroup with an Ack.
type UserLeaveGroupWithAck struct {
	User  string
	Group string
	// All replaces the group: the user leaves all groups (H62). It is nil on the wire.
	All       bool
	AckID     int32
	TracingID uint64
}

// Type returns TypeUserLeaveGroupWithAck.
func (*UserLeaveGroupWithAck) Type() Type { return TypeUserLeaveGroupWithAck }

// Append appends the message with its length prefix.
func (m *UserLeaveGroupWithAck) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeUserLeaveGroupWithAck, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *UserLeaveGroupWithAck) fields(c *codec) {
	c.name("user", &m.User)
	c.group(&m.Group, &m.All)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}
