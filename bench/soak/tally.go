package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what happened. Faults fail the soak.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
	faults []error
}

func (t *tally) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[string]int)
	}
	t.counts[what]++
}

func (t *tally) fault(err error) {
	t.count("faults")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, fmt.Errorf("%s: %w", time.Now().UTC().Format("15:04:05.000"), err))
}

// maxShown faults are told.
const maxShown = 20

func (t *tally) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.faults) > maxShown {
		return errors.Join(append(slices.Clone(t.faults[:maxShown]), fmt.Errorf("and %d more", len(t.faults)-maxShown))...)
	}
	return errors.Join(t.faults...)
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Fprintf(&b, "%8d %s\n", t.counts[what], what)
	}
	return b.String()
}
