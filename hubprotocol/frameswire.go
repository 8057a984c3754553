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
	head, tail := f.AppendShared(slices.Grow(dst, f.wireSize()))
	return append(head, tail...)
}

// AppendShared is Append in two parts, which follow one another. The second is a frame of the
// message, mostly all of it, which is not copied and must not be changed.
func (f *Frames) AppendShared(dst []byte) (head, tail []byte) {
	count := len(f.others)
	for _, known := range []*form{&f.json, &f.packed} {
		if known.came {
			count++
		}
	}
	w := formWriter{dst: binary.AppendUvarint(dst, uint64(count))}
	if f.json.came {
		w.form(JSON, *f.json.Load())
	}
	if f.packed.came {
		w.form(MessagePack, *f.packed.Load())
	}
	if len(f.others) < 2 { // no order to be kept
		for name, frame := range f.others {
			w.form(name, frame)
		}
		return w.dst, w.last
	}
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		w.form(name, f.others[name])
	}
	return w.dst, w.last
}

// wireSize is at least what Append appends.
func (f *Frames) wireSize() int {
	size := binary.MaxVarintLen64
	for name, frame := range f.others {
		size += formSize(name, frame)
	}
	if f.json.came {
		size += formSize(JSON, *f.json.Load())
	}
	if f.packed.came {
		size += formSize(MessagePack, *f.packed.Load())
	}
	return size
}

func formSize(name string, frame []byte) int { return 2*binary.MaxVarintLen64 + len(name) + len(frame) }

// formWriter writes forms. The frame of the last one is not in dst yet.
type formWriter struct{ dst, last []byte }

func (w *formWriter) form(name string, frame []byte) {
	w.dst = append(w.dst, w.last...)
	w.dst = append(binary.AppendUvarint(w.dst, uint64(len(name))), name...)
	w.dst, w.last = binary.AppendUvarint(w.dst, uint64(len(frame))), frame
}

// ParseFrames reads what Append wrote, all of data. The frames are parts of data, which must not
// be changed afterwards; what they hold is not looked at.
func ParseFrames(data []byte) (*Frames, error) {
	f := new(Frames)
	if err := f.Parse(data); err != nil {
		return nil, err
	}
	return f, nil
}

// Parse is ParseFrames for Frames that are a part of something larger, and empty. After an error they are not to be used.
func (f *Frames) Parse(data []byte) error {
	count, data, ok := cutUvarint(data)
	if !ok || count == 0 || count > maxForms {
		return errFrames
	}
	for range count {
		var name, frame []byte
		if name, data, ok = cutBytes(data); !ok {
			return errFrames
		}
		if frame, data, ok = cutBytes(data); !ok || len(frame) == 0 || !f.add(name, frame) {
			return errFrames
		}
	}
	if len(data) > 0 {
		return errFrames
	}
	return nil
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
