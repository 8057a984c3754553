// Package serviceprotocol is the wire between hub servers and the gateway: MessagePack
// arrays behind a length prefix, on a byte stream that binary WebSocket messages carry
// without regard to where these begin and end.
//
// Each message of the catalogue is a struct of its own. Its Append method writes it with
// its length prefix; Cut (or a Reader) takes a body off the stream; Parse or a Decoder
// reads a body. Both directions can be written and read, so that gateways and hub servers
// share the package.
//
// What is written is what the oldest supported hub servers read: no extension key that
// the message's type does not own, no nil where a list or a map is expected, no two
// headers whose names differ only in case (H21). What is read is read leniently: arrays
// may be shorter (what is missing is empty) or longer than today, lists and maps may be
// nil, extension keys may be unknown (H18, H19).
//
// Nothing in this package may be used concurrently without a lock of the caller's, except
// functions, and messages that nobody changes.
package serviceprotocol

// Message is one message of the catalogue. Its fields that are lists or bytes and come
// from Parse or a Decoder share memory with what was parsed; its strings do not.
type Message interface {
	// Type returns the number that stands first in the message's array.
	Type() Type
	// Append appends the message with its length prefix and returns the extended slice.
	// It allocates only what dst has no room for.
	Append(dst []byte) []byte

	read(r *reader)
}

// Limits of what is read, whatever the size of the frame. They bound the memory that a
// count makes the decoder ask for, and the stack that nesting takes.
const (
	// MaxNames is how many connections, users or groups one list may have.
	MaxNames = 1 << 20
	// MaxPairs is how many entries a map may have, values a header, and texts a ping.
	MaxPairs = 4096
	// MaxDepth is how deep elements that are not understood, and so passed over, may nest.
	MaxDepth = 32
)

// Parse reads a body as Cut or a Reader returns it. A message of a type whose layout is
// not known gives an *Unknown and no error (H19). Byte slices of the message alias body,
// which may therefore not change while the message is in use; lists and strings are its
// own. The error is an *Error, which is ErrMalformed to errors.Is.
func Parse(body []byte) (Message, error) {
	return new(reader).message(body)
}

// Decoder is a Parse for streams: messages that carry data, acks and pings are returned in
// structs and lists that the next call uses again, and names that come up again and again
// (connections, users, groups, protocols) as strings made before. Reading such a message
// then allocates nothing. It must be made by NewDecoder.
type Decoder struct {
	reader reader
	reuse  reuse
}

// NewDecoder returns a decoder for one stream. It holds about 20 KB.
func NewDecoder() *Decoder {
	d := &Decoder{reuse: reuse{texts: newTexts()}}
	d.reader.reuse = &d.reuse
	return d
}

// Decode is Parse, but the message and its lists may only be used until the next call.
// Its strings may be kept for ever. It must not be called concurrently.
func (d *Decoder) Decode(body []byte) (Message, error) {
	d.reuse.reset()
	message, err := d.reader.message(body)
	d.reader.b = nil
	return message, err
}

// maxKept is how many entries a list may have for its memory to be used again.
const maxKept = 4096

// reuse is what a decoder keeps from one message to the next.
type reuse struct {
	texts    texts
	names    []string
	payloads Payloads

	ping            Ping
	ack             Ack
	connectionData  ConnectionData
	multiConnection MultiConnectionData
	userData        UserData
	multiUser       MultiUserData
	broadcast       BroadcastData
	group           GroupBroadcastData
	multiGroup      MultiGroupBroadcastData
}

// reset lets go of the last message's memory, which may be that of a large frame.
func (u *reuse) reset() {
	if cap(u.names) > maxKept {
		u.names = nil
	}
	clear(u.names)
	clear(u.payloads)
	u.names, u.payloads = u.names[:0], u.payloads[:0]
	u.ack.Payload, u.connectionData.Payload = nil, nil
}

// message returns the struct that is used again for messages of type t, if there is one.
func (u *reuse) message(t Type) Message {
	switch t {
	case TypePing:
		return &u.ping
	case TypeAck:
		return &u.ack
	case TypeConnectionData:
		return &u.connectionData
	case TypeMultiConnectionData:
		return &u.multiConnection
	case TypeUserData:
		return &u.userData
	case TypeMultiUserData:
		return &u.multiUser
	case TypeBroadcastData:
		return &u.broadcast
	case TypeGroupBroadcastData:
		return &u.group
	case TypeMultiGroupBroadcastData:
		return &u.multiGroup
	}
	return nil
}
