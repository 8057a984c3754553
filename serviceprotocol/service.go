package serviceprotocol

// ServiceError tells a hub server that the gateway is about to close the connection. Hub
// servers stop writing at once, so the gateway must close it (H31).
type ServiceError struct {
	Message string
}

// Type returns TypeServiceError.
func (*ServiceError) Type() Type { return TypeServiceError }

// Append appends the message with its length prefix.
func (m *ServiceError) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeServiceError, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ServiceError) fields(c *codec) {
	c.text("message", &m.Message)
}

// EventObject is what a ServiceEvent is about.
type EventObject int32

const (
	EventServiceInstance  EventObject = 0
	EventConnection       EventObject = 1
	EventUser             EventObject = 2
	EventGroup            EventObject = 3
	EventServerConnection EventObject = 4
)

// EventKind is what has happened to the object of a ServiceEvent.
type EventKind int32

const (
	EventReloading   EventKind = 0
	EventInvalid     EventKind = 1
	EventNotExisting EventKind = 2
	EventBufferFull  EventKind = 3
)

// ServiceEvent is a notice for the hub server's log.
type ServiceEvent struct {
	Object  EventObject
	ID      string
	Kind    EventKind
	Message string
}

// Type returns TypeServiceEvent.
func (*ServiceEvent) Type() Type { return TypeServiceEvent }

// Append appends the message with its length prefix.
func (m *ServiceEvent) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeServiceEvent, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *ServiceEvent) fields(c *codec) {
	c.integer("object", (*int32)(&m.Object))
	c.text("id", &m.ID)
	c.integer("kind", (*int32)(&m.Kind))
	c.text("message", &m.Message)
	c.extension(&extension{})
}

// Unknown is a message of a type that this package does not know. It is not an error: newer
// hub servers may send messages that can be ignored (H19).
type Unknown struct {
	Number Type
	// Body is the whole message without its length prefix. It aliases the parsed body.
	Body []byte
}

// Type returns the number.
func (m *Unknown) Type() Type { return m.Number }

// Append appends the message as it was, with its length prefix.
func (m *Unknown) Append(dst []byte) []byte { return AppendFrame(dst, m.Body) }

func (*Unknown) fields(*codec) {}
