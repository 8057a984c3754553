package hubprotocol

// Message is one record, decoded as far as a gateway needs it. Raw members are in the
// encoding of the record's protocol and share the memory of the bytes they were read from.
type Message struct {
	Type           Type
	InvocationID   string
	HasID          bool     // an empty id counts as none, in JSON too
	Target         string   // Invocation and StreamInvocation: not empty
	Arguments      []byte   // raw array
	StreamIDs      []string // ids of the upload streams that come with the invocation
	Error          string   // Completion and Close
	HasError       bool     // an empty error is still an error
	Result         []byte   // raw: result of a Completion, item of a StreamItem; nil if there is none
	AllowReconnect bool
	SequenceID     uint64 // Ack and Sequence
}

// recordError is what is wrong with a record: a sentence that may be shown to the client.
type recordError string

func (e recordError) Error() string        { return string(e) }
func (e recordError) Is(target error) bool { return target == ErrMalformed }

// Parse decodes and checks one record without its framing (the body that Cut returned)
// as ASP.NET Core does: an error means that the connection is to be closed, with the
// error's text if the client may see details. A record of an unknown type is no error:
// its Type is not Known (types outside of a byte become 0) and it is to be ignored (C75).
// In one respect it is stricter: nothing may follow the record. Strings are decoded,
// arguments, result and item are only checked for their syntax, and stay raw.
func Parse(protocol string, body []byte) (Message, error) {
	var m Message
	var text string
	switch protocol {
	case JSON:
		text = m.parseJSON(body)
	case MessagePack, BlazorPack:
		text = m.parsePacked(body)
	default:
		return Message{}, ErrProtocol
	}
	if text != "" {
		return Message{}, recordError(text)
	}
	return m, nil
}

func recordType(n int64) Type {
	if n < 0 || n > 255 {
		return 0
	}
	return Type(n)
}
