package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExpectation: what a receiver must not miss begins behind what was sent when it became one.
func TestExpectation(t *testing.T) {
	for _, c := range []struct {
		name    string
		sent    int
		numbers []int
		faults  int
	}{
		{"everything", 3, []int{4, 5, 6}, 0},
		{"what was under way comes too", 3, []int{2, 3, 4}, 0},
		{"the first one is lost", 3, []int{5, 6}, 1},
		{"one is lost", 3, []int{4, 6, 7}, 1},
		{"one comes twice", 3, []int{4, 4, 5}, 1},
		{"two change places", 3, []int{4, 6, 5}, 2},
		{"nothing comes", 3, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &source{name: "all"}
			for range c.sent {
				s.done(s.next())
			}
			e, faults := expect(s), 0
			for _, n := range c.numbers {
				if e.got(n) != nil {
					faults++
				}
			}
			require.Equal(t, c.faults, faults)
		})
	}
}

func TestCaughtUp(t *testing.T) {
	s := &source{name: "all"}
	s.done(s.next())
	e := expect(s)
	require.True(t, e.upTo(1), "it was sent before")
	n := s.next()
	s.done(n)
	require.False(t, e.upTo(n))
	require.NoError(t, e.got(n))
	require.True(t, e.upTo(n))
}

// TestCompare: what is more at the end than after the first minute is an error.
func TestCompare(t *testing.T) {
	before := reading{goroutines: 100, descriptors: 100, heap: 10 << 20, connections: 10, books: balanced}
	require.NoError(t, before.compare(before, 0))
	for name, change := range map[string]func(*reading){
		"goroutines":  func(r *reading) { r.goroutines += slack + 20/wanderers + 1 },
		"descriptors": func(r *reading) { r.descriptors += slack + 20/wanderers + 1 },
		"heap":        func(r *reading) { r.heap += heapSlack + r.heap/50 + 1 },
		"books":       func(r *reading) { r.books = "hub chat: 1 delivery is missing" },
	} {
		later := before
		change(&later)
		require.Error(t, before.compare(later, 20), name)
	}
}
