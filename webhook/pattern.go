package webhook

import "strings"

// Pattern says which hubs, categories or events a webhook takes:
// "*" is any, "a" only a, "a,b" either (spaces around items do not count), and
// a list that contains "*" is any. There are no wildcards inside words (R64).
// The zero Pattern takes any name. Patterns can be compared with ==.
type Pattern struct {
	text string
	kind patternKind
}

type patternKind uint8

const (
	patternAny patternKind = iota
	patternText
	patternNone
)

// PatternOf returns the pattern that text describes. The empty text takes only
// the empty name; use the zero Pattern for "not set".
func PatternOf(text string) Pattern {
	if takesAny(text) {
		return Pattern{}
	}
	return Pattern{text: text, kind: patternText}
}

// NoPattern returns the pattern that takes no name at all: what an explicit
// null in the emulator's settings.json means.
func NoPattern() Pattern { return Pattern{kind: patternNone} }

// String returns the text of p: "*" for any, and "null" for none.
func (p Pattern) String() string {
	switch p.kind {
	case patternAny:
		return "*"
	case patternNone:
		return "null"
	default:
		return p.text
	}
}

// Matches says whether p takes name. With fold, letter case does not count.
func (p Pattern) Matches(name string, fold bool) bool {
	if p.kind != patternText {
		return p.kind == patternAny
	}
	for rest, more := p.text, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		item = strings.TrimSpace(item)
		if item == name || fold && strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

func takesAny(text string) bool {
	for item := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(item) == "*" {
			return true
		}
	}
	return false
}
