package hubprotocol

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Frames is one message for any number of receivers: at most one framed record per
// protocol name. JSON and MessagePack are made from each other when the first receiver
// asks, once; every other protocol is there or not (D10, D11). All methods may be
// called concurrently; the frames are shared and must not be changed.
type Frames struct {
	json, packed form
	others       map[string][]byte // by name in lower case, never changed
	making       sync.Mutex        // held while one form is made from the other
}

// form is what there is for one protocol: nothing yet (nil), the frame, or an empty
// frame if it cannot be made.
type form struct {
	atomic.Pointer[[]byte]
	came bool // it was not made from another form; never changed
}

// bring sets a form that the message comes with.
func (f *form) bring(frame []byte) {
	f.Store(&frame)
	f.came = true
}

// NewInvocation returns an Invocation without id. Arguments are one array encoded in
// protocol, JSON or MessagePack, and copied; the errors are those of AppendInvocation.
func NewInvocation(protocol, target string, arguments []byte) (*Frames, error) {
	f := new(Frames)
	own := &f.json
	switch protocol {
	case JSON:
	case MessagePack:
		own = &f.packed
	default:
		return nil, ErrProtocol
	}
	const around = 48 // names of members, quotes, headers, framing
	frame, err := AppendInvocation(make([]byte, 0, len(target)+len(arguments)+around), protocol, "", target, arguments)
	if err != nil {
		return nil, err
	}
	own.bring(frame)
	return f, nil
}

// NewFrames returns what a hub server or an octet-stream body brings: whole frames by
// protocol name, which are neither checked nor copied. The names' letter case does not
// matter. It fails if there is no frame at all, or if there are more than 64.
func NewFrames(byProtocol map[string][]byte) (*Frames, error) {
	if len(byProtocol) > maxForms {
		return nil, errors.New("message with payloads for too many protocols")
	}
	f := new(Frames)
	for name, frame := range byProtocol {
		if len(frame) == 0 {
			continue
		}
		switch name = lowerASCII(name); name {
		case JSON:
			f.json.bring(frame)
		case MessagePack:
			f.packed.bring(frame)
		default:
			if f.others == nil {
				f.others = make(map[string][]byte, len(byProtocol))
			}
			f.others[name] = frame
		}
	}
	if f.Size() == 0 {
		return nil, errors.New("message without a payload")
	}
	return f, nil
}

// For returns the frame for a client that speaks the protocol (its name in lower
// case). Not ok means that the client gets nothing (D11): the message came without
// that protocol and cannot be converted. Once a frame was made it neither locks nor
// allocates.
func (f *Frames) For(protocol string) (frame []byte, ok bool) {
	switch protocol {
	case JSON:
		return f.load(&f.json, &f.packed, MessagePack, JSON)
	case MessagePack:
		return f.load(&f.packed, &f.json, JSON, MessagePack)
	}
	frame, ok = f.others[protocol]
	return frame, ok
}

func (f *Frames) load(want, have *form, from, to string) ([]byte, bool) {
	frame := want.Load()
	if frame == nil {
		frame = f.convert(want, have, from, to)
	}
	return *frame, len(*frame) > 0
}

func (f *Frames) convert(want, have *form, from, to string) *[]byte {
	f.making.Lock()
	defer f.making.Unlock()
	if frame := want.Load(); frame != nil {
		return frame
	}
	made := new([]byte)
	defer want.Store(made) // after a panic too: the next receiver does not repeat it
	if source := have.Load(); source != nil {
		if frames, err := convertFrames(*source, from, to); err == nil {
			*made = frames
		}
	}
	return made
}

// Size returns the bytes of the largest form at hand, for admission.
func (f *Frames) Size() int {
	size := 0
	for _, frame := range f.others {
		size = max(size, len(frame))
	}
	for _, known := range []*form{&f.json, &f.packed} {
		if frame := known.Load(); frame != nil {
			size = max(size, len(*frame))
		}
	}
	return size
}

var errNotConvertible = errors.New("record type cannot be converted")

// convertFrames converts whole frames of one protocol into the other's. Headers and
// upload streams, which no server sends to clients, are left behind.
func convertFrames(src []byte, from, to string) ([]byte, error) {
	dst := make([]byte, 0, len(src)+len(src)/2)
	for len(src) > 0 {
		frame, body, rest, err := Cut(from, src, len(src))
		if err != nil {
			return nil, err
		}
		if frame == nil {
			return nil, ErrMalformed
		}
		m, err := Parse(from, body)
		if err != nil {
			return nil, err
		}
		if dst, err = appendConverted(dst, to, &m); err != nil {
			return nil, err
		}
		src = rest
	}
	return dst, nil
}

// appendConverted writes a record in the protocol to, converting its raw values from
// the other one.
func appendConverted(dst []byte, to string, m *Message) ([]byte, error) {
	raw := m.Result
	if m.Type == Invocation {
		raw = m.Arguments
	}
	var value []byte
	var err error
	if raw != nil {
		if to == JSON {
			value, err = AppendMessagePackAsJSON(nil, raw)
		} else {
			value, err = AppendJSONAsMessagePack(nil, raw)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case m.Type == Invocation:
		return appendInvocation(dst, to, m.InvocationID, m.Target, value), nil
	case m.Type == StreamItem:
		return appendStreamItem(dst, to, m.InvocationID, value), nil
	case m.Type != Completion:
		return nil, errNotConvertible
	case m.HasError:
		return AppendCompletionError(dst, to, m.InvocationID, m.Error), nil
	case raw == nil:
		return AppendCompletion(dst, to, m.InvocationID), nil
	}
	return AppendCompletionResult(dst, to, m.InvocationID, value), nil
}
