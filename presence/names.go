package presence

import (
	"slices"
	"sort"
)

// names are ids or names as they were at one moment, in parts that are ordered each. They are never
// ordered as a whole: that would hold up a processor for long, and a page needs only their beginning.
type names struct {
	parts [][]string
	total int
}

const (
	// partSize is how many names are ordered at a time, at least.
	partSize = 4096
	// maxParts bounds what a page has to look at for each of its names.
	maxParts = 64
)

// order makes names of a list, which it changes. After each part it rests.
func order(list []string, rest func(names int)) *names {
	n := &names{total: len(list)}
	size := max(partSize, len(list)/maxParts+1)
	for len(list) > 0 {
		part := list[:min(len(list), size)]
		list = list[len(part):]
		slices.Sort(part)
		n.parts = append(n.parts, part)
		rest(len(part))
	}
	return n
}

// with are the names and further ones, which are ordered. Those are in the total of another node, or in this one's.
func (n *names) with(further []string) *names {
	if len(further) == 0 {
		return n
	}
	return &names{parts: append(slices.Clip(n.parts), further), total: n.total}
}

// after visits the names behind last, smallest first, each once, until visit returns false.
func (n *names) after(last string, visit func(name string) bool) {
	rest := make([][]string, 0, len(n.parts))
	for _, part := range n.parts {
		at := sort.Search(len(part), func(i int) bool { return part[i] > last })
		if at < len(part) {
			rest = append(rest, part[at:])
		}
	}
	for len(rest) > 0 {
		least := 0
		for i := range rest {
			if rest[i][0] < rest[least][0] {
				least = i
			}
		}
		name := rest[least][0]
		if !visit(name) {
			return
		}
		for i := 0; i < len(rest); i++ {
			for len(rest[i]) > 0 && rest[i][0] == name {
				rest[i] = rest[i][1:]
			}
			if len(rest[i]) == 0 {
				rest[i] = rest[len(rest)-1]
				rest = rest[:len(rest)-1]
				i--
			}
		}
	}
}
