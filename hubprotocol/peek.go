package hubprotocol

import "github.com/hubgate/hubgate/internal/jsontext"

// Peeked is what Peek finds in a record. The byte slices share the record's memory.
type Peeked struct {
	Type         Type
	HasID        bool   // an empty id counts as none
	InvocationID []byte // for JSON still escaped
	Target       []byte // for JSON still escaped; nil if there is none
	escaped      bool   // InvocationID has escapes
}

// SameID reports whether the record's invocation id is id, however it is written. It
// does not allocate for ids of up to 64 bytes.
func (p Peeked) SameID(id string) bool {
	if !p.HasID {
		return false
	}
	if !p.escaped {
		return string(p.InvocationID) == id
	}
	var room [64]byte
	plain, _ := jsontext.AppendUnescaped(room[:0], p.InvocationID)
	return string(plain) == id
}

// ID returns the record's invocation id as it is meant, empty if there is none.
func (p Peeked) ID() string {
	if !p.escaped {
		return string(p.InvocationID)
	}
	plain, _ := jsontext.AppendUnescaped(nil, p.InvocationID)
	return string(plain)
}

// Peek finds the type, the invocation id and the target of one whole record without
// its framing (the body that Cut returned), for bytes that are passed on to somebody
// who checks them. It neither allocates nor looks into arguments, and what it does not
// look for may be malformed. Like Parse it lets the last of equal members win, and
// maps record types outside of a byte to 0.
func Peek(protocol string, body []byte) (Peeked, error) {
	switch protocol {
	case JSON:
		return peekJSON(body)
	case MessagePack, BlazorPack:
		return peekPacked(body)
	}
	return Peeked{}, ErrProtocol
}

func peekJSON(body []byte) (p Peeked, err error) {
	walk, text := openObject(body)
	if text != "" {
		return Peeked{}, recordError(text)
	}
	walk.loose = true
	typed := false
	for walk.next() {
		switch string(walk.name) {
		case "type":
			n, text := int32Member("type", walk.value)
			if text != "" {
				return Peeked{}, recordError(text)
			}
			p.Type, typed = recordType(int64(n)), true
		case "invocationId":
			p.InvocationID = insideQuotes(walk.value)
		case "target":
			p.Target = insideQuotes(walk.value)
		}
	}
	if walk.bad {
		return Peeked{}, recordError(textNotJSON)
	}
	if !typed {
		return Peeked{}, recordError("Missing required property 'type'.")
	}
	p.HasID = len(p.InvocationID) > 0
	p.escaped = jsontext.HasEscape(p.InvocationID)
	return p, nil
}

// insideQuotes returns nil for anything but a string.
func insideQuotes(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

func peekPacked(body []byte) (p Peeked, err error) {
	r := packReader{b: body}
	if r.array("record") == 0 {
		r.fail("Reading 'messageType' as Int32 failed.")
	}
	p.Type = recordType(r.int32("messageType"))
	if p.Type >= Invocation && p.Type <= CancelInvocation {
		r.headers()
		p.InvocationID = r.str("invocationId")
	}
	if p.Type == Invocation || p.Type == StreamInvocation {
		p.Target = r.str("target")
	}
	if r.text != "" {
		return Peeked{}, recordError(r.text)
	}
	p.HasID = len(p.InvocationID) > 0
	return p, nil
}
