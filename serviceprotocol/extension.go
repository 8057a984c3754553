package serviceprotocol

import "github.com/tinylib/msgp/msgp"

// Keys of the extension map that is one element of almost every message.
const (
	keyTracing  = 1
	keyTTL      = 2
	keyProtocol = 3
	keyFilter   = 4
	keyDataKind = 5
	keyPartial  = 6
)

// extension says where the values of an extension map are, in the order of their keys. A
// nil pointer is a key that the message's type does not own. Older hub servers do not pass
// over the values of keys that they do not expect, so no such key is ever written; what is
// read of them is ignored.
type extension struct {
	tracing  *uint64
	ttl      *int32
	hasTTL   *bool // goes with ttl
	protocol *string
	filter   *string
	kind     *DataKind
	partial  *bool
}

// extension walks over the extension map, which is one element.
func (c *codec) extension(e *extension) {
	if c.writing {
		c.w.extension(e)
		return
	}
	e.reset()
	r := &c.r
	if !r.next() {
		return
	}
	for n := r.pairs("extension"); n > 0 && r.reason == ""; n-- {
		key := r.key()
		switch {
		case !e.owns(key):
			r.skip("extension")
		case r.null():
			// As if the key were not there.
		default:
			e.read(r, key)
		}
	}
}

// tracing is extension for types that own no other key.
func (c *codec) tracing(id *uint64) { c.extension(&extension{tracing: id}) }

// reset empties the values, for a map that does not have them.
func (e *extension) reset() {
	if e.tracing != nil {
		*e.tracing = 0
	}
	if e.ttl != nil {
		*e.ttl, *e.hasTTL = 0, false
	}
	if e.protocol != nil {
		*e.protocol = ""
	}
	if e.filter != nil {
		*e.filter = ""
	}
	if e.kind != nil {
		*e.kind = DataUnknown
	}
	if e.partial != nil {
		*e.partial = false
	}
}

func (e *extension) owns(key int64) bool {
	switch key {
	case keyTracing:
		return e.tracing != nil
	case keyTTL:
		return e.ttl != nil
	case keyProtocol:
		return e.protocol != nil
	case keyFilter:
		return e.filter != nil
	case keyDataKind:
		return e.kind != nil
	case keyPartial:
		return e.partial != nil
	}
	return false
}

// key reads a key, which is 0 for all that is no known key's number.
func (r *reader) key() int64 {
	key, rest, err := msgp.ReadInt64Bytes(r.b)
	if err != nil {
		r.skip("extension")
		return 0
	}
	r.b = rest
	return key
}

func (e *extension) read(r *reader, key int64) {
	var rest []byte
	var err error
	switch key {
	case keyTracing:
		r.tracing, rest, err = msgp.ReadUint64Bytes(r.b)
		*e.tracing = r.tracing
	case keyPartial:
		*e.partial, rest, err = msgp.ReadBoolBytes(r.b)
	case keyTTL:
		*e.ttl, *e.hasTTL = r.number("ttl"), true
		return
	case keyDataKind:
		*e.kind = DataKind(r.number("data kind"))
		return
	case keyProtocol:
		*e.protocol = r.known(r.value("protocol"))
		return
	case keyFilter:
		*e.filter = string(r.value("filter"))
		return
	}
	if !r.failed("extension", err) {
		r.b = rest
	}
}

// extension writes the keys that have a value.
func (w *writer) extension(e *extension) {
	w.elements++
	at, n := len(w.b), byte(0)
	w.b = append(w.b, emptyMap)
	if e.tracing != nil && *e.tracing != 0 {
		w.b = msgp.AppendUint64(append(w.b, keyTracing), *e.tracing)
		n++
	}
	if e.ttl != nil && *e.hasTTL {
		w.b = appendInteger(append(w.b, keyTTL), *e.ttl)
		n++
	}
	if e.protocol != nil && *e.protocol != "" {
		w.b = msgp.AppendString(append(w.b, keyProtocol), *e.protocol)
		n++
	}
	if e.filter != nil && *e.filter != "" {
		w.b = msgp.AppendString(append(w.b, keyFilter), *e.filter)
		n++
	}
	if e.kind != nil && *e.kind != DataUnknown {
		w.b = appendInteger(append(w.b, keyDataKind), int32(*e.kind))
		n++
	}
	if e.partial != nil && *e.partial {
		w.b = msgp.AppendBool(append(w.b, keyPartial), true)
		n++
	}
	w.b[at] += n
}
