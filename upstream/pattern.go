package upstream

import (
	"slices"
	"strings"
)

// Pattern says which hubs, categories or events a template takes: "*" is any,
// "a" only a, "a,b" either (spaces around items do not count), and a list that
// contains "*" is any. There are no wildcards inside words (R64). The zero
// Pattern is one that was not set; it takes any name.
type Pattern struct {
	set   bool
	items []string
}

// PatternOf returns the pattern that text describes. The empty text takes only
// the empty name; use the zero Pattern for "not set".
func PatternOf(text string) Pattern {
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
	}
	if slices.Contains(items, "*") {
		return Pattern{}
	}
	return Pattern{set: true, items: items}
}

// NoPattern returns the pattern that takes no name at all: what an explicit
// null in the emulator's settings means.
func NoPattern() Pattern { return Pattern{set: true} }

// Matches says whether p takes name. With fold, letter case does not count.
func (p Pattern) Matches(name string, fold bool) bool {
	if !p.set {
		return true
	}
	for _, item := range p.items {
		if item == name || fold && strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

// String returns a text that describes p: "*" for any, "null" for none.
func (p Pattern) String() string {
	switch {
	case !p.set:
		return "*"
	case len(p.items) == 0:
		return "null"
	}
	return strings.Join(p.items, ",")
}
