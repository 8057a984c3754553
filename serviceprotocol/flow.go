package serviceprotocol

// FlowTarget says what a ConnectionFlowControl is about.
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

// ConnectionFlowControl pauses and resumes what a hub server sends to a client, or takes a
// server connection out of use. Older hub servers ignore it.
type ConnectionFlowControl struct {
	// ConnectionID is a client's, or the cid of the server connection that carries the message.
	ConnectionID string
	Target       FlowTarget
	Operation    FlowOperation
}

// Type returns TypeConnectionFlowControl.
func (*ConnectionFlowControl) Type() Type { return TypeConnectionFlowControl }

// Append appends the message with its length prefix.
func (m *ConnectionFlowControl) Append(dst []byte) []byte {
	w := begin(dst, TypeConnectionFlowControl, 5, 0)
	w.text(m.ConnectionID)
	w.wide(int32(m.Target))
	w.wide(int32(m.Operation))
	w.extension(extension{})
	return w.end()
}

func (m *ConnectionFlowControl) read(r *reader) {
	m.ConnectionID = r.name("connection id")
	m.Target = FlowTarget(r.integer("target"))
	m.Operation = FlowOperation(r.integer("operation"))
	r.extension(ownsNothing)
}
