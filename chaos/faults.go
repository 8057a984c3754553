package main

import (
	"slices"
	"time"
)

// What a scenario may excuse with.
const (
	// goneTime is how long after a break a node may still be taken for alive, or after it has healed for gone.
	goneTime = 5 * time.Second
	// margin is for a busy machine.
	margin = 2 * time.Second
)

// fault begins a fault, which its over ends.
func (s *stage) fault(what string, between func(from, to string) bool) *fault {
	return s.checker.fault(what, goneTime+margin, between)
}

func (s *stage) faults() []*fault {
	s.checker.mu.Lock()
	defer s.checker.mu.Unlock()
	return slices.Clone(s.checker.faults)
}

// disturbed says whether there was a fault within the last time, longer than it excuses by itself.
func (s *stage) disturbed(within time.Duration) bool {
	now := time.Now()
	return slices.ContainsFunc(s.faults(), func(f *fault) bool { return f.covers(now.Add(-within), now) })
}

// era numbers the times between the beginnings and ends of faults. calm is false while one has an effect.
func (s *stage) era() (number int, calm bool) {
	now := time.Now()
	calm = true
	for _, f := range s.faults() {
		number++
		if f.covers(now, now) {
			calm = false
		} else {
			number++
		}
	}
	return number, calm
}
