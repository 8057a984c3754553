package main

import (
	"context"
	"encoding/json"
	"fmt"
)

// linked is what a node says of the cluster at its admin address.
type linked struct {
	Node        string
	Incarnation string
	Isolated    bool
	Peers       []struct {
		Node        string
		Incarnation string
		State       string
		Books       linkBooks
	}
}

// linkBooks are of commands from one node to another.
type linkBooks struct {
	Handed, Acknowledged, Queued, Received uint64
	Dropped                                map[string]uint64
}

func (b linkBooks) dropped() (sum uint64) {
	for _, n := range b.Dropped {
		sum += n
	}
	return sum
}

// links asks a node.
func (n *node) linked(ctx context.Context) (l linked, err error) {
	text := n.look(ctx, "/cluster")
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return l, fmt.Errorf("%s: %.200s", n.name, text)
	}
	return l, nil
}

// checkLinks adds the books of all pairs of nodes that are linked: what was handed to the other was
// acknowledged or dropped for a reason, and the other has received what it has acknowledged.
func (s *stage) checkLinks(ctx context.Context) {
	if len(s.running()) < 2 {
		return
	}
	var wrong []string
	var total linkBooks
	err := until(ctx, settleTime, func() bool {
		wrong, total = s.linkBooks(ctx)
		return len(wrong) == 0
	})
	if err != nil {
		for _, one := range wrong {
			s.checker.violate("books", one)
		}
	}
	s.report.note("commands between nodes that are linked: %d handed, %d acknowledged, dropped %v", total.Handed, total.Acknowledged, total.Dropped)
}

func (s *stage) linkBooks(ctx context.Context) (wrong []string, total linkBooks) {
	total.Dropped = make(map[string]uint64)
	all := make(map[string]linked)
	for _, n := range s.running() {
		l, err := n.linked(ctx)
		if err != nil {
			return []string{err.Error()}, total
		}
		all[l.Incarnation] = l
	}
	for _, from := range all {
		for _, p := range from.Peers {
			b := p.Books
			total.Handed, total.Acknowledged = total.Handed+b.Handed, total.Acknowledged+b.Acknowledged
			for reason, n := range b.Dropped {
				total.Dropped[reason] += n
			}
			pair := from.Node + " to " + p.Node
			if b.Handed != b.Acknowledged+b.dropped()+b.Queued || b.Queued != 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %+v", pair, b))
			}
			for _, back := range all[p.Incarnation].Peers {
				came := back.Books.Received
				if back.Incarnation == from.Incarnation && (came < b.Acknowledged || came > b.Acknowledged+b.dropped()) {
					wrong = append(wrong, fmt.Sprintf("%s: %+v, and %d were received", pair, b, came))
				}
			}
		}
	}
	return wrong, total
}
