package serviceprotocol

import (
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// First bytes of a map and of an array without entries. Up to 15 are added to them.
const (
	emptyMap   = 0x80
	emptyArray = 0x90
	maxShort   = 15
)

// writer appends one message.
type writer struct {
	b        []byte
	at       int // where the message begins in b
	room     int // bytes left free there for the length prefix
	elements int // written so far, the type among them; at most maxShort
}

// begin starts a message. The size is what its payloads will take: with the right room left
// for the prefix, they need not be moved for it.
func (w *writer) begin(dst []byte, t Type, size int) {
	w.at, w.room, w.elements = len(dst), prefixSize(size), 1
	var free [maxPrefix]byte
	w.b = append(dst, free[:w.room]...)
	w.b = append(w.b, emptyArray)
	w.b = appendInteger(w.b, int32(t))
}

// end writes the number of elements and the length prefix.
func (w *writer) end() []byte {
	if w.elements <= maxShort {
		w.b[w.at+w.room] = emptyArray + byte(w.elements)
	}
	length := len(w.b) - w.at - w.room
	if n := prefixSize(length); n != w.room {
		w.move(n)
	}
	appendPrefix(w.b[:w.at], length)
	return w.b
}

// move moves the body to where a prefix of n bytes ends.
func (w *writer) move(n int) {
	if n > w.room {
		var free [maxPrefix]byte
		end := len(w.b)
		w.b = append(w.b, free[:n-w.room]...)
		copy(w.b[w.at+n:], w.b[w.at+w.room:end])
		return
	}
	kept := copy(w.b[w.at+n:], w.b[w.at+w.room:])
	w.b = w.b[:w.at+n+kept]
}

func (w *writer) text(s string) { w.b = msgp.AppendString(w.b, s) }

// textOrNil writes nil for an empty text.
func (w *writer) textOrNil(s string) {
	if s == "" {
		w.b = msgp.AppendNil(w.b)
		return
	}
	w.text(s)
}

// wide writes an integer in five bytes, whatever its value.
func (w *writer) wide(v int32) {
	u := uint32(v)
	w.b = append(w.b, 0xd2, byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

func (w *writer) names(list []string) {
	w.b = msgp.AppendArrayHeader(w.b, uint32(len(list)))
	for _, name := range list {
		w.text(name)
	}
}

func (w *writer) payloads(list Payloads) {
	w.b = msgp.AppendMapHeader(w.b, uint32(len(list)))
	for _, payload := range list {
		w.text(payload.Protocol)
		w.b = msgp.AppendBytes(w.b, payload.Data)
	}
}

func (w *writer) claims(list []Claim) {
	w.b = msgp.AppendMapHeader(w.b, uint32(len(list)))
	for _, claim := range list {
		w.text(claim.Type)
		w.text(claim.Value)
	}
}

// headers writes headers whose names differ only in case as one, where the first stands:
// hub servers do not open a connection that has both.
func (w *writer) headers(list []Header) {
	names := uint32(0)
	for i := range list {
		if firstNamed(list, i) == i {
			names++
		}
	}
	w.b = msgp.AppendMapHeader(w.b, names)
	for i, header := range list {
		if firstNamed(list, i) != i {
			continue
		}
		values := uint32(0)
		for _, same := range list[i:] {
			if strings.EqualFold(same.Name, header.Name) {
				values += uint32(len(same.Values))
			}
		}
		w.text(header.Name)
		w.b = msgp.AppendArrayHeader(w.b, values)
		for _, same := range list[i:] {
			if !strings.EqualFold(same.Name, header.Name) {
				continue
			}
			for _, value := range same.Values {
				w.text(value)
			}
		}
	}
}

// firstNamed is the index of the first header with the name of the one at i.
func firstNamed(list []Header, i int) int {
	for j := range list[:i] {
		if strings.EqualFold(list[j].Name, list[i].Name) {
			return j
		}
	}
	return i
}

// appendInteger writes the shortest form, unsigned where it can be, as hub servers do.
func appendInteger(b []byte, v int32) []byte {
	if v < 0 {
		return msgp.AppendInt64(b, int64(v))
	}
	return msgp.AppendUint64(b, uint64(v))
}

// rest writes texts as all elements behind the type. There may be more of them than the
// message's first byte can count.
func (w *writer) rest(list []string) {
	w.elements += len(list)
	if w.elements > maxShort {
		start := w.at + w.room
		t := w.b[start+1]
		w.b = append(msgp.AppendArrayHeader(w.b[:start], uint32(w.elements)), t)
	}
	for _, text := range list {
		w.text(text)
	}
}
