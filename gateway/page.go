package gateway

import (
	"slices"
	"strings"
)

// MaxPage is how many connections a page has at most, whatever is asked for.
const MaxPage = 10_000

// Page is a part of a list of connections, which are ordered by id.
type Page struct {
	// After is the last id of the page before; empty for the first page.
	After string
	// Max is how many connections the page has at most, MaxPage or less.
	Max int
}

// Member is one connection of a list.
type Member struct{ ID, User string }

// size is how many members the page has room for.
func (p Page) size() int { return max(0, min(p.Max, MaxPage)) }

// cut orders members and keeps those of the page.
func (p Page) cut(members []Member) []Member {
	if p.size() == 0 || len(members) == 0 {
		return nil
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return members[:min(len(members), p.size())]
}

// pageOf collects a page out of any number of connections that come in no order. It never holds
// more than the page, and most connections cost it one comparison.
type pageOf struct {
	page Page
	// members are the smallest ids so far. When the page is full they are a heap: the largest is
	// the first, and none is larger than the one at half its position.
	members []Member
}

func (p *pageOf) add(m Member) {
	room := p.page.size()
	switch {
	case m.ID <= p.page.After || room == 0:
	case len(p.members) < room:
		if p.members = append(p.members, m); len(p.members) == room {
			for i := room/2 - 1; i >= 0; i-- {
				p.sink(i)
			}
		}
	case m.ID < p.members[0].ID:
		p.members[0] = m
		p.sink(0)
	}
}

// sink moves a member down the heap to where it belongs.
func (p *pageOf) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(p.members) {
			return
		}
		if child+1 < len(p.members) && p.members[child+1].ID > p.members[child].ID {
			child++
		}
		if p.members[i].ID >= p.members[child].ID {
			return
		}
		p.members[i], p.members[child] = p.members[child], p.members[i]
		i = child
	}
}
