package hubprotocol

import (
	"bytes"
	"math"
)

// maxFront is how far Target looks into a frame in JSON.
const maxFront = 512

// maxTarget bounds what Target returns, in bytes.
const maxTarget = 128

// Target returns the method that the message calls, "" if that cannot be seen at the front of a form at hand:
// nothing is converted, and arguments are not looked at. It is for logs and traces, costs the same for messages of
// every size, and returns at most 128 bytes, as they stand in the frame.
func (f *Frames) Target() string {
	if frame := f.json.Load(); frame != nil && len(*frame) > 0 {
		return frontMember(*frame, `"target":"`, `"arguments"`)
	}
	if frame := f.packed.Load(); frame != nil && len(*frame) > 0 {
		if _, body, _, err := Cut(MessagePack, *frame, math.MaxInt32); err == nil && body != nil {
			if p, err := Peek(MessagePack, body); err == nil {
				return string(p.Target[:min(len(p.Target), maxTarget)])
			}
		}
		return ""
	}
	for _, frame := range f.others {
		return frontMember(frame, `"M":"`, `"A":`) // the older generation: a hub and a method
	}
	return ""
}

// frontMember returns the text of a member that begins so, if it stands before the arguments.
func frontMember(frame []byte, begin, arguments string) string {
	front := frame[:min(len(frame), maxFront)]
	at := bytes.Index(front, []byte(begin))
	if end := bytes.Index(front, []byte(arguments)); at < 0 || end >= 0 && end < at {
		return ""
	}
	text := front[at+len(begin):]
	if end := bytes.IndexByte(text, '"'); end >= 0 {
		text = text[:end]
	}
	return string(text[:min(len(text), maxTarget)])
}
