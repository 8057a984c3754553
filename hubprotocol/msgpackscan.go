package hubprotocol

import "encoding/binary"

type packKind uint8

const (
	packInvalid packKind = iota
	packNil
	packFalse
	packTrue
	packUint
	packInt
	packFloat
	packString
	packBinary
	packArray
	packMap
	packExt
)

// packForm says how a MessagePack value with a given first byte goes on.
type packForm struct {
	kind   packKind
	length uint8 // bytes of length or count behind the first byte
	fixed  uint8 // size or count that the first byte itself says, added to the length
}

var packForms = func() (forms [256]packForm) {
	for c := range forms {
		switch {
		case c < 0x80:
			forms[c] = packForm{kind: packUint}
		case c < 0x90:
			forms[c] = packForm{kind: packMap, fixed: uint8(c & 0x0f)}
		case c < 0xa0:
			forms[c] = packForm{kind: packArray, fixed: uint8(c & 0x0f)}
		case c < 0xc0:
			forms[c] = packForm{kind: packString, fixed: uint8(c & 0x1f)}
		case c >= 0xe0:
			forms[c] = packForm{kind: packInt}
		}
	}
	copy(forms[0xc0:], []packForm{
		{kind: packNil}, {}, {kind: packFalse}, {kind: packTrue},
		{packBinary, 1, 0}, {packBinary, 2, 0}, {packBinary, 4, 0},
		{packExt, 1, 1}, {packExt, 2, 1}, {packExt, 4, 1}, // the type byte belongs to the content
		{packFloat, 0, 4}, {packFloat, 0, 8},
		{packUint, 0, 1}, {packUint, 0, 2}, {packUint, 0, 4}, {packUint, 0, 8},
		{packInt, 0, 1}, {packInt, 0, 2}, {packInt, 0, 4}, {packInt, 0, 8},
		{packExt, 0, 2}, {packExt, 0, 3}, {packExt, 0, 5}, {packExt, 0, 9}, {packExt, 0, 17},
		{packString, 1, 0}, {packString, 2, 0}, {packString, 4, 0},
		{packArray, 2, 0}, {packArray, 4, 0}, {packMap, 2, 0}, {packMap, 4, 0},
	})
	return forms
}()

// packToken reads the head of the value at b[i]: its kind, the index of its content,
// and the content's size in bytes (in values for an array, in pairs for a map). For
// anything but containers the content is known to be there. packInvalid stands for
// all that is cut short or no MessagePack.
func packToken(b []byte, i int) (kind packKind, content int, n uint64) {
	if i < 0 || i >= len(b) {
		return packInvalid, 0, 0
	}
	form := packForms[b[i]]
	content = i + 1 + int(form.length)
	if content > len(b) {
		return packInvalid, 0, 0
	}
	n = uint64(form.fixed)
	switch form.length {
	case 1:
		n += uint64(b[i+1])
	case 2:
		n += uint64(binary.BigEndian.Uint16(b[i+1:]))
	case 4:
		n += uint64(binary.BigEndian.Uint32(b[i+1:]))
	}
	if form.kind != packArray && form.kind != packMap && n > uint64(len(b)-content) {
		return packInvalid, 0, 0
	}
	return form.kind, content, n
}

// packSkip returns the index behind the value at b[i], or -1 if it is not complete or
// has more than MaxDepth containers open, depth of which are open around it already.
// A count never allocates: each value it announces has to be there.
func packSkip(b []byte, i, depth int) int {
	kind, content, n := packToken(b, i)
	switch kind {
	case packInvalid:
		return -1
	case packMap:
		n *= 2
	case packArray:
	default:
		return content + int(n)
	}
	if depth == MaxDepth {
		return -1
	}
	for i = content; n > 0; n-- {
		if i = packSkip(b, i, depth+1); i < 0 {
			return -1
		}
	}
	return i
}

// packInteger returns the value of an integer's content, given its first byte. For
// packUint the value is the unsigned one.
func packInteger(first byte, content []byte) int64 {
	switch len(content) {
	case 0:
		return int64(int8(first))
	case 1:
		if first == 0xd0 {
			return int64(int8(content[0]))
		}
		return int64(content[0])
	case 2:
		if first == 0xd1 {
			return int64(int16(binary.BigEndian.Uint16(content)))
		}
		return int64(binary.BigEndian.Uint16(content))
	case 4:
		if first == 0xd2 {
			return int64(int32(binary.BigEndian.Uint32(content)))
		}
		return int64(binary.BigEndian.Uint32(content))
	}
	return int64(binary.BigEndian.Uint64(content))
}
