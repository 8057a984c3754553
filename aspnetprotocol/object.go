package aspnetprotocol

import (
	"github.com/hubgate/hubgate/internal/jsontext"
)

// object walks over the members of one JSON object that is the whole of its text.
type object struct {
	b    []byte
	i    int // behind the opening brace, a comma, or the closing brace
	left int // members that may still come
	// name is as it is written, without quotes. The member begins at member, and ends with its value at i.
	name, value []byte
	member      int
	state       walk
}

type walk uint8

const (
	walking walk = iota
	walked       // the object has ended, and nothing follows it
	broken
)

// open begins the walk.
func open(b []byte) object {
	i := jsontext.SkipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return object{state: broken}
	}
	return object{b: b, i: i + 1, left: MaxMembers}
}

// next reads a member. After it has returned false, state says how the walk has ended.
func (o *object) next() bool {
	if o.state != walking {
		return false
	}
	b, i := o.b, jsontext.SkipSpace(o.b, o.i)
	first := o.name == nil
	if i < len(b) && b[i] == '}' {
		if o.state = walked; jsontext.SkipSpace(b, i+1) != len(b) {
			o.state = broken
		}
		o.i = i
		return false
	}
	if !first {
		if i >= len(b) || b[i] != ',' {
			return o.fail()
		}
		i = jsontext.SkipSpace(b, i+1)
	}
	if o.left == 0 || i >= len(b) || b[i] != '"' {
		return o.fail()
	}
	o.left--
	end, _ := jsontext.ScanString(b, i)
	if end < 0 {
		return o.fail()
	}
	o.member, o.name = i, b[i+1:end-1:end-1]
	if i = jsontext.SkipSpace(b, end); i >= len(b) || b[i] != ':' {
		return o.fail()
	}
	start := jsontext.SkipSpace(b, i+1)
	if end = jsontext.ScanValue(b, start, 1); end < 0 {
		return o.fail()
	}
	o.i, o.value = end, b[start:end:end]
	return true
}

func (o *object) fail() bool {
	o.state = broken
	return false
}

// letter returns the letter that the member's name is, also if it is written as an escape; 0 if the
// name is something else.
func (o *object) letter() byte {
	raw := o.name
	if len(raw) == 1 {
		return raw[0]
	}
	if len(raw) != len(`\u0043`) || raw[0] != '\\' || raw[1] != 'u' || raw[2] != '0' || raw[3] != '0' {
		return 0
	}
	var plain [4]byte
	if name, _ := jsontext.AppendUnescaped(plain[:0], raw); len(name) == 1 {
		return name[0]
	}
	return 0
}

// text decodes a value that has to be a string of at most limit bytes.
func text(value []byte, limit int) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	raw := value[1 : len(value)-1]
	const longest = len(`\u0000`) // that a byte may be written as
	if len(raw) > limit*longest {
		return "", false
	}
	if jsontext.HasEscape(raw) {
		raw, _ = jsontext.AppendUnescaped(make([]byte, 0, len(raw)), raw)
	}
	return string(raw), len(raw) <= limit
}
