package aspnetprotocol

import (
	"bytes"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Cursors makes cursors, each another than all before, those of other nodes and of earlier runs
// included. It must be made by NewCursors. Its methods may be called concurrently.
type Cursors struct {
	tag  string
	last atomic.Uint64
}

// NewCursors returns the cursors of a node. Of its tag letters, digits and _ count.
func NewCursors(tag string) *Cursors {
	plain := strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' {
			return r
		}
		return -1
	}, tag)
	if plain != "" {
		plain += "-"
	}
	c := &Cursors{tag: plain}
	// A run that lasts a microsecond per frame or longer never catches up with the next one.
	c.last.Store(uint64(time.Now().UnixMicro()))
	return c
}

const (
	base      = 36
	maxNumber = 13 // digits of 64 bits in base
)

func (c *Cursors) append(dst []byte) []byte {
	return strconv.AppendUint(append(dst, c.tag...), c.last.Add(1), base)
}

// Every frame with a cursor begins with cursorBegin, and ends with its messages.
const (
	cursorBegin   = `{"C":"`
	messagesBegin = `,"M":[`
	messagesEnd   = `]}`
)

// Frame makes a frame of what a hub server sends: one JSON object, within MaxDepth and MaxMembers. If
// that has messages (M), the frame is {"C":cursor, the other members, "M":messages} with a cursor of
// its own; C alone counts as no messages. Any other object, such as the answer to a call, stays as it
// is. Line breaks between tokens become spaces, because transports work by lines. The frame is a copy.
// The error is ErrMalformed.
func (c *Cursors) Frame(json []byte) (frame []byte, err error) {
	var p parts
	if !utf8.Valid(json) || !p.read(json) {
		return nil, ErrMalformed
	}
	if p.messages == nil && !p.cursor {
		frame = bytes.Clone(json)
		withoutLines(frame)
		return frame, nil
	}
	size := len(cursorBegin) + len(c.tag) + maxNumber + len(`"`) + len(json) + len(messagesBegin) + len(messagesEnd)
	frame = append(make([]byte, 0, size), cursorBegin...)
	frame = append(c.append(frame), '"')
	rest := len(frame)
	for _, member := range p.others[:p.n] {
		frame = append(append(frame, ','), json[member.from:member.to]...)
	}
	frame = append(frame, messagesBegin...)
	if p.messages != nil {
		frame = append(frame, p.messages[1:len(p.messages)-1]...)
	}
	frame = append(frame, messagesEnd...)
	withoutLines(frame[rest:])
	return frame, nil
}

// parts are the members of a frame as a hub server has sent it.
type parts struct {
	cursor   bool
	messages []byte // nil if there are none
	others   [MaxMembers]span
	n        int
}

type span struct{ from, to int }

// read reads the object. False means that it is malformed.
func (p *parts) read(json []byte) bool {
	o := open(json)
	for o.next() {
		switch o.letter() {
		case 'C':
			p.cursor = true // of the hub server, where it is always the same
		case 'M':
			if p.messages != nil || o.value[0] != '[' {
				return false
			}
			p.messages = o.value
		default:
			p.others[p.n] = span{o.member, o.i}
			p.n++
		}
	}
	return o.state == walked
}

// withoutLines replaces line breaks by spaces. In well-formed JSON they stand between tokens only.
func withoutLines(json []byte) {
	for _, end := range []byte{'\n', '\r'} {
		for i := 0; ; i++ {
			next := bytes.IndexByte(json[i:], end)
			if next < 0 {
				break
			}
			i += next
			json[i] = ' '
		}
	}
}

// IsResponse reports whether a frame of this package has no cursor and no messages. Such a frame, the
// answer to a call, is never joined with others.
func IsResponse(frame []byte) bool { return !bytes.HasPrefix(frame, []byte(cursorBegin)) }

// HasCursor reports whether a frame of this package has that cursor, as a client says it.
func HasCursor(frame []byte, cursor string) bool {
	at := len(cursorBegin)
	return cursor != "" && len(frame) > at+len(cursor) && frame[at+len(cursor)] == '"' &&
		string(frame[at:at+len(cursor)]) == cursor && !IsResponse(frame) && strings.IndexByte(cursor, '"') < 0
}

// CursorOf returns the cursor of a frame of this package, "" if it has none.
func CursorOf(frame []byte) string {
	if IsResponse(frame) {
		return ""
	}
	cursor, _, _ := bytes.Cut(frame[len(cursorBegin):], []byte{'"'})
	return string(cursor)
}

// JoinPoll appends one frame with the messages of all, in order, and the cursor of the last. Other
// members are those of the last frame that has them. A frame without messages (IsResponse) is left
// out: it is an answer of its own.
func JoinPoll(dst []byte, frames ...[]byte) []byte {
	var last pieces
	var others []namedMember
	for _, frame := range frames {
		if IsResponse(frame) {
			continue
		}
		last = split(frame)
		others = last.addMembers(others)
	}
	dst = append(append(append(dst, cursorBegin...), last.cursor...), '"')
	for _, m := range others {
		dst = append(append(dst, ','), m.member...)
	}
	dst = append(dst, messagesBegin...)
	first := true
	for _, frame := range frames {
		if IsResponse(frame) {
			continue
		}
		messages := split(frame).messages
		if len(bytes.TrimSpace(messages)) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, messages...), false
	}
	return append(dst, messagesEnd...)
}

// pieces are what a frame with messages consists of.
type pieces struct {
	cursor, messages []byte
	others           []byte // with a comma in front of each
}

// split takes a frame of this package apart.
func split(frame []byte) pieces {
	var p pieces
	p.cursor, p.others, _ = bytes.Cut(frame[len(cursorBegin):], []byte{'"'})
	if rest, plain := bytes.CutPrefix(p.others, []byte(messagesBegin)); plain {
		p.others, p.messages = nil, rest[:len(rest)-len(messagesEnd)]
		return p
	}
	o := open(frame)
	for o.next() {
		if o.letter() == 'M' {
			p.messages = o.value[1 : len(o.value)-1]
			start := len(cursorBegin) + len(p.cursor) + 1
			p.others = frame[start : o.member-1]
		}
	}
	return p
}

type namedMember struct{ name, member []byte }

// addMembers adds the other members. One that is there already is replaced.
func (p pieces) addMembers(list []namedMember) []namedMember {
	if len(p.others) == 0 {
		return list
	}
	whole := append(append([]byte{'{'}, p.others[1:]...), '}')
	o := open(whole)
next:
	for o.next() {
		m := namedMember{o.name, whole[o.member:o.i]}
		for i := range list {
			if bytes.Equal(list[i].name, m.name) {
				list[i] = m
				continue next
			}
		}
		list = append(list, m)
	}
	return list
}
