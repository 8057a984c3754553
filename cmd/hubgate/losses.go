package main

import (
	"context"
	"fmt"

	"github.com/hubgate/hubgate/gateway"
)

// losses counts the messages that a drain cuts off: clients that took nothing
// any more have lost what waited for them.
type losses struct {
	hub    *gateway.Gateway
	before uint64
	begun  bool
}

func (l *losses) total() uint64 {
	dropped := l.hub.Stats().Total.Dropped
	return dropped[gateway.DropConnectionClosed] + dropped[gateway.DropSlowClient]
}

// begin is called when clients are about to be closed.
func (l *losses) begin() { l.before, l.begun = l.total(), true }

// check is called when all clients have ended. Losses are an error.
func (l *losses) check(context.Context) error {
	if !l.begun {
		return nil
	}
	if n := l.total() - l.before; n > 0 {
		return fmt.Errorf("%d messages were cut off that waited for clients", n)
	}
	return nil
}
