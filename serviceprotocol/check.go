package serviceprotocol

// The gateway answers the questions below with an Ack: AckOK for yes, AckNotFound for no.

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
	var c codec
	c.begin(dst, TypeCheckUserInGroup, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CheckUserInGroup) fields(c *codec) {
	c.name("user", &m.User)
	c.name("group", &m.Group)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}

// CheckGroupExistence asks whether a group has any connection.
type CheckGroupExistence struct {
	Group     string
	AckID     int32
	TracingID uint64
}

// Type returns TypeCheckGroupExistence.
func (*CheckGroupExistence) Type() Type { return TypeCheckGroupExistence }

// Append appends the message with its length prefix.
func (m *CheckGroupExistence) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCheckGroupExistence, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CheckGroupExistence) fields(c *codec) {
	c.name("group", &m.Group)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
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
	var c codec
	c.begin(dst, TypeCheckConnectionExistence, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CheckConnectionExistence) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}

// CheckUserExistence asks whether a user has any connection.
type CheckUserExistence struct {
	User      string
	AckID     int32
	TracingID uint64
}

// Type returns TypeCheckUserExistence.
func (*CheckUserExistence) Type() Type { return TypeCheckUserExistence }

// Append appends the message with its length prefix.
func (m *CheckUserExistence) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeCheckUserExistence, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *CheckUserExistence) fields(c *codec) {
	c.name("user", &m.User)
	c.integer("ack id", &m.AckID)
	c.tracing(&m.TracingID)
}
