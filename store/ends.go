package store

import "time"

// ending is what ends at some time. It is in an ends once at most.
type ending interface {
	// end is when it ends; heap.Fix has to be called when that changes.
	end() time.Time
	// place is where its index in the ends is kept.
	place() *int
}

// unlisted is the index of what is in no ends.
const unlisted = -1

// ends is a heap.Interface that has what ends next first. It replaces a timer for each.
type ends[E ending] []E

// Len implements heap.Interface.
func (e ends[E]) Len() int { return len(e) }

// Less implements heap.Interface.
func (e ends[E]) Less(i, j int) bool { return e[i].end().Before(e[j].end()) }

// Swap implements heap.Interface.
func (e ends[E]) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	*e[i].place(), *e[j].place() = i, j
}

// Push implements heap.Interface.
func (e *ends[E]) Push(x any) {
	one := x.(E)
	*one.place() = len(*e)
	*e = append(*e, one)
}

// Pop implements heap.Interface.
func (e *ends[E]) Pop() any {
	last := len(*e) - 1
	one := (*e)[last]
	clear((*e)[last:])
	*e = (*e)[:last]
	*one.place() = unlisted
	return one
}
