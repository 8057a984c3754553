package natsd

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// Died reports whether another node's machine refuses connections to the address at which that node introduced
// itself to this one. Then the node's process has ended, or its server is just starting again: who asks twice knows.
// It is false if that cannot be known, as of a node behind a network that is cut, one that hangs, one whose machine
// is down, one that has said that its server starts again, and with an external NATS. It takes a second at most.
func (e *Engine) Died(ctx context.Context, name string) bool {
	if e.opts.Cluster == nil {
		return false
	}
	at := e.routes.mesh.provenAt(name, time.Now())
	if at == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	_, err := e.askName(ctx, at)
	return errors.Is(err, syscall.ECONNREFUSED)
}

// prove asks a node to introduce itself at its address.
func (e *Engine) prove(ctx context.Context, s sighting) {
	ctx, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	if name, err := e.askName(ctx, s.At); err == nil && name == s.Name {
		e.routes.mesh.proved(s)
	}
}
