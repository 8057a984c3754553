package main

import (
	"fmt"
	"sync"
)

// calls checks what clients say to the application: the numbers of one connection come in order, none twice, and
// none is missing that may not be.
type calls struct {
	checker *checker

	mu  sync.Mutex
	of  map[string]*said // by connection id
	all int
}

// said are the calls of one connection.
type said struct {
	sent int
	// failed are calls of which the client knows that they may not have come, told those that it was told of
	// that they were taken.
	failed, told map[int]bool
	got          arrivals
}

func newCalls(c *checker) *calls { return &calls{checker: c, of: make(map[string]*said)} }

func (c *calls) ofLocked(id string) *said {
	one := c.of[id]
	if one == nil {
		one = &said{failed: make(map[int]bool), told: make(map[int]bool)}
		c.of[id] = one
	}
	return one
}

// next numbers what a connection says.
func (c *calls) next(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.ofLocked(id)
	one.sent++
	return one.sent
}

// fail notes that the client was told that a call failed. It may have come all the same.
func (c *calls) fail(id string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ofLocked(id).failed[n] = true
}

// taken notes that the client was told that a call was taken.
func (c *calls) taken(id string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ofLocked(id).told[n] = true
}

// receive checks a number that has come to the application.
func (c *calls) receive(id string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.ofLocked(id)
	last := one.got.last
	if wrong := one.got.note(n); wrong != "" {
		c.checker.violate(wrong, fmt.Sprintf("the application got call %d of connection %s behind %d", n, id, last))
	}
	c.all++
}

// gap is a call that has not come, of a connection.
type gap struct{ id, text string }

// missing are the calls that have not come and had to: those before others that came, and if the connection
// lives all.
func (c *calls) missing(lives func(id string) bool) (texts []gap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, one := range c.of {
		up := one.got.last
		if lives(id) {
			up = one.sent
		}
		for n := 1; n <= up; n++ {
			if !one.got.has(n) && !one.failed[n] {
				texts = append(texts, gap{id, fmt.Sprintf("the application has not got call %d of connection %s, of %d that were made; its client was told that it was taken: %v", n, id, one.sent, one.told[n])})
			}
		}
	}
	return texts
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}
