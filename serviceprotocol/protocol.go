// Package serviceprotocol is the wire between hub servers and the gateway: MessagePack
// arrays with a length prefix, on a byte stream in binary WebSocket messages. A WebSocket
// message may begin and end anywhere in that stream.
//
// Each message of the catalogue is a struct of its own. Its Append method writes it with
// its length prefix. Cut or a Reader takes a body off the stream, and Parse or a Decoder
// reads it. Gateways and hub servers share the package: every message can be written and
// read.
//
// Writing is strict, for the oldest supported hub servers: no extension key that the type
// does not have, no nil in the place of a list or a map, no two headers whose names differ
// only in case (H21). Reading is lenient: arrays may be shorter or longer than today's, lists
// and maps may be nil, extension keys may be unknown (H18, H19). What is missing reads as
// empty.
//
// Functions may be called concurrently. So may the methods of a message that nobody changes.
// Everything else needs a lock of the caller.
package serviceprotocol

// Message is one message of the catalogue. Bytes of a message that Parse or a Decoder has
// returned share memory with the parsed body; its strings do not.
type Message interface {
	// Type returns the number that stands first in the message's array.
	Type() Type
	// Append appends the message with its length prefix and returns the extended slice.
	// It allocates only if dst has no room.
	Append(dst []byte) []byte

	// fields walks over the elements behind the type, in their order on the wire.
	fields(c *codec)
}

// Limits of what is read, whatever the size of the frame. They bound the memory that is
// allocated for announced entries, and the depth of recursion.
const (
	// MaxNames is the largest number of connections, users or groups in one list.
	MaxNames = 1 << 20
	// MaxPairs is the largest number of entries of a map, values of a header or texts of a
	// ping.
	MaxPairs = 4096
	// MaxDepth is how deep elements may nest that are skipped because they are not known.
	MaxDepth = 32
)

// Parse reads a body as Cut or a Reader returns it. A type that is not known gives an
// *Unknown and no error (H19). Byte slices of the message alias body, which must not change
// while the message is in use; lists and strings do not. The error is an *Error, and matches
// ErrMalformed.
func Parse(body []byte) (Message, error) {
	return new(codec).message(body)
}

// Decoder is Parse for streams. It reuses the structs and lists of frequent messages (data,
// acks, pings) for the next call, and the strings of names that occur again (connections,
// users, groups, protocols), so that reading such a message allocates nothing. It must be
// made by NewDecoder.
type Decoder struct {
	codec codec
	reuse reuse
}

// NewDecoder returns a decoder for one stream. It holds about 20 KB.
func NewDecoder() *Decoder {
	d := &Decoder{reuse: reuse{texts: newTexts()}}
	d.codec.r.reuse = &d.reuse
	return d
}

// Decode is Parse, but the message and its lists are only valid until the next call. Its
// strings may be kept. Decode must not be called concurrently.
func (d *Decoder) Decode(body []byte) (Message, error) {
	d.reuse.reset()
	message, err := d.codec.message(body)
	d.codec.r.b = nil
	return message, err
}

// TracingID returns the tracing id of the message that was decoded last, of whatever type it is; 0 if it has none.
func (d *Decoder) TracingID() uint64 { return d.codec.r.tracing }

// maxKept is how many entries a list may have for its memory to be used again.
const maxKept = 4096

// reuse is what a decoder keeps from one message to the next.
type reuse struct {
	texts texts
	lists reusedLists

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

// reusedLists are the lists of the last message.
type reusedLists struct {
	names    []string
	payloads Payloads
}

// reset lets go of the last message's memory, which may be that of a large frame.
func (u *reuse) reset() {
	lists := &u.lists
	if cap(lists.names) > maxKept {
		lists.names = nil
	}
	clear(lists.names)
	clear(lists.payloads)
	lists.names, lists.payloads = lists.names[:0], lists.payloads[:0]
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
