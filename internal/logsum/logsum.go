// Package logsum keeps a log readable when the same thing happens again and again: the first
// time is a line at once, and what follows within a minute is one more line with its number.
package logsum

import (
	"sync"
	"time"
)

const (
	// Every is the least time between two lines about the same thing.
	Every = time.Minute
	// maxKeys bounds what is remembered. What comes beyond it within a minute is summed up as
	// one, under the zero key: keys may come from names that clients choose.
	maxKeys = 128
)

// Lines sums up what happens by its key. Make one with New; Close ends it. All methods may be
// called concurrently.
type Lines[K comparable] struct {
	write  func(key K, times uint64)
	mu     sync.Mutex
	lines  map[K]*line
	closed bool
}

// line is something that happened within the last minute.
type line struct {
	times uint64 // since the last line about it
	timer *time.Timer
}

// New returns Lines that call write for each line: with times 0 for the first of a kind, and
// then with how often it happened since the line before. The zero key stands for all that do not
// fit. Write is never called twice at a time and must not call back.
func New[K comparable](write func(key K, times uint64)) *Lines[K] {
	return &Lines[K]{write: write, lines: make(map[K]*line)}
}

// Note says that something happened. It writes a line if nothing of the kind happened in the
// last minute, and else costs no allocation.
func (l *Lines[K]) Note(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	known := l.lines[key]
	if known == nil && len(l.lines) >= maxKeys {
		var others K
		key = others
		known = l.lines[key]
	}
	if known != nil {
		known.times++
		return
	}
	l.write(key, 0)
	one := new(line)
	one.timer = time.AfterFunc(Every, func() { l.due(key, one) })
	l.lines[key] = one
}

// due writes what was summed up, or forgets what did not happen again.
func (l *Lines[K]) due(key K, one *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if one.times == 0 {
		delete(l.lines, key)
		return
	}
	l.flush(key, one)
	one.timer.Reset(Every)
}

func (l *Lines[K]) flush(key K, one *line) {
	if one.times > 0 {
		l.write(key, one.times)
		one.times = 0
	}
}

// Close writes what is summed up so far. Later notes are ignored.
func (l *Lines[K]) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for key, one := range l.lines {
		one.timer.Stop()
		l.flush(key, one)
	}
	clear(l.lines)
}
