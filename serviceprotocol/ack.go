package serviceprotocol

// AckStatus is the outcome that an Ack reports.
type AckStatus int32

const (
	AckOK AckStatus = 1
	// AckNotFound is the answer "no" to a hub server.
	AckNotFound      AckStatus = 2
	AckTimeout       AckStatus = 3
	AckInternalError AckStatus = 4
)

// Ack answers a message that has an ack id, on the connection that carried it. Hub servers
// wait ten seconds; an id they do not know, or know no more, they ignore.
type Ack struct {
	AckID   int32
	Status  AckStatus
	Message string
	// Payload is the answer to a query. It aliases the parsed body. Nil, as older hub
	// servers know it, means that there is none.
	Payload []byte
}

// Type returns TypeAck.
func (*Ack) Type() Type { return TypeAck }

// Append appends the message with its length prefix: five elements, and a sixth for a
// payload that is not nil.
func (m *Ack) Append(dst []byte) []byte {
	elements := uint32(5)
	if m.Payload != nil {
		elements = 6
	}
	w := begin(dst, TypeAck, elements, len(m.Payload))
	w.integer(m.AckID)
	w.integer(int32(m.Status))
	w.text(m.Message)
	w.extension(extension{})
	if m.Payload != nil {
		w.binary(m.Payload)
	}
	return w.end()
}

func (m *Ack) read(r *reader) {
	m.AckID = r.integer("ack id")
	m.Status = AckStatus(r.integer("status"))
	m.Message = r.text("message")
	r.extension(ownsNothing)
	m.Payload = r.binary("payload")
}
