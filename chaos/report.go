package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what a scenario has to say. Its methods may be called from anywhere.
type report struct {
	mu    sync.Mutex
	notes []string
	out   io.Writer
}

// note keeps a line for the summary.
func (r *report) note(format string, values ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, values...))
}

// shown violations of a kind are told.
const shown = 5

// tell adds what the checker has seen.
func (s *stage) tell() {
	var sent [3]int64
	for _, one := range s.crowd.senders {
		sent[0] += one.accepted.Load()
		sent[1] += one.refused.Load()
		sent[2] += one.silent.Load()
	}
	s.report.note("REST: %d messages accepted, %d refused, %d without an answer; %d deliveries, p50 %v, p99 %v, slowest %v", sent[0], sent[1], sent[2],
		s.checker.deliveries, round(s.checker.percentile(0.5)), round(s.checker.percentile(0.99)), round(s.checker.percentile(1)))
	s.report.note("%d calls came to the application; %v", s.calls.count(), s.tally.String())
	if s.hooks != nil {
		connected, disconnected := s.hooks.count()
		s.report.note("webhooks: %d connected, %d disconnected", connected, disconnected)
	}
	for _, f := range s.faults() {
		s.report.note("%s", f)
	}
	for _, n := range s.cluster.nodes {
		for line, times := range n.run.troubles {
			s.report.note("log of %s, %d times: %.300s", n.name, times, line)
		}
	}
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// String says what the fault cost.
func (f *fault) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := f.what
	if !f.to.IsZero() {
		text += fmt.Sprintf(" (%v)", f.to.Sub(f.from).Round(time.Millisecond))
	}
	switch {
	case f.lost == 0:
		return text + ": nothing lost"
	case !f.to.IsZero() && f.last.After(f.to):
		return fmt.Sprintf("%s: %d deliveries lost that it excuses, the last one %v after its end", text, f.lost, f.last.Sub(f.to).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s: %d deliveries lost that it excuses, the last one %v after its beginning", text, f.lost, f.last.Sub(f.from).Round(time.Millisecond))
}

// broken are the promises that were broken, by kind.
func (c *checker) broken() (text string, kinds []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(c.violations)) {
		all := c.violations[what]
		kinds = append(kinds, fmt.Sprintf("%s %d", what, len(all)))
		for _, one := range all[:min(len(all), shown)] {
			fmt.Fprintf(&b, "    %s: %s\n", what, one)
		}
		if len(all) > shown {
			fmt.Fprintf(&b, "    %s: and %d more\n", what, len(all)-shown)
		}
	}
	return b.String(), kinds
}
