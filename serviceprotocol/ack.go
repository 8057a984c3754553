package serviceprotocol

// AckStatus is the outcome that an Ack reports.
type AckStatus int32

const (
	AckOK AckStatus = 1
	// AckNotFound means no: there is no such connection, or the question is answered with no.
	AckNotFound      AckStatus = 2
	AckTimeout       AckStatus = 3
	AckInternalError AckStatus = 4
)

// Ack answers a message that has an ack id, on the connection that carried the message. Hub
// servers wait ten seconds for it, and ignore ids that they do not wait for.
type Ack struct {
	AckID   int32
	Status  AckStatus
	Message string
	// Payload is the answer to a query, nil for every other message. It aliases the parsed
	// body. Older hub servers do not know it.
	Payload []byte
}

// Type returns TypeAck.
func (*Ack) Type() Type { return TypeAck }

// Append appends the message with its length prefix. The payload is only written if it is
// not nil.
func (m *Ack) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypeAck, len(m.Payload))
	m.fields(&c)
	return c.w.end()
}

func (m *Ack) fields(c *codec) {
	c.integer("ack id", &m.AckID)
	c.integer("status", (*int32)(&m.Status))
	c.text("message", &m.Message)
	c.extension(&extension{})
	c.optionalBinary("payload", &m.Payload)
}
