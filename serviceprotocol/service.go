package serviceprotocol

// ServiceError tells a hub server that the gateway is about to close the connection. Hub
// servers stop writing at once, so the connection must be closed (H31).
type ServiceError struct {
	Message string
}

// Type returns TypeServiceError.
func (*ServiceError) Type() Type { return TypeServiceError }

// Append appends the message with its length prefix.
func (m *ServiceError) Append(dst []byte) []byte {
	w := begin(dst, TypeServiceError, 2, 0)
	w.text(m.Message)
	return w.end()
}

func (m *ServiceError) read(r *reader) { m.Message = r.text("message") }

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

// ServiceEvent is a notice that hub servers write to their log.
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
	w := begin(dst, TypeServiceEvent, 6, 0)
	w.integer(int32(m.Object))
	w.text(m.ID)
	w.integer(int32(m.Kind))
	w.text(m.Message)
	w.extension(extension{})
	return w.end()
}

func (m *ServiceEvent) read(r *reader) {
	m.Object = EventObject(r.integer("object"))
	m.ID = r.text("id")
	m.Kind = EventKind(r.integer("kind"))
	m.Message = r.text("message")
	r.extension(ownsNothing)
}

// Unknown is a message of a type that this package does not know. It is no error: newer
// hub servers may have messages that can be ignored (H19).
type Unknown struct {
	Number Type
	// Body is the whole message without its length prefix, and what was parsed.
	Body []byte
}

// Type returns the number.
func (m *Unknown) Type() Type { return m.Number }

// Append appends the message as it was, with its length prefix.
func (m *Unknown) Append(dst []byte) []byte { return AppendFrame(dst, m.Body) }

func (*Unknown) read(r *reader) {}
