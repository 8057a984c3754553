package filter

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// kind is what a term comes to.
type kind uint8

const (
	boolean kind = iota
	text
	number
	null
	collection
)

// op is what a term does.
type op uint8

const (
	opFalse op = iota
	opTrue
	opNull
	opText
	opNumber
	opUserID
	opConnectionID
	opGroups
	opAnd
	opOr
	opNot
	opEqual
	opUnequal
	opGreater
	opGreaterEqual
	opLess
	opLessEqual
	opInGroups
	opInList
	opLength
	opToLower
	opToUpper
	opTrim
	opStartsWith
	opEndsWith
	opContains
	opSubstring
	opIndexOf
	opConcat
)

// term is a part of an expression. Its kinds are checked: those who evaluate it ask for its own only.
type term struct {
	kind   kind
	op     op
	args   []*term
	text   string
	number int64
}

// truth evaluates a condition. What a function makes of null is null, and a condition about null is false.
func (t *term) truth(s Subject) bool {
	switch t.op {
	case opTrue:
		return true
	case opAnd:
		for _, a := range t.args {
			if !a.truth(s) {
				return false
			}
		}
		return true
	case opOr:
		for _, a := range t.args {
			if a.truth(s) {
				return true
			}
		}
		return false
	case opNot:
		return !t.args[0].truth(s)
	case opInGroups:
		name, ok := t.args[0].value(s)
		return ok && s.InGroup(name)
	case opInList:
		return t.inList(s)
	case opStartsWith, opEndsWith, opContains:
		return t.search(s)
	case opEqual:
		return t.equal(s)
	case opUnequal:
		return !t.equal(s)
	case opGreater, opGreaterEqual, opLess, opLessEqual:
		return t.ordered(s)
	}
	return false
}

func (t *term) search(s Subject) bool {
	in, ok := t.args[0].value(s)
	what, also := t.args[1].value(s)
	if !ok || !also {
		return false
	}
	switch t.op {
	case opStartsWith:
		return strings.HasPrefix(in, what)
	case opEndsWith:
		return strings.HasSuffix(in, what)
	}
	return strings.Contains(in, what)
}

func (t *term) inList(s Subject) bool {
	for _, element := range t.args[1:] {
		if same(t.args[0], element, s) {
			return true
		}
	}
	return false
}

func (t *term) equal(s Subject) bool { return same(t.args[0], t.args[1], s) }

// same reports whether two terms are equal. Null equals null only.
func same(a, b *term, s Subject) bool {
	if a.kind == null {
		a, b = b, a
	}
	switch a.kind {
	case boolean:
		return b.kind == boolean && a.truth(s) == b.truth(s)
	case number:
		x, ok := a.count(s)
		if b.kind == null {
			return !ok
		}
		y, also := b.count(s)
		return ok == also && (!ok || x == y)
	case text:
		x, ok := a.value(s)
		if b.kind == null {
			return !ok
		}
		y, also := b.value(s)
		return ok == also && (!ok || x == y)
	}
	return b.kind == null
}

func (t *term) ordered(s Subject) bool {
	order := 0
	if a, b := t.args[0], t.args[1]; a.kind == number {
		x, ok := a.count(s)
		y, also := b.count(s)
		if !ok || !also {
			return false
		}
		order = cmp.Compare(x, y)
	} else {
		x, ok := a.value(s)
		y, also := b.value(s)
		if !ok || !also {
			return false
		}
		order = strings.Compare(x, y)
	}
	switch t.op {
	case opGreater:
		return order > 0
	case opGreaterEqual:
		return order >= 0
	case opLess:
		return order < 0
	}
	return order <= 0
}

// value evaluates a text; not ok is null.
func (t *term) value(s Subject) (v string, ok bool) {
	switch t.op {
	case opText:
		return t.text, true
	case opUserID:
		v = s.UserID()
		return v, v != ""
	case opConnectionID:
		return s.ConnectionID(), true
	case opSubstring:
		return t.substring(s)
	}
	v, ok = t.args[0].value(s)
	if !ok {
		return "", false
	}
	switch t.op {
	case opToLower:
		return strings.ToLower(v), true
	case opToUpper:
		return strings.ToUpper(v), true
	case opTrim:
		return strings.TrimSpace(v), true
	}
	more, ok := t.args[1].value(s) // concat
	if !ok {
		return "", false
	}
	return v + more, true
}

// substring counts characters. What is outside of the text is not there.
func (t *term) substring(s Subject) (v string, ok bool) {
	v, ok = t.args[0].value(s)
	from, also := t.args[1].count(s)
	if !ok || !also {
		return "", false
	}
	v = v[offset(v, from):]
	if len(t.args) < 3 {
		return v, true
	}
	length, ok := t.args[2].count(s)
	if !ok {
		return "", false
	}
	return v[:offset(v, length)], true
}

// offset is where the character of this number begins, in bytes.
func offset(v string, characters int64) int {
	at := 0
	for ; characters > 0 && at < len(v); characters-- {
		_, size := utf8.DecodeRuneInString(v[at:])
		at += size
	}
	return at
}

// count evaluates a number; not ok is null.
func (t *term) count(s Subject) (n int64, ok bool) {
	if t.op == opNumber {
		return t.number, true
	}
	v, ok := t.args[0].value(s)
	if !ok {
		return 0, false
	}
	if t.op == opLength {
		return int64(utf8.RuneCountInString(v)), true
	}
	what, ok := t.args[1].value(s) // indexof
	if !ok {
		return 0, false
	}
	at := strings.Index(v, what)
	if at < 0 {
		return -1, true
	}
	return int64(utf8.RuneCountInString(v[:at])), true
}
