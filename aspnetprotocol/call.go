package aspnetprotocol

import (
	"bytes"
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Call is what the gateway looks at in what a client says.
type Call struct {
	// ID is the call's id as the answer names it, which is a text also where the client writes a
	// number. A call without one gets no answer.
	ID    string
	HasID bool
}

// ParseCall reads what a client says: an object with the texts H (hub) and M (method), and if there
// are any the array A (arguments), the id I, a number or a text, and other members. The letter case
// of names does not count, as with hub servers. The size of the text is the caller's to limit. The
// error is ErrMalformed.
func ParseCall(text []byte) (Call, error) {
	if !utf8.Valid(text) {
		return Call{}, ErrMalformed
	}
	var call Call
	var hub, method bool
	o := open(text)
	for o.next() {
		ok := true
		switch o.letter() {
		case 'H', 'h':
			hub, ok = true, o.value[0] == '"'
		case 'M', 'm':
			method, ok = true, o.value[0] == '"'
		case 'A', 'a':
			ok = o.value[0] == '[' || o.value[0] == 'n'
		case 'I', 'i':
			call, ok = callID(o.value)
		}
		if !ok {
			return Call{}, ErrMalformed
		}
	}
	if o.state != walked || !hub || !method {
		return Call{}, ErrMalformed
	}
	return call, nil
}

func callID(value []byte) (Call, bool) {
	if value[0] == 'n' {
		return Call{}, true
	}
	if value[0] == '-' || jsontext.IsDigit(value[0]) {
		if len(value) > MaxCallID {
			return Call{}, false
		}
		return Call{ID: string(value), HasID: true}, true
	}
	id, ok := text(value, MaxCallID)
	return Call{ID: id, HasID: true}, ok
}

// progressID begins the ids of records that report progress.
const progressID = "P|"

// ResponseID returns the id of the call that a frame of this package answers; it may alias the frame.
// It is nil for every other frame: one with messages, a keep-alive, or a report of progress, which ends
// no call.
func ResponseID(frame []byte) []byte {
	if !IsResponse(frame) {
		return nil
	}
	var id []byte
	o := open(frame)
	for o.next() {
		if o.letter() != 'I' {
			continue
		}
		if id = o.value; id[0] == '"' {
			id = id[1 : len(id)-1]
			if jsontext.HasEscape(id) {
				id, _ = jsontext.AppendUnescaped(make([]byte, 0, len(id)), id)
			}
		}
	}
	if o.state != walked || bytes.HasPrefix(id, []byte(progressID)) {
		return nil
	}
	return id
}
