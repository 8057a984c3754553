package main

import (
	"sync"
	"time"
)

// kind is whom a message is for.
type kind int

const (
	toAll kind = iota
	toGroup
	toUser
	toConnection
)

// target is the receivers of a message.
type target struct {
	kind kind
	name string
}

// fate is what became of a message at the door.
type fate int

const (
	// underWay has no answer yet, or never got one: it may arrive or not.
	underWay fate = iota
	// accepted was answered with success: it must arrive.
	accepted
	// refused was answered with an error: it may arrive at some.
	refused
)

// message is one number of an origin.
type message struct {
	to    target
	began time.Time
	ended time.Time // when it was answered
	fate  fate
}

// origin is a sender whose messages are numbered from 1. Those that enter at one process of a
// node keep their order.
type origin struct {
	// name says all: node, process, sender.
	name string
	// node is where the messages enter; "" if that is not known.
	node string
	// ordered says that the messages come in order.
	ordered bool

	mu   sync.Mutex
	list []message
}

// next numbers a message.
func (o *origin) next(to target) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, message{to: to, began: time.Now()})
	return len(o.list)
}

// answer notes what became of a number.
func (o *origin) answer(n int, f fate) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list[n-1].ended, o.list[n-1].fate = time.Now(), f
}

// answered says whether a number has been answered. The next one is sent behind the answer, or when none can come any
// more since the connection has failed: then the node may read both at the same time, and there is no order.
func (o *origin) answered(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return n < 1 || n > len(o.list) || o.list[n-1].fate != underWay
}

// messages are all so far. What is in the list changes no more once it is answered.
func (o *origin) messages() []message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]message(nil), o.list...)
}

// began is when a number was sent; zero for a number that nobody has sent.
func (o *origin) began(n int) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n < 1 || n > len(o.list) {
		return time.Time{}
	}
	return o.list[n-1].began
}
