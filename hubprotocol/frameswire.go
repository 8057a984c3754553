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
// with. Forms that were made from them are made there again when somebody asks. ParseFrames reads
// it.
func (f *Frames) Append(dst []byte) []byte {
	count := len(f.others)
	for _, known := range []*form{&f.json, &f.packed} {
		if known.came {
			count++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(count))
	if f.json.came {
		dst = appendForm(dst, JSON, *f.json.Load())
	}
	if f.packed.came {
		dst = appendForm(dst, MessagePack, *f.packed.Load())
	}
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		dst = appendForm(dst, name, f.others[name])
	}
	return dst
}

func appendForm(dst []byte, name string, frame []byte) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return append(binary.AppendUvarint(dst, uint64(len(frame))), frame...)
}

// ParseFrames reads what Append wrote, all of data. The frames are parts of data, which must not
// be changed afterwards; what they hold is not looked at.
func ParseFrames(data []byte) (*Frames, error) {
	count, data, ok := cutUvarint(data)
	if !ok || count > maxForms {
		return nil, errFrames
	}
	forms := make(map[string][]byte, count)
	for range count {
		var name, frame []byte
		if name, data, ok = cutBytes(data); !ok {
			return nil, errFrames
		}
		if frame, data, ok = cutBytes(data); !ok || len(frame) == 0 {
			return nil, errFrames
		}
		forms[lowerASCII(string(name))] = frame
	}
	if len(data) > 0 || len(forms) != int(count) {
		return nil, errFrames
	}
	return NewFrames(forms)
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
