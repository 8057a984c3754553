package hubprotocol

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// maxForms is how many protocols one message may have a form for.
const maxForms = 64

// errFrames says that bytes are no Frames.
var errFrames = errors.New("malformed message in several protocols")

// Append writes the message for another node: the names and the bytes of the forms that it came
// with. Forms that were made from them are made there again when somebody asks. It allocates at most
// once, and nothing if dst has room. ParseFrames reads it.
func (f *Frames) Append(dst []byte) []byte {
	count, size := len(f.others), binary.MaxVarintLen64
	for name, frame := range f.others {
		size += formSize(name, frame)
	}
	if f.json.came {
		count++
		size += formSize(JSON, *f.json.Load())
	}
	if f.packed.came {
		count++
		size += formSize(MessagePack, *f.packed.Load())
	}
	dst = binary.AppendUvarint(slices.Grow(dst, size), uint64(count))
	if f.json.came {
		dst = appendForm(dst, JSON, *f.json.Load())
	}
	if f.packed.came {
		dst = appendForm(dst, MessagePack, *f.packed.Load())
	}
	if len(f.others) < 2 { // no order to be kept
		for name, frame := range f.others {
			dst = appendForm(dst, name, frame)
		}
		return dst
	}
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		dst = appendForm(dst, name, f.others[name])
	}
	return dst
}

// formSize is at least what appendForm appends.
func formSize(name string, frame []byte) int { return 2*binary.MaxVarintLen64 + len(name) + len(frame) }

func appendForm(dst []byte, name string, frame []byte) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return append(binary.AppendUvarint(dst, uint64(len(frame))), frame...)
}

// ParseFrames reads what Append wrote, all of data. The frames are parts of data, which must not
// be changed afterwards; what they hold is not looked at.
func ParseFrames(data []byte) (*Frames, error) {
	count, data, ok := cutUvarint(data)
	if !ok || count == 0 || count > maxForms {
		return nil, errFrames
	}
	f := new(Frames)
	for range count {
		var name, frame []byte
		if name, data, ok = cutBytes(data); !ok {
			return nil, errFrames
		}
		if frame, data, ok = cutBytes(data); !ok || len(frame) == 0 || !f.add(name, frame) {
			return nil, errFrames
		}
	}
	if len(data) > 0 {
		return nil, errFrames
	}
	return f, nil
}

// add brings a form of ParseFrames. It reports false if there is one of that name.
func (f *Frames) add(name, frame []byte) bool {
	switch string(name) { // as it is written: nothing is allocated for these two
	case JSON:
		return f.json.add(frame)
	case MessagePack:
		return f.packed.add(frame)
	}
	switch lower := lowerASCII(string(name)); lower {
	case JSON:
		return f.json.add(frame)
	case MessagePack:
		return f.packed.add(frame)
	default:
		if _, twice := f.others[lower]; twice {
			return false
		}
		if f.others == nil {
			f.others = make(map[string][]byte, 1)
		}
		f.others[lower] = frame
		return true
	}
}

func (f *form) add(frame []byte) bool {
	if f.came {
		return false
	}
	f.bring(frame)
	return true
}

func cutUvarint(data []byte) (n uint64, rest []byte, ok bool) {
	n, size := binary.Uvarint(data)
	if size <= 0 {
		return 0, nil, false
	}
	return n, data[size:], true
}

func cutBytes(data []byte) (b, rest []byte, ok bool) {
	n, data, ok := cutUvarint(data)
	if !ok || n > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:n:n], data[n:], true
}
