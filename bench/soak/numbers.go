package main

import (
	"fmt"
	"sync"
)

// source is a sender whose messages are numbered from 1: REST to all clients, or to one group.
type source struct {
	name string
	mu   sync.Mutex
	// started is the number of the newest message that was sent, accepted the newest one of
	// which the gateway has said that it is queued.
	started, accepted int
}

func (s *source) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
	return s.started
}

func (s *source) done(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted = max(s.accepted, n)
}

func (s *source) sent() (started, accepted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.started, s.accepted
}

// expectation is what one client may get of one source from now on: every number, in order.
// Its methods are called with the client's lock held.
type expectation struct {
	source *source
	// newest is the number of the newest message when the client became a receiver: the first
	// one it gets is not later than the next.
	newest int
	last   int // 0: none has come
}

func expect(s *source) *expectation {
	started, _ := s.sent()
	return &expectation{source: s, newest: started}
}

// got checks a number.
func (e *expectation) got(n int) error {
	switch {
	case e.last == 0 && n > e.newest+1:
		e.last = n
		return fmt.Errorf("%s: lost %d to %d, right after the start", e.source.name, e.newest+1, n-1)
	case e.last == 0, n == e.last+1:
		e.last = n
		return nil
	case n <= e.last:
		return fmt.Errorf("%s: %d came after %d", e.source.name, n, e.last)
	}
	err := fmt.Errorf("%s: lost %d to %d", e.source.name, e.last+1, n-1)
	e.last = n
	return err
}

// upTo reports whether everything up to number n has come, if any of it concerned the client.
func (e *expectation) upTo(n int) bool { return e.last >= n || n <= e.newest }
