package serviceprotocol

// ClientInvocation calls a client's method; the hub server waits for the result. The gateway
// forwards it to the hub server that has the client, if that is another one.
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
	var c codec
	c.begin(dst, TypeClientInvocation, m.Payloads.size())
	m.fields(&c)
	return c.w.end()
}

func (m *ClientInvocation) fields(c *codec) {
	c.text("invocation id", &m.InvocationID)
	c.name("connection id", &m.ConnectionID)
	c.name("caller server id", &m.CallerServerID)
	c.payloads(&m.Payloads)
	c.tracing(&m.TracingID)
}

// ClientCompletion is the client's answer to a ClientInvocation, on its way to the caller.
// Without a payload it says that the caller already has the answer.
type ClientCompletion struct {
	InvocationID string
	ConnectionID string
	// CallerServerID is the sender's own server id. The gateway finds the caller by
	// InvocationID.
	CallerServerID string
	Protocol       string
	// Payload aliases the parsed body.
	Payload []byte
	// ExtensionProtocol is the protocol once more, in the extension map. .NET hub servers
	// repeat it there.
	ExtensionProtocol string
	TracingID         uint64
}

// Type returns TypeClientCompletion.
func (*ClientCompletion) Type() Type { return TypeClientCompletion }

// Append appends the message with its length prefix.
func (m *ClientCompletion) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeClientCompletion, len(m.Payload))
	m.fields(&c)
	return c.w.end()
}

func (m *ClientCompletion) fields(c *codec) {
	c.text("invocation id", &m.InvocationID)
	c.name("connection id", &m.ConnectionID)
	c.name("caller server id", &m.CallerServerID)
	c.name("protocol", &m.Protocol)
	c.binary("payload", &m.Payload)
	c.extension(&extension{tracing: &m.TracingID, protocol: &m.ExtensionProtocol})
}

// ErrorCompletion says that a ClientInvocation gets no answer, and why.
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
	var c codec
	c.begin(dst, TypeErrorCompletion, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ErrorCompletion) fields(c *codec) {
	c.text("invocation id", &m.InvocationID)
	c.name("connection id", &m.ConnectionID)
	c.name("caller server id", &m.CallerServerID)
	c.text("error", &m.Error)
	c.tracing(&m.TracingID)
}

// ServiceMapping tells a caller which gateway node holds the client that it has called, so
// that the caller can give up when the node is gone. It must not be sent to management
// connections.
type ServiceMapping struct {
	InvocationID string
	ConnectionID string
	InstanceID   string
}

// Type returns TypeServiceMapping.
func (*ServiceMapping) Type() Type { return TypeServiceMapping }

// Append appends the message with its length prefix.
func (m *ServiceMapping) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeServiceMapping, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ServiceMapping) fields(c *codec) {
	c.text("invocation id", &m.InvocationID)
	c.name("connection id", &m.ConnectionID)
	c.name("instance id", &m.InstanceID)
	c.extension(&extension{})
}
