package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// teardowns undo what was built, the last one first. Each is registered in the
// line after the thing that it ends exists, so that a failure half-way through
// building ends exactly what is there.
type teardowns struct {
	log  *slog.Logger
	list []teardown
}

type teardown struct {
	name string
	stop func(ctx context.Context) error
}

func (t *teardowns) add(name string, stop func(ctx context.Context) error) {
	t.list = append(t.list, teardown{name, stop})
}

// run ends everything. ctx bounds it: a stop must return soon after ctx has
// ended. All are run, whatever the others return; the errors are joined.
func (t *teardowns) run(ctx context.Context) error {
	var errs []error
	for _, d := range slices.Backward(t.list) {
		start := time.Now()
		err := d.stop(ctx)
		attributes := []any{"what", d.name, "took", time.Since(start)}
		if err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", d.name, err))
			attributes = append(attributes, "error", err)
		}
		t.log.Debug("stopped", attributes...)
	}
	t.list = nil
	return errors.Join(errs...)
}
