package serviceprotocol

// ClientInvocation is a call of a client's method whose result the hub server waits for.
// The gateway repeats it to the hub server that has the client, if that is another one.
type ClientInvocation struct {
	InvocationID string
	ConnectionID string
	// CallerServerID is the server id of the hub server that waits.
	CallerServerID string
	Payloads       Payloads
	TracingID      uint64
}

// Type returns TypeClientInvocation.
func (*ClientInvocation) Type() Type { return TypeClientInvocation }

// Append appends the message with its length prefix.
func (m *ClientInvocation) Append(dst []byte) []byte {
	w := begin(dst, TypeClientInvocation, 6, m.Payloads.size())
	w.text(m.InvocationID)
	w.text(m.ConnectionID)
	w.text(m.CallerServerID)
	w.payloads(m.Payloads)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *ClientInvocation) read(r *reader) {
	m.InvocationID = r.text("invocation id")
	m.ConnectionID = r.name("connection id")
	m.CallerServerID = r.name("caller server id")
	m.Payloads = r.payloads()
	m.TracingID = r.tracing()
}

// ClientCompletion is the client's answer to a ClientInvocation, on its way to the caller.
// Without a payload it only says that the caller has had the answer.
type ClientCompletion struct {
	InvocationID string
	ConnectionID string
	// CallerServerID is the sender's own server id: the caller is found by InvocationID.
	CallerServerID string
	Protocol       string
	// Payload aliases the parsed body.
	Payload []byte
	// ExtensionProtocol is the protocol once more, in the extension map, where .NET hub
	// servers repeat it; empty if they do not.
	ExtensionProtocol string
	TracingID         uint64
}

// Type returns TypeClientCompletion.
func (*ClientCompletion) Type() Type { return TypeClientCompletion }

// Append appends the message with its length prefix.
func (m *ClientCompletion) Append(dst []byte) []byte {
	w := begin(dst, TypeClientCompletion, 7, len(m.Payload))
	w.text(m.InvocationID)
	w.text(m.ConnectionID)
	w.text(m.CallerServerID)
	w.text(m.Protocol)
	w.binary(m.Payload)
	w.extension(extension{tracing: m.TracingID, protocol: m.ExtensionProtocol})
	return w.end()
}

func (m *ClientCompletion) read(r *reader) {
	m.InvocationID = r.text("invocation id")
	m.ConnectionID = r.name("connection id")
	m.CallerServerID = r.name("caller server id")
	m.Protocol = r.name("protocol")
	m.Payload = r.binary("payload")
	e := r.extension(ownsTracing | ownsProtocol)
	m.TracingID, m.ExtensionProtocol = e.tracing, e.protocol
}

// ErrorCompletion says that a ClientInvocation will have no answer.
type ErrorCompletion struct {
	InvocationID   string
	ConnectionID   string
	CallerServerID string
	Error          string
	TracingID      uint64
}

// Type returns TypeErrorCompletion.
func (*ErrorCompletion) Type() Type { return TypeErrorCompletion }

// Append appends the message with its length prefix.
func (m *ErrorCompletion) Append(dst []byte) []byte {
	w := begin(dst, TypeErrorCompletion, 6, 0)
	w.text(m.InvocationID)
	w.text(m.ConnectionID)
	w.text(m.CallerServerID)
	w.text(m.Error)
	w.tracing(m.TracingID)
	return w.end()
}

func (m *ErrorCompletion) read(r *reader) {
	m.InvocationID = r.text("invocation id")
	m.ConnectionID = r.name("connection id")
	m.CallerServerID = r.name("caller server id")
	m.Error = r.text("error")
	m.TracingID = r.tracing()
}

// ServiceMapping tells a caller which gateway node holds the client that is to answer, so
// that it can give up when the node is gone. Management connections must not be sent any.
type ServiceMapping struct {
	InvocationID string
	ConnectionID string
	InstanceID   string
}

// Type returns TypeServiceMapping.
func (*ServiceMapping) Type() Type { return TypeServiceMapping }

// Append appends the message with its length prefix.
func (m *ServiceMapping) Append(dst []byte) []byte {
	w := begin(dst, TypeServiceMapping, 5, 0)
	w.text(m.InvocationID)
	w.text(m.ConnectionID)
	w.text(m.InstanceID)
	w.extension(extension{})
	return w.end()
}

func (m *ServiceMapping) read(r *reader) {
	m.InvocationID = r.text("invocation id")
	m.ConnectionID = r.name("connection id")
	m.InstanceID = r.name("instance id")
	r.extension(ownsNothing)
}
