package main

import (
	"fmt"
	"sync"
)

// calls checks what clients say to the application: the numbers of one connection come in order, none twice,
// and if gaps is false none is missing between two others.
type calls struct {
	checker *checker
	gaps    bool

	mu   sync.Mutex
	sent map[string]int // by connection id
	got  map[string]*arrivals
	all  int
}

func newCalls(c *checker, gaps bool) *calls {
	return &calls{checker: c, gaps: gaps, sent: make(map[string]int), got: make(map[string]*arrivals)}
}

// next numbers what a connection says.
func (c *calls) next(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[id]++
	return c.sent[id]
}

// receive checks a number that has come to the application.
func (c *calls) receive(id string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.got[id]
	if a == nil {
		a = new(arrivals)
		c.got[id] = a
	}
	last := a.last
	wrong := a.note(n)
	if wrong == "" && n != last+1 && !c.gaps {
		wrong = "loss"
	}
	if wrong != "" {
		c.checker.violate(wrong, fmt.Sprintf("the application got call %d of connection %s behind %d", n, id, last))
	}
	c.all++
}

// missing says how many calls of a connection have not come.
func (c *calls) missing(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	came := 0
	if a := c.got[id]; a != nil {
		came = a.last
	}
	return c.sent[id] - came
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}
