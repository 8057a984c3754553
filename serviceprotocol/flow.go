package serviceprotocol

// FlowTarget says what a ConnectionFlowControl applies to.
type FlowTarget int32

const (
	FlowClient FlowTarget = 1
	FlowServer FlowTarget = 2
)

// FlowOperation is what a ConnectionFlowControl asks for.
type FlowOperation int32

const (
	FlowPause    FlowOperation = 1
	FlowPauseAck FlowOperation = 2
	FlowResume   FlowOperation = 3
	FlowOffline  FlowOperation = 4
)

// ConnectionFlowControl pauses or resumes what a hub server sends to a client, or takes a
// server connection out of use. Older hub servers ignore it.
type ConnectionFlowControl struct {
	// ConnectionID is the id of a client, or the cid of the server connection that carries
	// the message.
	ConnectionID string
	Target       FlowTarget
	Operation    FlowOperation
}

// Type returns TypeConnectionFlowControl.
func (*ConnectionFlowControl) Type() Type { return TypeConnectionFlowControl }

// Append appends the message with its length prefix.
func (m *ConnectionFlowControl) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeConnectionFlowControl, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ConnectionFlowControl) fields(c *codec) {
	c.name("connection id", &m.ConnectionID)
	c.wide("target", (*int32)(&m.Target))
	c.wide("operation", (*int32)(&m.Operation))
	c.extension(&extension{})
}
