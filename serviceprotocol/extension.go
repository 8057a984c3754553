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

// owned is the set of keys that a type of message may carry. Older hub servers do not pass
// over the value of any other, so no other is ever written; read they are all, and those
// not owned are ignored.
type owned uint8

const (
	ownsNothing  owned = 0
	ownsTracing  owned = 1 << keyTracing
	ownsTTL      owned = 1 << keyTTL
	ownsProtocol owned = 1 << keyProtocol
	ownsFilter   owned = 1 << keyFilter
	ownsDataKind owned = 1 << keyDataKind
	ownsPartial  owned = 1 << keyPartial
)

func (o owned) has(key int64) bool { return key > 0 && key <= keyPartial && o&(1<<key) != 0 }

// extension holds the values of an extension map, in the order of their keys.
type extension struct {
	tracing  uint64
	hasTTL   bool
	ttl      int32
	protocol string
	filter   string
	kind     DataKind
	partial  bool
}

// extension reads the message's next element.
func (r *reader) extension(keys owned) (e extension) {
	if !r.next() {
		return e
	}
	for n := r.pairs("extension"); n > 0 && r.reason == ""; n-- {
		key := r.key()
		switch {
		case !keys.has(key):
			r.skip("extension")
		case r.null():
			// As if the key were not there.
		default:
			e.read(r, key)
		}
	}
	return e
}

// tracing is extension for types that own no other key.
func (r *reader) tracing() uint64 { return r.extension(ownsTracing).tracing }

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
		e.tracing, rest, err = msgp.ReadUint64Bytes(r.b)
	case keyPartial:
		e.partial, rest, err = msgp.ReadBoolBytes(r.b)
	case keyTTL:
		e.ttl, e.hasTTL = r.number("ttl"), true
		return
	case keyDataKind:
		e.kind = DataKind(r.number("data kind"))
		return
	case keyProtocol:
		e.protocol = r.known(r.value("protocol"))
		return
	case keyFilter:
		e.filter = string(r.value("filter"))
		return
	}
	if !r.failed("extension", err) {
		r.b = rest
	}
}

func (w *writer) extension(e extension) {
	n := uint32(0)
	for _, present := range [...]bool{
		e.tracing != 0, e.hasTTL, e.protocol != "", e.filter != "", e.kind != DataUnknown, e.partial,
	} {
		if present {
			n++
		}
	}
	w.b = msgp.AppendMapHeader(w.b, n)
	if e.tracing != 0 {
		w.b = msgp.AppendUint64(append(w.b, keyTracing), e.tracing)
	}
	if e.hasTTL {
		w.b = appendInteger(append(w.b, keyTTL), e.ttl)
	}
	if e.protocol != "" {
		w.b = msgp.AppendString(append(w.b, keyProtocol), e.protocol)
	}
	if e.filter != "" {
		w.b = msgp.AppendString(append(w.b, keyFilter), e.filter)
	}
	if e.kind != DataUnknown {
		w.b = appendInteger(append(w.b, keyDataKind), int32(e.kind))
	}
	if e.partial {
		w.b = msgp.AppendBool(append(w.b, keyPartial), true)
	}
}

// tracing writes the extension map of a type that owns no other key.
func (w *writer) tracing(id uint64) { w.extension(extension{tracing: id}) }
